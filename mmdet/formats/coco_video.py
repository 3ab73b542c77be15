"""COCO annotations of video frames whose objects have a track id, CocoVID for example."""

import json
import sys
from pathlib import Path, PurePosixPath

from mmdet.structures.rle import rle_area, rle_to_bbox, segm_to_rle
from mmdet.utils import Progress, UserError, atomic_open, file_name_fault, natural_key

from .annotations import VideoAnnotations
from .builder import AnnotationsBuilder
from .defects import KINDS
from .files import check_images, video_name
from .reading import read_json, zip_members
from .recognize import FRAMES, FRAMES_OF_CVAT, IMAGES, name_kind
from .shapes import box_corners
from .tracks import decode_tracks
from .usual_form import usual_mask
from .ytvis import parse_ytvis
from .ytvis_entries import box_fault
from .ytvis_tables import is_id


def read(
    source: str | Path,
    video_from_path: bool = False,
    boxes_as_masks: bool = False,
    images: str | Path | None = None,
    stream=None,
) -> VideoAnnotations:
    """Read a COCO json and group its images to videos and its annotations to tracks.

    Annotations need ``track_id`` or ``instance_id`` (or one of these in ``attributes``, where CVAT puts it),
    unique within a video, and images ``video_id`` and ``frame_id``. A crowd region without a track id becomes
    a separate track; what CVAT marks so is an object. Frames and videos without objects are kept. Boxes and
    areas are computed from the masks; polygons of fewer than three points are left out.

    Args:
        source (str | Path): json file.
        video_from_path (bool): the folder in ``file_name`` is the video; its frames are in natural order of
            their names (``9`` before ``10``).
        boxes_as_masks (bool): take the box of an annotation without a mask as its mask.
        images (str | Path | None): folder that the file names are relative to, to check the images.
        stream (IO | None): where progress is printed; stderr by default.

    Raises:
        UserError: an entry lacks something or contradicts another; the message names it.
    """
    if Path(source).suffix.lower() == '.zip':
        packed = [name for name in zip_members(source) or () if name.endswith('.json') and '/' in name]
        if packed:
            raise UserError(f'{source}: unpack the zip, and convert {" or ".join(packed[:5])} in it')
    made = parse_coco_video(read_json(source), source, video_from_path, stream, boxes_as_masks)
    if images is not None:
        check_images(images, made.videos)
    return made


def parse_coco_video(
    content, path='annotations', video_from_path=False, stream=None, boxes_as_masks=False
) -> VideoAnnotations:
    """Convert parsed json as :func:`read` does; ``path`` is what messages call it."""
    if known := name_kind(content, path, FRAMES, FRAMES_OF_CVAT, IMAGES):
        raise UserError(f'{path} is not a COCO file with tracks, but {known}')
    for key in ('images', 'annotations', 'categories'):
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise UserError(f'{path} is not a COCO file with tracks: expected a list under {key!r}')
    if (known := name_kind(content, path, FRAMES, FRAMES_OF_CVAT)) and _lacks_tracks(content['annotations']):
        raise UserError(f'{path} is {known}')
    categories = set(parse_ytvis({'videos': [], 'categories': content['categories']}, path).category_ids)
    builder = AnnotationsBuilder(content['categories'])
    places = _add_videos(builder, content, path, video_from_path)
    tracks, remains = {}, 0
    with Progress(len(content['annotations']), 'annotations', stream=stream) as progress:
        for number, annotation in enumerate(content['annotations']):
            place = f'{path}: annotations[{number}]'
            if boxes_as_masks and isinstance(annotation, dict) and not annotation.get('segmentation'):
                annotation = {**annotation, 'segmentation': [_box_polygon(annotation, place)]}
            remains += _collect(tracks, annotation, places, categories, place)
            progress.update()
    for (video_id, _), track in tracks.items():
        builder.add_track(video_id, **track)
    for note in _notes(builder.tracks, content['annotations'], remains):
        print(f'note: {path}: {note}', file=stream or sys.stderr)
    return builder.build(path, stream)


def _notes(tracks, annotations, remains):
    """Yield what a user should know; ``remains`` is the number of polygons that were left out."""
    if remains:
        yield f'{KINDS["polygon_remains"][0]}: {remains}; these polygons are left out'
    if tracks and all(track['iscrowd'] for track in tracks):
        yield (
            'all objects are crowd regions, so there is nothing to train on; CVAT marks masks of its brush '
            'so, which need a track_id in their attributes'
        )
    elif brushed := sum(map(_is_brushed, annotations)):
        yield (
            f'masks of the brush of CVAT without a track_id: {brushed}; CVAT marks them as crowd regions, '
            'from which nothing is learned. Give them a track_id in their attributes'
        )


