"""Reading images and annotations."""

import cv2
import numpy as np

from mmdet.media import read_image
from mmdet.registry import TRANSFORMS
from mmdet.structures.rle import decode_segm
from mmdet.utils import UserError

from .base import FrameTransform


class Loader(FrameTransform):
    """A transform that reads: the two frames of a pseudo pair are one image, which is read once."""

    def equal_for(self, key, frame):
        """Whether ``frame`` gets what ``key`` got."""
        return 'img_id' in key and key['img_id'] == frame.get('img_id')

    def transform(self, results):
        key, *others = results['frames']
        before = set(key)
        self.apply(key)
        for frame in others:
            if self.equal_for(key, frame):
                read = {name: key[name] for name in key if name not in before}
                frame.update({name: v.copy() if hasattr(v, 'copy') else v for name, v in read.items()})
            else:
                self.apply(frame)
        return results


@TRANSFORMS.register_module()
class LoadImage(Loader):
    """Read ``img_path``; sets ``img``, ``ori_shape``, ``img_shape``, ``scale_factor`` and ``flip``.

    Raises:
        UserError: a missing, damaged or truncated file, or one whose size differs from the annotation file's.
    """

    def apply(self, frame):
        image = read_image(frame['img_path'])
        height, width = image.shape[:2]
        expected = (frame.get('height', height), frame.get('width', width))
        if expected != (height, width):
            raise UserError(
                f'frame {frame["img_path"]} is {width}x{height} pixels, but '
                f'{frame.get("ann_file", "the annotation file")} says {expected[1]}x{expected[0]}'
            )
        frame.update(
            img=image, ori_shape=(height, width), img_shape=(height, width), scale_factor=1.0, flip=False
        )


@TRANSFORMS.register_module()
class LoadAnnotations(Loader):
    """Turn ``instances`` into arrays. Crowd regions become ``gt_bboxes_ignore`` and have no mask
    (docs/conventions.md, "Crowd regions").

    Args:
        with_mask (bool): decode the masks of the key frame.
        with_ref_mask (bool): decode those of the reference frame too, for crops that tighten boxes.

    Raises:
        UserError: a damaged mask, or an object with a box but no mask; names object and frame.
    """

    def __init__(self, with_mask=True, with_ref_mask=False):
        super().__init__()
        self.with_mask, self.with_ref_mask = with_mask, with_ref_mask

    def equal_for(self, key, frame):
        return self.with_mask == self.with_ref_mask and super().equal_for(key, frame)

    def apply(self, frame):
        objects = [entry for entry in frame['instances'] if not entry['crowd']]
        crowd = [entry['bbox'] for entry in frame['instances'] if entry['crowd']]
        frame['gt_bboxes'] = np.array([entry['bbox'] for entry in objects], np.float32).reshape(-1, 4)
        frame['gt_labels'] = np.array([entry['label'] for entry in objects], np.int64)
        frame['gt_instance_ids'] = np.array([entry['instance_id'] for entry in objects], np.int64)
        frame['gt_bboxes_ignore'] = np.array(crowd, np.float32).reshape(-1, 4)
        if self.with_ref_mask if frame.get('role') == 'ref' else self.with_mask:
            height, width = frame['ori_shape'] if 'ori_shape' in frame else (frame['height'], frame['width'])
            masks = np.zeros((len(objects), height, width), np.uint8)
            for mask, entry in zip(masks, objects):
                mask[:] = _decode(entry, height, width, frame)
            frame['gt_masks'] = masks


def _decode(entry, height, width, frame):
    """Mask of an object, uint8 (height, width), row-major in memory."""
    try:
        if entry['segm'] is None:
            raise ValueError('has a box but no segmentation')
        # Decoded masks are column-major; OpenCV transposes them faster than numpy.
        return cv2.transpose(np.ascontiguousarray(decode_segm(entry['segm'], height, width).T))
    except ValueError as error:
        raise UserError(
            f'{frame.get("ann_file", "annotations")}: object {entry["instance_id"]} in frame '
            f'{frame.get("frame_id", 0)} ({frame["img_path"]}): {error}'
        ) from None
