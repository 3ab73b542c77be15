"""File formats of video annotations. Every format is read into and written from ``VideoAnnotations``.

To add a format, write a module with a function ``read(source, ...)`` that returns
:class:`~mmdet.formats.annotations.VideoAnnotations` and, if files can be written too, a function
``write(annotations, out, ...)`` that returns what it wrote (dict: ``'frames'`` -> count). Then add a line to
:data:`FORMATS`; ``tools/convert_dataset.py`` finds both functions there. Their parameters are the options of
the tool that apply to the format, under the same names (``images`` is ``--images``); an option that no
format has yet needs a line in the tool. A first parameter named ``sources`` takes several paths.
:class:`~mmdet.formats.builder.AnnotationsBuilder` puts videos and tracks together, and
:func:`~mmdet.formats.tracks.decode_tracks` gives a writer the masks of each video.
``mmdet/formats/coco_video.py`` is a short example.
"""

import importlib

#: Name of a format -> its module in this package.
FORMATS = {
    'ytvis': 'ytvis',
    'masks': 'mask_folders',
    'mots': 'mots',
    'coco_video': 'coco_video',
    'cvat': 'cvat',
    'cvat_mots': 'cvat_mots',
    'labelme': 'labelme',
    'label_studio': 'label_studio',
    'frames': 'frame_folders',
}


def load_format(name: str):
    """The module of a format, one of :data:`FORMATS`."""
    return importlib.import_module(f'{__name__}.{FORMATS[name]}')
