"""Training steps of the four detectors: keys, gradients, and batches with little or nothing to learn from."""

import pytest
import torch
from mmengine.structures import InstanceData

from mmdet.models.detectors.masktrack_rcnn import reference_index

from ..tiny import clip, ground_truth, tiny_model, training_batch

BOXES = [[5, 5, 40, 40], [50, 20, 85, 55]]
PAIR = ((BOXES, [1, 2]), (BOXES[::-1], [2, 3]))
RPN_KEYS = {'loss_rpn_cls', 'loss_rpn_reg'}
BOX_KEYS = RPN_KEYS | {'loss_cls', 'acc', 'loss_reg'}
ALL_KEYS = BOX_KEYS | {'loss_match', 'match_acc', 'loss_mask'}


def step(model, batch):
    """Losses of a batch, after backward; every one finite."""
    losses = model(**model.data_preprocessor(batch, True), mode='loss')
    total, log = model.parse_losses(losses)
    total.backward()
    assert all(torch.isfinite(value) for value in log.values())
    return losses, log


@pytest.mark.parametrize(
    ('kind', 'keys'),
    [
        ('RPN', RPN_KEYS),
        ('FasterRCNN', BOX_KEYS),
        ('MaskRCNN', BOX_KEYS | {'loss_mask'}),
        ('MaskTrackRCNN', ALL_KEYS),
    ],
)
def test_loss_keys_and_gradients_everywhere(kind, keys):
    model = tiny_model(kind).train()
    losses, log = step(model, training_batch(PAIR, PAIR))
    assert set(losses) == keys
    assert all(float(log[key]) > 0 for key in keys if key.startswith('loss'))
    without = [name for name, value in model.named_parameters() if value.requires_grad and value.grad is None]
    assert without == []


def without_objects(batch):
    for sample in batch['data_samples']:
        sample.gt_instances = sample.gt_instances[:0]
        sample.ref_gt_instances = sample.ref_gt_instances[:0]
    return batch


def test_a_batch_without_objects_trains_on():
    model = tiny_model().train()
    losses, _ = step(model, without_objects(training_batch(PAIR, PAIR)))
    assert set(losses) == ALL_KEYS
    assert float(losses['loss_match']) == float(losses['loss_mask']) == float(losses['loss_reg']) == 0
    for head in (model.track_head, model.mask_head):  # zero, but attached: distributed training needs it
        assert all(value.grad is not None and not value.grad.any() for value in head.parameters())


def test_one_image_without_objects_in_a_batch():
    model = tiny_model().train()
    batch = training_batch(PAIR, PAIR)
    batch['data_samples'][1:] = without_objects({'data_samples': batch['data_samples'][1:]})['data_samples']
    losses, _ = step(model, batch)
    assert float(losses['loss_match']) > 0
    assert float(losses['loss_mask']) > 0


def test_a_single_positive_counts_in_the_match_loss():
    """One object that no proposal overlaps: the ground truth itself is the only positive."""
    model = tiny_model().train()
    model.test_cfg['rpn']['max_per_img'] = 1
    counts = []
    model.track_head.register_forward_hook(lambda module, args, out: counts.append(args[2]))
    pair = (([[60, 30, 75, 50]], [1]), ([[60, 30, 75, 50]], [1]))
    losses, _ = step(model, training_batch(pair))
    assert counts == [[1]]
    assert float(losses['loss_match']) > 0
    assert all(value.grad.any() for value in model.track_head.parameters())


def test_gradients_reach_the_track_head_through_both_frames():
    model = tiny_model().train()
    seen = []
    model.backbone.register_forward_hook(
        lambda module, args, out: (seen.append(out), out[-1].retain_grad())[0]
    )
    data = model.data_preprocessor(training_batch(PAIR), True)
    model(**data, mode='loss')['loss_match'].backward()
    assert len(seen) == 1  # one pass over key and reference frames
    grad = seen[0][-1].grad
    assert len(grad) == 2
    assert grad[0].any()
    assert grad[1].any()


def test_identity_targets():
    ids = torch.tensor([7, 8, 9, 7])
    assert reference_index(ids, torch.tensor([9, 7])).tolist() == [2, 0, 1, 2]
    assert reference_index(ids, torch.zeros(0, dtype=torch.int64)).tolist() == [0, 0, 0, 0]
    assert reference_index(ids[:0], torch.tensor([9, 7])).tolist() == []


def test_identities_follow_the_assigner():
    model = tiny_model().train()
    given = []
    loss = model.track_head.loss
    model.track_head.loss = lambda scores, ids: (given.append(ids), loss(scores, ids))[1]
    seen = []
    sample_rois = model.sample_rois
    model.sample_rois = lambda *args: seen.append(sample_rois(*args)) or seen[-1]
    step(model, training_batch(PAIR, PAIR))
    for ids, result in zip(given[0], seen[0]):
        # Object 0 has id 1, absent from the reference frame (2, 3); object 1 has id 2, the first there.
        assert ids.tolist() == [[0, 1][index] for index in result.pos_assigned_gt_inds.tolist()]
        assert {0, 1} <= set(result.pos_assigned_gt_inds.tolist())


