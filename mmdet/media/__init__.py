"""Images and videos on disk: one reader and one writer of each."""

from .image import image_size, jpeg_is_complete, read_image, read_images, write_image
from .video import VideoReader, VideoWriter

__all__ = [
    'VideoReader',
    'VideoWriter',
    'image_size',
    'jpeg_is_complete',
    'read_image',
    'read_images',
    'write_image',
]
