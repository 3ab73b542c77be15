"""The named COCO models against torchvision's own, where torchvision is installed.

Weights and batch norm statistics follow from the names of the tensors (``foreign.fill``). The ten columns
that COCO never used get no probability, as in trained weights, since ours leave them out.
"""

import numpy as np
import pytest
import torch

from mmdet.apis import inference_detector, init_detector
from mmdet.apis.model_zoo import ZOO
from mmdet.compat.checkpoints.pytorch_vision import UNUSED_COCO_IDS
from mmdet.structures.rle import decode_rle
from tests.compat.checkpoints import foreign

detection = pytest.importorskip('torchvision.models.detection', exc_type=Exception)

MODELS = {
    'maskrcnn_r50_fpn_coco': detection.maskrcnn_resnet50_fpn,
    'maskrcnn_r50_fpn_v2_coco': detection.maskrcnn_resnet50_fpn_v2,
}
ENUMS = {
    'maskrcnn_r50_fpn_coco': detection.MaskRCNN_ResNet50_FPN_Weights.COCO_V1,
    'maskrcnn_r50_fpn_v2_coco': detection.MaskRCNN_ResNet50_FPN_V2_Weights.COCO_V1,
}
USED = [i for i in range(1, 91) if i not in UNUSED_COCO_IDS]


@pytest.mark.parametrize('name', ENUMS)
def test_address_hash_and_figures_are_torchvisions(name):
    entry, theirs = ZOO[name], ENUMS[name]
    assert entry.url == theirs.url
    assert f'-{entry.sha256[:8]}.' in theirs.url
    metrics = theirs.meta['_metrics']['COCO-val2017']
    assert dict(entry.scores) == {'box AP': metrics['box_map'], 'mask AP': metrics['mask_map']}


def filled(model):
    """Rule weights in a model of torchvision, without probability for the columns that COCO never used."""
    state = foreign.fill({key: tuple(value.shape) for key, value in model.state_dict().items()})
    state['roi_heads.box_predictor.cls_score.bias'][list(UNUSED_COCO_IDS)] = -1e4
    model.load_state_dict(state)
    return model.eval(), state


def run_theirs(model, image):
    """Boxes, scores, 0-based labels of 80 classes, binary masks."""
    rgb = np.ascontiguousarray(image[..., ::-1])
    with torch.no_grad():
        out = model([torch.from_numpy(rgb).permute(2, 0, 1).float() / 255])[0]
    labels = torch.tensor([USED.index(label) for label in out['labels'].tolist()])
    return out['boxes'], out['scores'], labels, (out['masks'][:, 0] > 0.5).numpy()


def compare(name, tmp_path, image, sizes, frozen_eps=None):
    options, ours = {}, {}
    if sizes:
        options = dict(min_size=sizes[0], max_size=sizes[1])
        ours = {'test_dataloader.dataset.pipeline.1.scale': (sizes[1], sizes[0])}
    theirs, state = filled(MODELS[name](weights=None, weights_backbone=None, **options))
    path = tmp_path / 'weights.pth'
    if frozen_eps is not None:
        for module in theirs.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eps = frozen_eps
        path = tmp_path / ZOO[name].file  # the name tells that it is the COCO_V1 file
    torch.save(state, path)
    boxes, scores, labels, masks = run_theirs(theirs, image)
    del theirs
    found = inference_detector(init_detector(name, str(path), cfg_options=ours), image).pred_instances
    assert len(found) == len(scores) > 10
    for box, score, label, mask in zip(boxes, scores, labels, masks):
        # Scores that differ by rounding may come in another order.
        near = (found.scores - score).abs() + (found.bboxes - box).abs().amax(dim=1)
        index = int(near.masked_fill(found.labels != label, 1e9).argmin())
        assert float((found.scores[index] - score).abs()) < 1e-4
        assert float((found.bboxes[index] - box).abs().max()) < 0.02
        mine = decode_rle(found.masks[index]).astype(bool)
        assert (mine != mask).sum() <= max(1, 0.002 * (mine | mask).sum())
        found = found[torch.arange(len(found)) != index]


@pytest.mark.parametrize(('name', 'shape'), list(zip(MODELS, [(151, 97), (90, 131)])))
def test_boxes_scores_labels_and_masks_are_torchvisions(name, shape, tmp_path):
    compare(name, tmp_path, foreign.random_image('tv', *shape), (160, 266))


def test_the_file_of_version_1_runs_with_epsilon_zero(tmp_path):
    name = 'maskrcnn_r50_fpn_coco'
    compare(name, tmp_path, foreign.random_image('tv', 90, 131), (160, 266), frozen_eps=0.0)


@pytest.mark.long
@pytest.mark.parametrize('name', MODELS)
def test_at_full_size(name, tmp_path):
    compare(name, tmp_path, foreign.random_image('tv', 360, 480), None)