def test_a_track_roi_extractor_of_its_own():
    extractor = {
        'type': 'SingleRoIExtractor',
        'roi_layer': {'type': 'RoIAlign', 'output_size': 5, 'sampling_ratio': 2, 'mode': 'legacy'},
        'out_channels': 32,
        'featmap_strides': [4, 8, 16, 32],
    }
    head = {'type': 'TrackHead', 'in_channels': 32, 'fc_out_channels': 32, 'roi_feat_size': 5}
    model = tiny_model(track_roi_extractor=extractor, track_head=head).train()
    losses, _ = step(model, training_batch(PAIR))
    assert float(losses['loss_match']) > 0


def test_crowd_boxes_are_ignored_where_the_config_asks():
    """A proposal in a crowd region is no negative."""
    model = tiny_model('MaskRCNN').train()
    model.assigner.ignore_iof_thr = 0.5
    batch = training_batch(PAIR)
    batch['data_samples'][0].ignored_instances = InstanceData(bboxes=torch.tensor([[0.0, 0, 95, 63]]))
    results = []
    sample_rois = model.sample_rois
    model.sample_rois = lambda *args: results.append(sample_rois(*args)) or results[-1]
    step(model, batch)
    assert len(results[0][0].neg_inds) == 0


def test_the_same_seed_gives_the_same_samples():
    model = tiny_model().train()
    batches = [training_batch(PAIR, PAIR) for _ in range(2)]
    first, second = (model(**model.data_preprocessor(batch, True), mode='loss') for batch in batches)
    assert all(
        torch.equal(first[key], second[key]) for key in ('loss_cls', 'loss_reg', 'loss_match', 'loss_mask')
    )


def test_images_of_different_sizes_in_a_batch():
    model = tiny_model().train()
    batch, other = training_batch(PAIR), training_batch(PAIR, size=(96, 96))
    both = {key: batch[key] + other[key] for key in batch}
    losses, _ = step(model, both)
    assert set(losses) == ALL_KEYS


def test_training_proposals_of_their_own():
    model = tiny_model().train()
    numbers = []
    sample_rois = model.sample_rois
    model.sample_rois = lambda proposals, samples: (
        numbers.append(len(proposals[0])) or sample_rois(proposals, samples)
    )
    model(**model.data_preprocessor(training_batch(PAIR), True), mode='loss')
    model.train_cfg['rpn_proposal'] = dict(model.test_cfg['rpn'], max_per_img=7)
    model(**model.data_preprocessor(training_batch(PAIR), True), mode='loss')
    assert numbers[0] > 7
    assert numbers[1] == 7


def test_a_pair_is_needed():
    model = tiny_model().train()
    batch = training_batch(PAIR)
    batch['inputs'] = [image[:1] for image in batch['inputs']]
    with pytest.raises(ValueError, match='reference frame'):
        model(**model.data_preprocessor(batch, True), mode='loss')


def full_pairs(*pairs):
    """A batch whose reference frames have labels and masks too."""
    batch = training_batch(*pairs)
    for sample, (_, ref) in zip(batch['data_samples'], pairs):
        sample.ref_gt_instances = ground_truth(*ref)
    return batch


def test_both_frames_of_a_pair_can_be_learned_from():
    forth, back = training_batch(PAIR), training_batch(PAIR[::-1])
    forth['inputs'] = [torch.stack(tuple(back['inputs'][0].flip(0)))]
    alone = [step(tiny_model().train(), batch)[1] for batch in (forth, back)]
    batch = {**forth, 'data_samples': full_pairs(PAIR)['data_samples']}
    _, both = step(tiny_model(both_frames=True).train(), batch)
    for name in ALL_KEYS:
        mean = (alone[0][name] + alone[1][name]) / 2
        assert float(both[name]) == pytest.approx(float(mean), rel=1e-4), name
    with pytest.raises(ValueError, match='both_frames needs the masks of the reference frames'):
        step(tiny_model(both_frames=True).train(), training_batch(PAIR))


def test_a_model_in_bfloat16_trains_and_tests():
    model = tiny_model().train().bfloat16()
    assert model.data_preprocessor.mean.dtype == torch.float32
    losses, _ = step(model, training_batch(PAIR))
    assert all(value.dtype == torch.float32 for value in losses.values() if isinstance(value, torch.Tensor))
    with torch.no_grad():
        (sample,) = model.eval().test_step(clip(1, 1))
    assert sample.pred_instances.bboxes.dtype == torch.float32
