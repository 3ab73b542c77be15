"""Messages about videos that cannot be read, the same for all decoders."""

import shlex

from mmdet.utils import UserError


def remedy(name: str) -> str:
    """The command that makes a file that every decoder reads."""
    return f'convert it: ffmpeg -i {shlex.quote(name)} -c:v libx264 out.mp4'


def undecodable(name: str, codec: str | None = None, how: str = '') -> UserError:
    """There is no decoder for the codec."""
    codec = f'the codec {codec}' if codec else 'its codec'
    return UserError(f'{name}: {codec} cannot be decoded here; {how}{remedy(name)}')


def no_frames(name: str, codec: str, cut: bool, reason: str | None) -> UserError:
    """Not one frame was decoded."""
    if cut:
        return UserError(f'{name}: no frame could be read, the file is cut off')
    reason = f' ({reason})' if reason else ''
    return UserError(f'{name}: no frame could be read{reason}; its codec is {codec}; {remedy(name)}')


def after_the_end(name: str, read: int, count: int | None, reason: str | None) -> UserError:
    """The video ends too early, after ``read`` frames."""
    if count and count <= read:
        return UserError(
            f'{name}: the file is damaged or cut off after frame {read - 1}; {read} frames were read'
        )
    of = f' of about {count}' if count else ''
    reason = f' ({reason})' if reason else ''
    return UserError(
        f'{name}: frame {read}{of} cannot be read{reason}: the file is damaged or cut off; '
        f'the {read} frames before it were read'
    )
