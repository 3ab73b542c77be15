"""Backbones: images in, feature maps of several strides out."""

from .resnet import ResNet
from .resnext import ResNeXt

__all__ = ['ResNeXt', 'ResNet']