def _box_polygon(annotation, place):
    box, attributes = annotation.get('bbox'), annotation.get('attributes')
    if fault := box_fault(box):
        raise UserError(f'{place} has no mask: expected as bbox {fault}, got {box!r:.60}')
    x, y, w, h = box
    # CVAT writes a turned box as it was before it was turned.
    turn = attributes.get('rotation', 0) if isinstance(attributes, dict) else 0
    if type(turn) not in (int, float) or not abs(turn) <= 360:
        raise UserError(f'{place}.attributes.rotation: expected degrees, got {turn!r:.60}')
    return box_corners(x, y, x + w, y + h, turn)


def _add_videos(builder, content, path, video_from_path):
    """Add the videos; returns image id -> (video id, frame, height, width)."""
    groups = _group_images(content['images'], path, video_from_path)
    named = {v['id']: v['name'] for v in content.get('videos') or () if _is_named(v)}
    places = {}
    for key, frames in groups.items():
        ordered = [frames[order] for order in sorted(frames, key=natural_key if video_from_path else None)]
        sizes = {(image['height'], image['width']) for image in ordered}
        if len(sizes) > 1:
            raise UserError(
                f'{path}: images of video {key!r} differ in size (height, width): {sorted(sizes)}'
            )
        (height, width), names = sizes.pop(), [image['file_name'] for image in ordered]
        extra = {'name': named[key]} if not video_from_path and key in named else {}
        video_id = builder.add_video(names, height, width, None if video_from_path else key, **extra)
        for frame, image in enumerate(ordered):
            if image['id'] in places:
                raise UserError(f'{path}: the image id {image["id"]} is used twice')
            places[image['id']] = (video_id, frame, height, width)
    return places


def _is_named(video):
    return isinstance(video, dict) and isinstance(video.get('id'), (int, str)) and 'name' in video


def _group_images(images, path, video_from_path):
    """video -> {order of the frame: image}."""
    needed = ['id', 'file_name', 'width', 'height'] + ([] if video_from_path else ['video_id', 'frame_id'])
    kinds = {'file_name': str, 'id': (int, str), 'video_id': (int, str)}
    groups = {}
    for number, image in enumerate(images):
        place = f'{path}: images[{number}]'
        missing = [key for key in needed if not isinstance(image, dict) or key not in image]
        if missing:
            of_video = {'video_id', 'frame_id'} & {*missing}
            hint = ' (if each folder is a video: --video-from-path)' if of_video else ''
            raise UserError(f'{place}: {", ".join(missing)} missing{hint}')
        for key in needed:
            if not isinstance(image[key], kinds.get(key, int)) or isinstance(image[key], bool):
                kind = kinds.get(key, int)
                what = 'a text' if kind is str else 'a whole number' + ' or a text' * (kind is not int)
                raise UserError(f'{place}.{key}: expected {what}, got {image[key]!r:.60}')
        image = {**image, 'file_name': image['file_name'].replace('\\', '/')}  # written on Windows
        if expected := file_name_fault(image['file_name']):
            raise UserError(f'{place}.file_name: expected {expected}, got {image["file_name"]!r:.60}')
        if video_from_path:
            key, order = str(PurePosixPath(image['file_name']).parent), image['file_name']
        else:
            key, order = image['video_id'], image['frame_id']
        frames = groups.setdefault(key, {})
        if order in frames:
            raise UserError(f'{place}: video {key!r} has frame {order!r} twice')
        frames[order] = image
    return groups


def _identity(annotation):
    """What tells the object of an annotation from others of its video (None if nothing does), and whether it
    stands where CVAT puts it."""
    attributes = annotation.get('attributes')
    for holder in (annotation, attributes if isinstance(attributes, dict) else {}):
        for key in ('track_id', 'instance_id'):
            if holder.get(key) not in (None, ''):
                return holder[key], holder is not annotation
    return None, False


def _is_brushed(annotation):
    """Whether CVAT has drawn a mask that could be an object: a crowd region without an identity."""
    attributes = annotation.get('attributes')
    from_cvat = isinstance(attributes, dict) and 'occluded' in attributes
    return from_cvat and bool(annotation.get('iscrowd')) and _identity(annotation)[0] is None


