"""What a file is that was not asked for: known kinds of annotation files, and what to do with them."""

from pathlib import Path

_CONVERT = 'python tools/convert_dataset.py FILE --from {} --to ytvis --out OUT.json'
_COCO_VIDEO = 'convert it: ' + _CONVERT.format('coco_video')
_MASKS = 'convert the masks: python tools/convert_dataset.py MASKS --from masks {}--to ytvis --out OUT.json'
_EXPORT = (
    'export COCO with track ids, as CVAT does, or PNG masks, and convert these with tools/convert_dataset.py'
)
_CVAT = 'convert it: ' + _CONVERT.format('cvat')
_LABELME = 'convert its folder: ' + _CONVERT.format('labelme').replace('FILE', 'FOLDER')
_LABEL_STUDIO = 'convert it: ' + _CONVERT.format('label_studio')

#: Our own two kinds.
ANNOTATIONS = 'an annotation file in YouTube-VIS format (in commands it comes before the results)'
RESULTS = 'a file of results in YouTube-VIS format (in commands it comes after the annotation file)'
#: Kinds of COCO files.
CAPTIONS = 'a COCO file of captions, which has no masks'
PANOPTIC = 'a COCO panoptic file'
IMAGES = (
    'a COCO image annotation file (images, no tracks): train on it with CocoDataset or CocoPseudoPairs; '
    f'if its annotations get a track_id, {_COCO_VIDEO} --video-from-path'
)
FRAMES = f'CocoVID (images with video_id and frame_id, an annotation for each frame): {_COCO_VIDEO}'
FRAMES_OF_CVAT = f'COCO images with tracks, as CVAT exports them: {_COCO_VIDEO} --video-from-path'


def name_kind(content, source='FILE', *expected: str) -> str | None:
    """What the parsed json of a file is, and what to do with it.

    Args:
        content (object): the parsed json.
        source (str | Path): the file, for the command that is named.
        *expected (str): the kinds that are no surprise, such as :data:`ANNOTATIONS`.

    Returns:
        str | None: such as ``'a file of LabelMe: ...'``; None for what is unknown or expected.
    """
    kind = None
    if isinstance(content, dict):
        kind = _name_object(content)
    elif isinstance(content, list):
        kind = _name_list(_first(content))
    return None if kind is None or kind in expected else _named(kind, source)


def _named(kind, source):
    """The text with the names of the file and its folder."""
    return kind.replace('FILE', str(source)).replace('FOLDER', str(Path(source).parent))


def _name_object(content):
    videos, images = content.get('videos'), content.get('images')
    annotation = _first(content.get('annotations'))
    if content.get('format') == 'masktrack masks 1':
        return 'the objects.json of a folder of masks: ' + _MASKS.format('')
    if isinstance(annotation.get('annotations'), list):
        return f'a file of video panoptic segmentation: {_EXPORT}'
    if isinstance(videos, list) and ('segmentations' in annotation or not images):
        return ANNOTATIONS
    if isinstance(images, list):
        return _name_coco(_first(images), annotation)
    if isinstance(videos, dict) and _values_have(videos, 'expressions'):
        return (
            'a list of expressions that refer to objects; their categories are in the meta.json of the masks'
        )
    if isinstance(videos, dict) and not _values_have(videos, 'file_names'):
        return 'a list of the objects in masks (meta.json): ' + _MASKS.format('--objects FILE --images DIR ')
    for name, keys in _TOOLS.items():
        if keys <= content.keys():
            return f'a file of {name}: {_OWN.get(name, _EXPORT)}'
    if any(str(key).startswith('_via_') for key in content) or _values_have(content, 'regions'):
        return f'a file of VIA: {_EXPORT}'
    return None


#: Label tools and the keys of their files.
_TOOLS = {
    'LabelMe': {'shapes', 'imagePath'},
    'AnyLabeling': {'shapes', 'imageWidth'},
    'Datumaro': {'items', 'categories'},
    'Supervisely': {'framesCount', 'objects'},
    'V7 Darwin': {'item', 'annotations'},
    'Labelbox': {'data_row', 'projects'},
    'Label Studio': {'data', 'annotations'},
    'Encord': {'data_units', 'object_answers'},
    'BURST': {'sequences', 'split'},
}
#: Those whose files are read as they are.
_OWN = {'LabelMe': _LABELME, 'AnyLabeling': _LABELME, 'Label Studio': _LABEL_STUDIO}


def _values_have(content, key):
    return bool(content) and all(isinstance(value, dict) and key in value for value in content.values())


def _first(entries):
    """The first object of a list, or an empty one."""
    entries = entries if isinstance(entries, list) else []
    return next((entry for entry in entries if isinstance(entry, dict)), {})


def _name_coco(image, annotation):
    attributes = annotation.get('attributes')
    if 'caption' in annotation:
        return CAPTIONS
    if 'video_id' in image or 'frame_id' in image:
        return FRAMES
    if 'segments_info' in annotation:
        return PANOPTIC
    tracked = {*annotation, *(attributes if isinstance(attributes, dict) else ())}
    return FRAMES_OF_CVAT if tracked & {'track_id', 'instance_id'} else IMAGES


def _name_list(entry):
    if 'segmentations' in entry and 'score' in entry:
        return RESULTS
    if 'segmentations' in entry and 'video_id' in entry:
        return 'a list of annotations without their videos and categories'
    if 'image_id' in entry and ('score' in entry or 'bbox' in entry):
        return 'a file of results of single images in COCO format'
    if 'data_row' in entry or 'Labeled Data' in entry:
        return f'a file of Labelbox: {_EXPORT}'
    if 'data' in entry or {'annotator', 'lead_time'} & entry.keys():
        return f'a file of Label Studio: {_LABEL_STUDIO}'
    return None


def name_bytes(data: bytes | bytearray, source='FILE') -> str | None:
    """What a file is that is no json, from its first bytes; None for what is unknown.

    Args:
        data (bytes | bytearray): its first bytes or more.
        source (str | Path): the file, for the command that is named.
    """
    start = bytes(data[:512]).lstrip(b'\xef\xbb\xbf \t\r\n')
    for mark, name in _MARKS.items():
        if start.startswith(mark):
            return name
    if b'<annotations>' in data[:4096]:
        return _named(f'XML of CVAT: {_CVAT}', source)
    return f'XML: {_EXPORT}' if start.startswith(b'<') else None


_MARKS = {
    b'\x1f\x8b': 'packed with gzip: unpack it first',
    b'BZh': 'packed with bzip2: unpack it first',
    b'\xfd7zXZ': 'packed with xz: unpack it first',
    b'\x28\xb5\x2f\xfd': 'packed with zstd: unpack it first',
    b'7z\xbc\xaf': 'packed with 7-Zip: unpack it first',
    b'Rar!': 'packed with RAR: unpack it first',
    b'\x89PNG': 'an image',
    b'\xff\xd8\xff': 'an image',
    b'\x80': 'a pickle of Python; results are written as json',
    b'version https://git-lfs': 'a pointer of Git LFS: run git lfs pull',
    b'<!DOCTYPE html': 'a web page: the download has failed',
    b'<html': 'a web page: the download has failed',
}
