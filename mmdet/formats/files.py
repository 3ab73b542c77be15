"""Folders of videos and files of frames."""

import json
import os
import re
from pathlib import Path, PurePosixPath

from mmdet.media import image_size
from mmdet.utils import IMAGE_SUFFIXES, UserError, file_name_fault, natural_key, note_input


def existing_folder(path, what):
    """``path`` as Path; ``UserError`` if it is not a folder."""
    path = Path(path)
    if not path.is_dir():
        raise UserError(
            f'{what} {path} is not a folder' if path.exists() else f'{what} {path} does not exist'
        )
    return path


def folders_below(root, above=()):
    """Yield ``root`` and all folders below it as Path, also linked ones, unless a link leads back up."""
    here = os.path.realpath(root)
    if here not in above:
        yield Path(root)
        with os.scandir(root) as entries:
            inner = [entry.path for entry in entries if entry.is_dir()]
        for folder in inner:
            yield from folders_below(folder, (*above, here))


def folders_with(root, suffixes):
    """Folders below ``root`` that hold files with one of the suffixes.

    Returns:
        list[str]: paths relative to ``root``, with forward slashes, in natural order.
    """
    found = set()
    for folder in folders_below(root):
        with os.scandir(folder) as entries:
            if any(
                os.path.splitext(entry.name)[1].lower() in suffixes
                and entry.is_file()
                and not entry.name.startswith('.')
                for entry in entries
            ):
                found.add(folder.relative_to(root).as_posix())
    return sorted(found, key=natural_key)


def files_by_stem(folder, suffixes):
    """Name without suffix -> path, in natural order; two files with the same such name are an error."""
    found = {}
    for path in sorted(Path(folder).iterdir(), key=lambda entry: natural_key(entry.name)):
        if path.suffix.lower() in suffixes and path.is_file() and not path.name.startswith('.'):
            if path.stem in found:
                raise UserError(f'{folder}: {found[path.stem].name} and {path.name} are the same frame')
            found[path.stem] = path
    return found


def check_images(images, videos):
    """Check that every frame exists and has the size of its video.

    Args:
        images (str | Path): folder that the file names are relative to.
        videos (list[dict]): as in an annotation file.

    Raises:
        UserError: an image is missing or has another size; the message names the first one.
    """
    root = existing_folder(images, 'folder of images')
    for video in videos:
        for name in video['file_names']:
            note_input(root / name)
            if not (root / name).is_file():
                raise UserError(
                    f'image {root / name} does not exist: --images must be the folder that names of files '
                    f'such as {name!r:.80} are relative to'
                )
            size = image_size(root / name)
            if size != (video['height'], video['width']):
                raise UserError(
                    f'image {root / name} is {size[0]}x{size[1]}, '
                    f'its mask is {video["height"]}x{video["width"]} (height x width)'
                )


def video_name(video):
    """Folder of a video's frames if it is one folder, else its id as text."""
    folders = {str(PurePosixPath(name).parent) for name in video['file_names']}
    folder = folders.pop() if len(folders) == 1 else '.'
    return str(video['id']) if folder == '.' else folder


def checked_relative(name, place):
    """``name`` as PurePosixPath; ``UserError`` if it leads out of the folder that it is relative to."""
    path = PurePosixPath(name.replace('\\', '/'))
    if path.is_absolute() or '..' in path.parts or not path.name or re.match(r'[A-Za-z]:', name):
        raise UserError(f'{place}: the file name {name!r} leads out of its folder')
    return path


def read_name_list(path):
    """Names of videos in a file.

    Args:
        path (str | Path): text, one name per line, ``#`` starts a comment; json with a list of names or
            ids; or an annotation file, whose videos go by the folder of their frames, else by their id.

    Raises:
        UserError: the file cannot be read, or its json has no list of videos.
    """
    note_input(path)
    try:
        text = Path(path).read_text(encoding='utf-8-sig')
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f'list of videos {path} cannot be read: {error}') from None
    if text.lstrip()[:1] not in ('[', '{'):
        return [name for line in text.splitlines() if (name := line.split('#', 1)[0].strip())]
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(
            f'list of videos {path} is no text with one name per line, nor json: {error}'
        ) from None
    entries = content.get('videos') if isinstance(content, dict) else content
    names = [_video_name(entry) for entry in entries] if isinstance(entries, list) else [None]
    if None in names:
        raise UserError(
            f'list of videos {path}: expected a list of names or ids, or "videos" of an annotation file'
        )
    return names


def _video_name(entry):
    """Name of a video in a list; None if the entry is none."""
    if isinstance(entry, dict):
        frames = entry.get('file_names')
        first = frames[0] if isinstance(frames, list) and frames else ''
        folder = first.rpartition('/')[0] if isinstance(first, str) else ''
        return folder or _video_name(entry.get('id'))
    plain = isinstance(entry, (str, int)) and not isinstance(entry, bool)
    return str(entry) if plain else None


