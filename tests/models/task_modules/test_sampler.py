"""RandomSampler: shares, bounds, added ground truths, and where its draws come from."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdet.models.task_modules import AssignResult, RandomSampler, image_generator, sample_images
from mmdet.structures import DetDataSample


def scene(positives=40, negatives=200, gts=3):
    gt_inds = torch.cat(
        [torch.arange(positives) % gts + 1, torch.zeros(negatives, dtype=torch.int64), -torch.ones(5)]
    )
    gt_inds = gt_inds.long()
    boxes = torch.arange(len(gt_inds) * 4.0).view(-1, 4)
    gt_boxes = -torch.arange(1, gts + 1).float()[:, None].expand(-1, 4)
    labels = torch.where(gt_inds > 0, gt_inds + 10, -1)
    return (
        AssignResult(gts, gt_inds, torch.zeros(len(gt_inds)), labels),
        boxes,
        gt_boxes,
        torch.arange(gts) + 11,
    )


def test_shares_and_fields():
    assigned, boxes, gt_boxes, labels = scene()
    result = RandomSampler(64, 0.25, add_gt_as_proposals=False).sample(assigned, boxes, gt_boxes, labels)
    assert len(result.pos_inds) == 16 and len(result.neg_inds) == 48
    assert (assigned.gt_inds[result.pos_inds] > 0).all() and (assigned.gt_inds[result.neg_inds] == 0).all()
    assert (result.pos_inds.diff() > 0).all() and (result.neg_inds.diff() > 0).all()
    assert torch.equal(result.bboxes, boxes[torch.cat([result.pos_inds, result.neg_inds])])
    assert torch.equal(result.pos_assigned_gt_inds, assigned.gt_inds[result.pos_inds] - 1)
    assert torch.equal(result.pos_gt_bboxes, gt_boxes[result.pos_assigned_gt_inds])
    assert torch.equal(result.pos_gt_labels, labels[result.pos_assigned_gt_inds])
    assert not result.pos_is_gt.any()


def test_ground_truths_come_first():
    assigned, boxes, gt_boxes, labels = scene(positives=2)
    before = assigned.gt_inds.clone()
    result = RandomSampler(64, 0.25).sample(assigned, boxes, gt_boxes, labels)
    assert result.pos_inds.tolist() == [0, 1, 2, 3, 4]
    assert result.pos_is_gt.tolist() == [True] * 3 + [False] * 2
    assert torch.equal(result.pos_bboxes[:3], gt_boxes)
    assert torch.equal(assigned.gt_inds, before), 'the assignment is unchanged'


def test_few_positives_leave_room_for_negatives_up_to_the_bound():
    assigned, boxes, gt_boxes, labels = scene(positives=4)
    result = RandomSampler(64, 0.5, add_gt_as_proposals=False).sample(assigned, boxes, gt_boxes, labels)
    assert (len(result.pos_inds), len(result.neg_inds)) == (4, 60)
    bounded = RandomSampler(64, 0.5, neg_pos_ub=3, add_gt_as_proposals=False)
    assert len(bounded.sample(assigned, boxes, gt_boxes, labels).neg_inds) == 12
    none = scene(positives=0)
    assert len(bounded.sample(*none).neg_inds) == 3


def test_image_without_objects():
    result = RandomSampler(8, 0.25).sample(
        AssignResult(0, torch.zeros(20, dtype=torch.int64), torch.zeros(20), torch.full((20,), -1)),
        torch.rand(20, 4),
        torch.zeros(0, 4),
        torch.zeros(0, dtype=torch.int64),
    )
    assert (len(result.pos_inds), len(result.neg_inds)) == (0, 8)
    assert result.pos_gt_bboxes.shape == (0, 4) and result.pos_gt_labels.shape == (0,)


def test_no_boxes_at_all():
    nothing = AssignResult(
        0, torch.zeros(0, dtype=torch.int64), torch.zeros(0), torch.zeros(0, dtype=torch.int64)
    )
    result = RandomSampler(8, 0.25).sample(
        nothing, torch.zeros(0, 4), torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64)
    )
    assert result.bboxes.shape == (0, 4)


def test_a_generator_decides_alone():
    args = scene()
    sampler = RandomSampler(32, 0.25)
    draws = []
    for state in (0, 1):
        np.random.seed(state)
        draws.append(sampler.sample(*args, generator=np.random.default_rng(5)).neg_inds)
    assert torch.equal(*draws)
    other = sampler.sample(*args, generator=np.random.default_rng(6)).neg_inds
    assert not torch.equal(other, draws[0])


def fields(result):
    return {name: None if value is None else value.tolist() for name, value in vars(result).items()}


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    sizes=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 4)), min_size=1, max_size=4),
    options=st.sampled_from([{}, {'neg_pos_ub': 2}, {'add_gt_as_proposals': False}, {'num': 100}]),
    shared=st.booleans(),
    with_labels=st.booleans(),
    seeded=st.booleans(),
)
def test_a_batch_equals_image_by_image(seed, sizes, options, shared, with_labels, seeded):
    rng = torch.Generator().manual_seed(seed)
    boxes = [torch.rand(count, 5, generator=rng) for count, _ in sizes]
    boxes = [boxes[0]] * len(sizes) if shared else boxes
    gts = [torch.rand(count, 4, generator=rng) for _, count in sizes]
    labels = [torch.randint(0, 5, (len(one),), generator=rng) for one in gts]
    assigned = []
    for box, gt in zip(boxes, gts):
        gt_inds = torch.randint(-1, len(gt) + 1, (len(box),), generator=rng)
        assigned.append(AssignResult(len(gt), gt_inds, torch.zeros(len(box))))
    sampler = RandomSampler(**{'num': 8, 'pos_fraction': 0.25, **options})

    def generators():
        np.random.seed(seed)
        return [np.random.default_rng((seed, i)) if seeded else None for i in range(len(sizes))]

    given_boxes = boxes[0] if shared else boxes
    together = sample_images(
        sampler, assigned, given_boxes, gts, labels if with_labels else None, generators()
    )
    for i, generator in enumerate(generators()):
        one = sampler.sample(assigned[i], boxes[i], gts[i], labels[i] if with_labels else None, generator)
        assert fields(together[i]) == fields(one)


def test_a_sampler_of_ones_own_gets_image_by_image():
    class Last(RandomSampler):
        def sample(self, assign_result, bboxes, gt_bboxes, gt_labels=None, generator=None):
            assign_result.gt_inds[:-1] = -1
            return super().sample(assign_result, bboxes, gt_bboxes, gt_labels, generator)

    scenes = [scene(), scene(positives=0, negatives=3)]
    for assigned, *_ in scenes:
        assigned.gt_inds[-1] = 0
    given = [list(values) for values in zip(*scenes)]
    results = sample_images(Last(8, 0.5, add_gt_as_proposals=False), *given, [None, None])
    assert [result.neg_inds.tolist() for result in results] == [[244], [7]]
    assert all(len(result.pos_inds) == 0 for result in results)


def test_global_state_draws_as_in_2019():
    np.random.seed(3)
    chosen = RandomSampler(8, 0.5).random_choice(100, 7)
    np.random.seed(3)
    order = np.arange(100)
    np.random.shuffle(order)
    assert chosen.tolist() == order[:7].tolist()


def test_every_candidate_has_its_chance():
    sampler, generator = RandomSampler(8, 0.5), np.random.default_rng(0)
    counts = torch.zeros(10)
    for _ in range(600):
        counts[sampler.random_choice(10, 3, generator)] += 1
    assert counts.sum() == 1800
    assert counts.min() > 130 and counts.max() < 230


def test_image_generator_follows_the_seed_and_the_stage():
    sample = DetDataSample(metainfo=dict(sample_seed=7))
    numbers = [image_generator(sample, stream).integers(1 << 60) for stream in (0, 1, 1)]
    assert numbers[1] == numbers[2] != numbers[0]
    other = DetDataSample(metainfo=dict(sample_seed=8))
    assert image_generator(other).integers(1 << 60) != numbers[1]
    assert image_generator(DetDataSample()) is None


@pytest.mark.parametrize(('num', 'fraction'), [(0, 0.5), (8, 1.5), (8, -0.1)])
def test_bad_arguments(num, fraction):
    with pytest.raises(ValueError, match='RandomSampler'):
        RandomSampler(num, fraction)
