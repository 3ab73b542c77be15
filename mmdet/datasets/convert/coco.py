"""COCO image annotations with a track id, to YouTube-VIS."""

from pathlib import PurePosixPath

from ...structures.rle import rle_area, rle_to_bbox, segm_to_rle
from ...structures.ytvis import parse_ytvis
from ...utils.errors import UserError


def coco_to_ytvis(content, path='annotations', video_from_path=False):
    """Group images to videos and annotations to tracks.

    Args:
        content (dict): COCO json; annotations have ``track_id`` or ``instance_id`` (unique within a video),
            images ``video_id`` and ``frame_id``.
        path (str): what messages call it.
        video_from_path (bool): the folder of ``file_name`` is the video, its names in order the frames.

    Returns:
        dict: YouTube-VIS annotations; crowd without a track id becomes a track of its own.

    Raises:
        UserError: naming the entry that lacks something or contradicts another.
    """
    for key in ('images', 'annotations', 'categories'):
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise UserError(f'{path} is not a COCO annotation file: expected a list under {key!r}')
    videos, places = _videos(content['images'], path, video_from_path)
    root = {'categories': content['categories'], 'videos': videos, 'annotations': []}
    tracks = {}
    for number, annotation in enumerate(content['annotations']):
        place = f'{path}: annotations[{number}]'
        if not isinstance(annotation, dict) or annotation.get('image_id') not in places:
            raise UserError(f'{place}: image_id is missing or not among the images')
        video, frame = places[annotation['image_id']]
        _add(root, tracks, annotation, video, frame, place)
    parse_ytvis(root, path)
    return root


def _videos(images, path, video_from_path):
    """(videos, image id -> (video, frame)); frames follow frame_id or the names."""
    groups = {}
    for number, image in enumerate(images):
        place = f'{path}: images[{number}]'
        needed = ['id', 'file_name', 'width', 'height']
        needed += [] if video_from_path else ['video_id', 'frame_id']
        missing = [key for key in needed if not isinstance(image, dict) or key not in image]
        if missing:
            raise UserError(f'{place}: {", ".join(missing)} missing')
        if video_from_path:
            key, order = str(PurePosixPath(image['file_name']).parent), image['file_name']
        else:
            key, order = image['video_id'], image['frame_id']
        frames = groups.setdefault(key, {})
        if order in frames:
            raise UserError(f'{place}: video {key!r} has frame {order!r} twice')
        frames[order] = image
    videos, places = [], {}
    for number, (key, frames) in enumerate(groups.items(), 1):
        ordered = [frames[order] for order in sorted(frames)]
        sizes = {(image['width'], image['height']) for image in ordered}
        if len(sizes) > 1:
            raise UserError(f'{path}: images of video {key!r} differ in size: {sorted(sizes)}')
        width, height = sizes.pop()
        names = [image['file_name'] for image in ordered]
        identity = number if video_from_path else key
        videos.append({'id': identity, 'width': width, 'height': height, 'file_names': names})
        for frame, image in enumerate(ordered):
            if image['id'] in places:
                raise UserError(f'{path}: the image id {image["id"]} is used twice')
            places[image['id']] = (videos[-1], frame)
    return videos, places


def _add(root, tracks, annotation, video, frame, place):
    """Put one annotation into its track."""
    track = annotation.get('track_id', annotation.get('instance_id'))
    crowd, category = int(bool(annotation.get('iscrowd', 0))), annotation.get('category_id')
    if track is None:
        if not crowd:
            raise UserError(f'{place}: track_id (or instance_id) is missing')
        track = ('crowd', len(tracks))
    try:
        rle = segm_to_rle(annotation.get('segmentation'), video['height'], video['width'])
    except ValueError as error:
        raise UserError(f'{place}.segmentation: {error}') from None
    key = (video['id'], track)
    if key not in tracks:
        empty = {name: [None] * len(video['file_names']) for name in ('segmentations', 'bboxes', 'areas')}
        tracks[key] = {
            'id': len(tracks) + 1,
            'video_id': video['id'],
            'category_id': category,
            'iscrowd': crowd,
            **empty,
        }
        root['annotations'].append(tracks[key])
    entry = tracks[key]
    if (entry['category_id'], entry['iscrowd']) != (category, crowd):
        raise UserError(f'{place}: track {track!r} changes its category or iscrowd')
    if entry['segmentations'][frame] is not None:
        raise UserError(f'{place}: track {track!r} is in its image twice')
    entry['segmentations'][frame] = rle
    entry['bboxes'][frame] = rle_to_bbox(rle)
    entry['areas'][frame] = rle_area(rle)