def read_labels(path):
    """Names of categories in a ``labels.txt``, one per line, without repeats and empty lines."""
    note_input(path)
    try:
        lines = Path(path).read_text(encoding='utf-8-sig').splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f'list of labels {path} cannot be read: {error}') from None
    return list(dict.fromkeys(name for line in lines if (name := line.strip())))


def check_names(categories, tool):
    """Check that the files of a label tool can hold the names of categories.

    Args:
        categories (Sequence[dict]): with ``name``.
        tool (str): for messages.

    Raises:
        UserError: a name has a line break, a control character, or blanks at its ends.
    """
    for name in (category['name'] for category in categories):
        if [name.strip()] != name.splitlines() or re.search('[\x00-\x1f\ud800-\udfff\ufffe\uffff]', name):
            raise UserError(
                f'the category {name!r:.60}: files of {tool} cannot keep blanks at the ends of a name, line '
                'breaks and control characters: rename it'
            )


def choose_videos(names, wanted, root):
    """Those of ``names`` that are wanted (None: all); ``UserError`` if one is missing."""
    if wanted is None:
        return list(names)
    missing = [name for name in wanted if name not in names]
    if missing:
        raise UserError(f'{root}: has no video {missing[0]!r} ({len(missing)} of {len(wanted)} are missing)')
    return [name for name in names if name in set(wanted)]


def frame_number(stem):
    """The number at the end of a name, or None: of ``000012`` and of ``frame_12`` it is 12."""
    match = re.search('[0-9]{1,18}$', stem)
    return int(match.group()) if match else None


def folder_of_video(images, names, place):
    """Folder of the frames of a video: one of ``names`` in ``images``, else ``images`` itself.

    Returns:
        tuple: the folder; what file names relative to ``images`` begin with; stem -> path of its images, in
        natural order.

    Raises:
        UserError: there are no images.
    """
    root = existing_folder(images, 'folder of images')
    names = [name for name in names if name.strip('/. ') and '..' not in Path(name).parts]
    prefix = next((f'{name}/' for name in names if not file_name_fault(name) and (root / name).is_dir()), '')
    found = files_by_stem(root / prefix, IMAGE_SUFFIXES)
    if not found:
        wanted = ' or '.join(dict.fromkeys(repr(name) for name in names)) or 'the video'
        raise UserError(
            f'{place}: no images in {root / prefix}; expected them or a folder named {wanted} there. '
            'Rename or link the folder of the frames, or give it as --images if there is one video'
        )
    return root / prefix, prefix, found


def files_of_frames(images, names, numbers, place, by_number=True):
    """Images of the frames of a video that its label tool only numbers.

    Args:
        images (str | Path): folder of the images, with a folder for each video or with the images themselves.
        names (Sequence[str]): what the folder of the video may be called; the first that exists is taken.
        numbers (Sequence[int]): numbers of the frames, as the label tool counts them in the video.
        place (str): for messages.
        by_number (bool): whether the numbers can be part of the names of the images.

    Returns:
        list[str]: file names relative to ``images``: those whose names end in the numbers, else, if there are
        as many images as frames, all of them in natural order.

    Raises:
        UserError: there is no such folder, images are missing, or it is not clear which image is which frame.
    """
    folder, prefix, found = folder_of_video(images, names, place)
    numbered = {frame_number(stem): path.name for stem, path in found.items()}
    if by_number and len(numbered) == len(found) and all(number in numbered for number in numbers):
        if 1 in numbered and 0 not in numbered and len(found) > len(numbers):
            raise UserError(
                f'{place}: the images in {folder} are numbered from 1, but label tools number frames '
                f'from 0: which one is frame {numbers[0]}? Number the images from 0, too'
            )
        return [prefix + numbered[number] for number in numbers]
    if len(found) == len(numbers):
        names = [path.name for path in found.values()]
        if not by_number and names != sorted(names):
            first, second = next((a, b) for a, b in zip(names, sorted(names)) if a != b)
            raise UserError(
                f'{place}: CVAT sorts images by name as text, which takes {second} before {first}, or by '
                'number, and the file does not say how: export COCO 1.0 (--from coco_video '
                '--video-from-path), which names the images'
            )
        return [prefix + name for name in names]
    if not by_number:
        raise UserError(
            f'{place}: the task was made of {len(numbers)} images, and {folder} has {len(found)}: give a '
            'folder with the images of the task alone'
        )
    missing = next((number for number in numbers if number not in numbered), numbers[0])
    raise UserError(
        f'{place}: the video has {len(numbers)} frames, and {folder} {len(found)} images, none of which is '
        f'numbered {missing}; python tools/extract_frames.py VIDEO --out {folder} writes every frame'
    )
