"""Record what torchvision's own Mask R-CNN makes of rule weights (run once, where torchvision is installed).

    python -m tests.engine.convert.make_torchvision_golden tests/golden/torchvision_maskrcnn.json

Images but for one already have the size that its transform aims at, so its float resize is the identity.
"""

import json
import sys

import numpy as np
import torch

from tests.compat.checkpoints import foreign

# name: image size (h, w), batch norm epsilon. 150 x 204 is padded to 160 x 224, whose coarsest level has a
# stride of 53 x 56 in torchvision's anchors.
RESIZED = dict(min_size=120, max_size=200)  # 90 x 130 becomes 120 x 173
CASES = {
    'resized': ((90, 130), 1e-5),
    'plain': ((96, 128), 1e-5),
    'padded': ((150, 204), 1e-5),
    'eps0': ((96, 128), 0.0),
}
NUMBERS = dict(nms_pre=100, proposals=50, score_thr=0.1, max_per_img=50)


def shapes():
    """Names and shapes of ``maskrcnn_resnet50_fpn(num_classes=6)``."""
    return foreign.torchvision_shapes(classes=5, depth=50, channels=256, fc=1024)


def runs(mask):
    """Lengths of alternating runs of a flattened binary mask, beginning with zeros."""
    flat = np.concatenate([[0], np.asarray(mask, np.int64).ravel(), [-1]])
    edges = np.flatnonzero(np.diff(flat))
    return np.diff(np.concatenate([[0], edges])).tolist()


def main(path):
    import torchvision
    from torchvision.models.detection import maskrcnn_resnet50_fpn
    from torchvision.models.detection._utils import overwrite_eps

    torch.set_num_threads(1)
    result = {'torchvision': torchvision.__version__, 'torch': torch.__version__, 'cases': {}}
    for name, (size, eps) in CASES.items():
        model = maskrcnn_resnet50_fpn(
            weights=None,
            weights_backbone=None,
            num_classes=6,
            **(RESIZED if name == 'resized' else dict(min_size=min(size), max_size=max(size))),
            rpn_pre_nms_top_n_test=NUMBERS['nms_pre'],
            rpn_post_nms_top_n_test=NUMBERS['proposals'],
            box_score_thresh=NUMBERS['score_thr'],
            box_detections_per_img=NUMBERS['max_per_img'],
        )
        expected = {key: tuple(value.shape) for key, value in model.state_dict().items()}
        assert expected == {key: tuple(shape) for key, shape in shapes().items()}
        model.load_state_dict(foreign.fill(shapes()))
        if eps == 0.0:
            # What torchvision does to its COCO_V1 model, whose norms are frozen; ordinary ones take eps
            # likewise.
            overwrite_eps(model, 0.0)
            for module in model.modules():
                if isinstance(module, torch.nn.BatchNorm2d):
                    module.eps = 0.0
        rgb = np.ascontiguousarray(foreign.random_image(name, *size)[..., ::-1])
        with torch.no_grad():
            out = model.eval()([torch.from_numpy(rgb).permute(2, 0, 1).float() / 255])[0]
        result['cases'][name] = dict(
            boxes=[[round(v, 4) for v in box] for box in out['boxes'].tolist()],
            scores=[round(v, 6) for v in out['scores'].tolist()],
            labels=out['labels'].tolist(),
            masks=[runs(mask[0] > 0.5) for mask in out['masks'].numpy()],
        )
        print(
            name,
            len(out['scores']),
            sorted(set(out['labels'].tolist())),
            [int((m > 0.5).sum()) for m in out['masks']],
        )
    with open(path, 'w', encoding='utf-8') as file:
        json.dump(result, file)


if __name__ == '__main__':
    main(sys.argv[1])
