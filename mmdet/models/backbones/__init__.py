"""Backbones: image in, a list of feature maps out."""

from .resnet import ResNet
from .resnext import ResNeXt

__all__ = ['ResNeXt', 'ResNet']