def _lacks_tracks(annotations):
    """Whether there are annotations and none could be part of a track."""
    return bool(annotations) and not any(
        not isinstance(entry, dict) or entry.get('iscrowd') or _identity(entry)[0] is not None
        for entry in annotations
    )


def _collect(tracks, annotation, places, categories, place):
    """Put the mask of one annotation into its track: (video id, track id) -> arguments of ``add_track``.

    Returns the number of polygons that were left out. A mask that is repeated as it is counts once.
    """
    image = annotation.get('image_id') if isinstance(annotation, dict) else None
    if not isinstance(image, (int, str)) or image not in places:
        raise UserError(f'{place}: image_id is missing or not among the images')
    video_id, frame, height, width = places[image]
    identity, from_cvat = _identity(annotation)
    # CVAT marks everything that was drawn with its brush as a crowd.
    crowd = int(bool(annotation.get('iscrowd', 0)) and not from_cvat)
    category = annotation.get('category_id')
    if not is_id(category) or category not in categories:
        raise UserError(f'{place}: category_id {category!r} is not among the categories')
    if identity is None and not crowd:
        raise UserError(f'{place}: track_id (or instance_id, or attributes.track_id) is missing')
    if isinstance(identity, (list, dict)):
        raise UserError(f'{place}: track_id (or instance_id) is not an id: {identity!r:.60}')
    segm, remains = usual_mask(annotation.get('segmentation'))
    if segm is None and remains:
        return remains  # nothing but what a brush has left
    try:
        rle = segm_to_rle(segm or annotation.get('segmentation'), height, width)
    except ValueError as error:
        hint = ' (--boxes-as-masks takes the box)' if not annotation.get('segmentation') else ''
        raise UserError(f'{place}.segmentation: {error}{hint}') from None
    key = (video_id, ('crowd', len(tracks)) if identity is None else identity)
    extra = {} if identity is None else {'track_id': identity}
    track = tracks.setdefault(key, {'category_id': category, 'iscrowd': crowd, 'masks': {}, **extra})
    if (track['category_id'], track['iscrowd']) != (category, crowd):
        raise UserError(f'{place}: track {identity!r} changes its category or iscrowd')
    if track['masks'].setdefault(frame, rle) != rle:
        raise UserError(
            f'{place}: track {identity!r} is in its image twice, with different masks; give each object of a '
            'video another track_id, and export the tasks of a project of CVAT one by one'
        )
    return remains


def write(annotations: VideoAnnotations, out: str | Path, stream=None) -> dict[str, int]:
    """Write a CocoVID json, as mmtracking reads it: an annotation for each object of each frame.

    Ids of videos and categories are kept, and ``instance_id`` is the id of the track.

    Args:
        annotations (VideoAnnotations): what to write.
        out (str | Path): file to write.
        stream (IO | None): where progress is printed; stderr by default.

    Returns:
        dict[str, int]: what was written.

    Raises:
        UserError: a mask is damaged.
    """
    content = {'categories': annotations.categories, 'videos': [], 'images': [], 'annotations': []}
    with Progress(len(annotations.videos), 'videos', stream=stream) as progress:
        for video, tracks in decode_tracks(annotations):
            size = {'width': video['width'], 'height': video['height']}
            name = video.get('name') or video_name(video)
            content['videos'].append({'id': video['id'], 'name': name, **size})
            for frame, file_name in enumerate(video['file_names']):
                image = len(content['images']) + 1
                places = {'video_id': video['id'], 'frame_id': frame}
                content['images'].append({'id': image, **places, 'file_name': file_name, **size})
                for track in tracks:
                    if frame in track.masks and rle_area(track.masks[frame]):
                        number = len(content['annotations']) + 1
                        ids = {'id': number, 'image_id': image, 'video_id': video['id']}
                        content['annotations'].append({**ids, **_annotation(track, track.masks[frame])})
            progress.update()
    with atomic_open(out) as file:
        json.dump(content, file)
    return {key: len(content[key]) for key in ('videos', 'images', 'annotations', 'categories')}


def _annotation(track, rle):
    return {
        'instance_id': track.entry['id'],
        'category_id': track.category_id,
        'bbox': rle_to_bbox(rle),
        'area': rle_area(rle),
        'segmentation': rle,
        'iscrowd': int(track.crowd),
        **({} if track.score is None else {'score': track.score}),
    }
