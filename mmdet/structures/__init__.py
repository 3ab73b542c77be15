"""Data samples, boxes, masks and class lists. Names load on first use, as some need torch."""

from mmdet.utils.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        'bbox': (
            'bbox2delta',
            'bbox_clip',
            'bbox_flip',
            'bbox_overlaps',
            'bboxes_to_rois',
            'delta2bbox',
            'scale_bboxes',
            'unscale_bboxes',
        ),
        'classes': ('COCO_CLASSES', 'OVIS_CLASSES', 'YTVIS_2019_CLASSES', 'YTVIS_2021_CLASSES'),
        'data_sample': ('DetDataSample',),
        'mask': ('mask_targets', 'paste_masks'),
        'rle': ('decode_rle', 'encode_mask', 'rle_area', 'rle_overlaps', 'rle_to_bbox', 'segm_to_rle'),
    },
)
