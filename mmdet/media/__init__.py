"""Images and videos on disk: one reader and one writer of each."""

from .image import image_size, jpeg_is_complete, read_image, read_images, write_image
from .resumable_video import ResumableVideo, can_resume_videos
from .video_reader import VideoReader, is_address
from .video_writer import VideoWriter

__all__ = [
    'ResumableVideo',
    'VideoReader',
    'VideoWriter',
    'can_resume_videos',
    'image_size',
    'is_address',
    'jpeg_is_complete',
    'read_image',
    'read_images',
    'write_image',
]
