"""What the bytes of a file say without a decoder: whether its end is missing, its codec, its times."""

import os
import re
from fractions import Fraction
from pathlib import Path

_FIRST_BOXES = (b'ftyp', b'styp', b'moov', b'mdat', b'free', b'skip', b'wide', b'pnot')
_UNKNOWN_SIZES = (0, 0xFFFFFFFF)
_HEAD = 1 << 20


def is_cut_off(path: str | Path) -> bool:
    """Whether an MP4, MOV, AVI, WebM, MKV or GIF file is shorter than its own headers say.

    False for other formats, and for files that do not state their size, as live recordings.
    """
    with open(path, 'rb') as file:
        length = os.fstat(file.fileno()).st_size
        start = file.read(12)
        file.seek(0)
        if start[:6] in (b'GIF87a', b'GIF89a'):
            file.seek(max(0, length - 64))
            return not file.read().rstrip(b'\0').endswith(b';')
        if start[:4] == b'\x1aE\xdf\xa3':
            return _end_of_segment(file) > length
        if start[:4] == b'RIFF':
            return _end_of_chunks(file, length) > length
        if start[4:8] in _FIRST_BOXES:
            return _end_of_boxes(file, length) > length
    return False


def _end_of_boxes(file, length):
    """End of the last box of an MP4 or MOV file: a size of 4 bytes, a name, and the content."""
    position = 0
    while position + 8 <= length:
        file.seek(position)
        header = file.read(16)
        size = int.from_bytes(header[:4], 'big')
        if size == 1:
            size = int.from_bytes(header[8:16], 'big')
        if size < 8 or not re.fullmatch(rb'[ -~]{4}', header[4:8]):
            break  # size 0: up to the end; else something that is no box follows
        position += size
    return position


def _end_of_chunks(file, length):
    """End of the last RIFF chunk; a long AVI file has several."""
    position = 0
    while position + 8 <= length:
        file.seek(position)
        header = file.read(8)
        size = int.from_bytes(header[4:], 'little')
        if header[:4] != b'RIFF' or size in _UNKNOWN_SIZES:
            break
        position += 8 + size + size % 2
    # The last byte of padding is often left out.
    return position - 1 if position == length + 1 else position


def _end_of_segment(file):
    """End of the first segment of an EBML file (WebM, MKV); 0 if its size is not stated."""
    for wanted in (b'\x1aE\xdf\xa3', b'\x18S\x80g'):
        if file.read(4) != wanted:
            return 0
        first = file.read(1)
        if not first or not first[0]:
            return 0
        count = 8 - first[0].bit_length()  # leading zeros: further bytes of the number
        rest = file.read(count)
        size = (first[0] & (0x7F >> count)) << (8 * count) | int.from_bytes(rest, 'big')
        if size == (1 << (7 * (count + 1))) - 1:
            return 0
        end = file.tell() + size
        file.seek(end if wanted == b'\x1aE\xdf\xa3' else file.tell())
    return end


def frame_durations(path: str | Path) -> list[Fraction]:
    """Seconds that each image of an animated PNG or WebP file is shown; empty for all other files.

    As in browsers, less than 11 milliseconds mean a tenth of a second.
    """
    with open(path, 'rb') as file:
        start = file.read(12)
        if start[:8] == b'\x89PNG\r\n\x1a\n':
            found = [
                Fraction(int.from_bytes(data[20:22], 'big'), int.from_bytes(data[22:24], 'big') or 100)
                for data in _chunks(file, 8, b'fcTL')
            ]
        elif start[:4] == b'RIFF' and start[8:] == b'WEBP':
            frames = _chunks(file, 12, b'ANMF')
            found = [Fraction(int.from_bytes(data[12:15], 'little'), 1000) for data in frames]
        else:
            found = []
    return [time if time > Fraction(1, 100) else Fraction(1, 10) for time in found]


def _chunks(file, position, wanted):
    """First bytes of the chunks with this name, in a PNG or RIFF file."""
    order, extra = ('big', 4) if wanted == b'fcTL' else ('little', 0)
    file.seek(position)
    while len(header := file.read(8)) == 8:
        size, name = (header[:4], header[4:]) if extra else (header[4:], header[:4])
        size = int.from_bytes(size, order)
        end = file.tell() + (size + extra if extra else size + size % 2)
        if name == wanted:
            yield file.read(min(size, 26))
        file.seek(end)


def codec_name(path: str | Path) -> str | None:
    """Name of the video codec in the container, such as ``av01`` or ``V_AV1``; None if not found."""
    with open(path, 'rb') as file:
        data = file.read(_HEAD)
        file.seek(max(len(data), os.fstat(file.fileno()).st_size - _HEAD))
        data += file.read()
    for match in re.finditer(rb'stsd.{12}([ -~]{4})', data, re.DOTALL):
        handler = data.rfind(b'hdlr', 0, match.start())
        if data[handler + 12 : handler + 16] == b'vide':
            return match[1].decode()
    match = re.search(rb'strh.{4}vids([ -~]{4})', data, re.DOTALL) or re.search(rb'(V_[A-Z0-9/_]{2,})', data)
    return match[1].decode() if match else None
