"""NMS: against the loop reference, on the threshold, groups, soft, per class, odd boxes, bad arguments."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmdet.ops import batched_nms, multiclass_nms, nms, soft_nms

from . import reference


def make_boxes(n, seed=0, span=100.0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(n, 2, generator=generator) * span
    extent = torch.rand(n, 2, generator=generator) * span / 2
    boxes = torch.cat([corner, corner + extent], dim=1).to(dtype)
    # Distinct scores in random order.
    scores = ((torch.randperm(n, generator=generator) + 1) / (n + 1)).to(dtype)
    return boxes, scores


@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('threshold', [0.0, 0.3, 0.5, 0.7, 1.0])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_equals_loop_reference(path, dtype, threshold, offset):
    boxes, scores = make_boxes(150, dtype=dtype)
    keep = nms(boxes, scores, threshold, offset)
    assert keep.dtype == torch.int64
    assert keep.tolist() == reference.nms(boxes.numpy(), scores.numpy(), threshold, offset)


def test_iou_on_the_threshold_survives(path):
    """Strictly greater, as on the GPU of 2019: 10 x 10 and 10 x 5 pixels overlap by exactly a half."""
    boxes = torch.tensor([[0.0, 0, 9, 9], [0, 0, 9, 4], [0, 0, 9, 9.01], [50, 50, 59, 59]])
    scores = torch.tensor([0.9, 0.8, 0.7, 0.6])
    assert nms(boxes, scores, 0.5).tolist() == [0, 1, 3]
    assert nms(boxes, scores, 0.49999).tolist() == [0, 3]
    continuous = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 5]])
    assert nms(continuous, scores[:2], 0.5, offset=0).tolist() == [0, 1]
    assert nms(continuous, scores[:2], 0.49999, offset=0).tolist() == [0]


def test_threshold_is_compared_as_float32(path):
    """0.7 is below the float32 next to it, so an IoU of exactly that float32 survives 0.7."""
    seven_tenths = torch.tensor([[0.0, 0, 9, 0], [0, 0, 6, 0]])  # 7 of 10 pixels
    assert float(np.float32(7) / np.float32(10)) != 0.7
    assert nms(seven_tenths, torch.tensor([0.9, 0.8]), 0.7).tolist() == [0, 1]


def test_equal_scores_keep_their_order(path):
    boxes = torch.tensor([[0.0, 0, 9, 9], [100, 0, 109, 9], [0, 0, 9, 9], [200, 0, 209, 9]])
    assert nms(boxes, torch.tensor([0.5, 0.5, 0.5, 0.9]), 0.5).tolist() == [3, 0, 1]


@pytest.mark.parametrize('n', [0, 1])
def test_few_boxes(path, n):
    boxes, scores = make_boxes(n)
    assert nms(boxes, scores, 0.5).tolist() == list(range(n))
    assert batched_nms(boxes, scores, torch.zeros(n, dtype=torch.int64), 0.5).tolist() == list(range(n))
    dets, keep = soft_nms(boxes, scores, 0.5)
    assert dets.shape == (n, 5) and keep.tolist() == list(range(n))


@pytest.mark.parametrize('n', [700, 3000])
def test_more_boxes_than_a_block(both, n):
    boxes, scores = make_boxes(n, span=400.0)
    compiled, plain = both(lambda: nms(boxes, scores, 0.5))
    assert torch.equal(compiled, plain)
    assert (
        compiled.tolist() == reference.nms(boxes.numpy(), scores.numpy(), 0.5)
        if n < 1000
        else len(compiled) < n
    )


@pytest.mark.parametrize('offset', [0, 1])
def test_groups_do_not_see_each_other(path, offset):
    boxes, scores = make_boxes(200)
    groups = torch.arange(200) * 7919 % 5 - 2  # negative ids are as good as any
    keep = batched_nms(boxes, scores, groups, 0.4, offset)
    assert keep.tolist() == reference.nms(boxes.numpy(), scores.numpy(), 0.4, offset, groups.tolist())
    one_by_one = []
    for group in range(-2, 3):
        rows = (groups == group).nonzero()[:, 0]
        one_by_one += rows[nms(boxes[rows], scores[rows], 0.4, offset)].tolist()
    assert sorted(keep.tolist()) == sorted(one_by_one)
    assert torch.equal(scores[keep], scores[keep].sort(descending=True).values)


def test_groups_are_exact_far_from_the_origin(path):
    """Shifting boxes by group would round here: the same box in 80 groups, beside one that it must remove."""
    box = torch.tensor([[1.0e6, 1.0e6, 1.0e6 + 9, 1.0e6 + 9], [1.0e6, 1.0e6, 1.0e6 + 9, 1.0e6 + 4.0]])
    boxes = box.repeat(80, 1)
    groups = torch.arange(80).repeat_interleave(2)
    scores = torch.linspace(1, 0.1, 160)
    assert len(batched_nms(boxes, scores, groups, 0.5)) == 160
    assert batched_nms(boxes, scores, groups, 0.499).tolist() == list(range(0, 160, 2))


def test_group_ids_of_any_integer_type(path):
    boxes, scores = make_boxes(40)
    groups = torch.arange(40) % 3
    expected = batched_nms(boxes, scores, groups, 0.3)
    assert torch.equal(batched_nms(boxes, scores, groups.to(torch.int32), 0.3), expected)
    assert torch.equal(batched_nms(boxes, scores, groups.to(torch.uint8), 0.3), expected)


@pytest.mark.parametrize('value', [float('nan'), float('inf'), -float('inf')])
def test_boxes_that_are_not_finite_or_huge(both, value):
    boxes, scores = make_boxes(30)
    for column in range(4):
        boxes[column * 3, column] = value
    boxes[20] = value
    compiled, plain = both(lambda: nms(boxes, scores, 0.5))
    assert torch.equal(compiled, plain)
    assert compiled.min() >= 0 and compiled.max() < 30 and len(set(compiled.tolist())) == len(compiled)
    results = both(lambda: soft_nms(boxes, scores, 0.5)[1])
    assert torch.equal(*results)


def test_scores_that_are_nan_come_first_and_do_not_hang(both):
    boxes, scores = make_boxes(20)
    scores[[3, 7]] = float('nan')
    compiled, plain = both(lambda: nms(boxes, scores, 0.5))
    assert torch.equal(compiled, plain) and compiled[0] == 3
    for dets, keep in both(lambda: soft_nms(boxes, scores, 0.5)):
        assert len(dets) == len(keep) == len(set(keep.tolist())) <= 20


def test_degenerate_boxes(path):
    """Reversed and empty boxes overlap nothing; a point is one pixel in the inclusive convention."""
    boxes = torch.tensor([[10.0, 10, 0, 0], [10, 10, 0, 0], [5, 5, 5, 5], [5, 5, 5, 5]])
    scores = torch.tensor([0.9, 0.8, 0.7, 0.6])
    assert nms(boxes, scores, 0.5, offset=1).tolist() == [0, 1, 2]
    assert nms(boxes, scores, 0.5, offset=0).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_types_are_compared_in_float(path, dtype):
    boxes, scores = make_boxes(60, dtype=dtype)
    assert torch.equal(nms(boxes, scores, 0.5), nms(boxes.float(), scores.float(), 0.5))
    dets, keep = soft_nms(boxes, scores, 0.5)
    assert dets.dtype == dtype and torch.equal(keep, soft_nms(boxes.float(), scores.float(), 0.5)[1])


def test_strided_input(path):
    boxes, scores = make_boxes(50)
    dets = torch.cat([boxes, scores[:, None]], dim=1)
    assert torch.equal(nms(dets[:, :4], dets[:, 4], 0.5), nms(boxes, scores, 0.5))
    assert torch.equal(soft_nms(dets[:, :4], dets[:, 4], 0.5)[0], soft_nms(boxes, scores, 0.5)[0])
    assert torch.equal(dets[:, 4], scores)  # the input keeps its scores


@pytest.mark.parametrize('method', ['linear', 'gaussian'])
@pytest.mark.parametrize('offset', [0, 1])
def test_soft_equals_loop_reference(path, method, offset):
    boxes, scores = make_boxes(120, dtype=torch.float64)
    dets, keep = soft_nms(boxes, scores, 0.3, 0.5, 0.05, method, offset)
    expected = reference.soft_nms(boxes.numpy(), scores.numpy(), np.float32(0.3), 0.5, 0.05, method, offset)
    assert keep.tolist() == [index for index, _ in expected]
    np.testing.assert_allclose(dets[:, 4].numpy(), [score for _, score in expected], rtol=1e-10)
    assert torch.equal(dets[:, :4], boxes[keep])


def test_soft_groups_equal_one_by_one(path):
    boxes, scores = make_boxes(120)
    groups = torch.arange(120) % 4
    dets, keep = soft_nms(boxes, scores, 0.3, idxs=groups)
    for group in range(4):
        rows = (groups == group).nonzero()[:, 0]
        alone, index = soft_nms(boxes[rows], scores[rows], 0.3)
        mine = groups[keep] == group
        assert torch.equal(keep[mine], rows[index])
        assert torch.equal(dets[mine], alone)


def test_soft_drops_only_what_is_touched(path):
    """2019: a box that no better one overlaps stays, however low its score."""
    boxes = torch.tensor([[0.0, 0, 9, 9], [0, 0, 9, 9], [100, 100, 109, 109]])
    dets, keep = soft_nms(boxes, torch.tensor([0.9, 0.8, 1e-5]), 0.5, min_score=1e-3)
    assert keep.tolist() == [0, 2]
    torch.testing.assert_close(dets[:, 4], torch.tensor([0.9, 1e-5]))


def test_plain_and_compiled_soft_give_equal_numbers(both):
    boxes, scores = make_boxes(300)
    for method in ('linear', 'gaussian'):
        (dets, keep), (plain_dets, plain_keep) = both(
            lambda method=method: soft_nms(boxes, scores, 0.3, method=method)
        )
        assert torch.equal(keep, plain_keep)
        torch.testing.assert_close(dets, plain_dets, rtol=2e-7, atol=0)


def test_result_does_not_depend_on_threads(path):
    n = 6000 if path == 'compiled' else 1500
    boxes, scores = make_boxes(n, span=900.0)
    groups = torch.arange(n) % 40
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            results.append((nms(boxes, scores, 0.6), batched_nms(boxes, scores, groups, 0.6)))
    finally:
        torch.set_num_threads(before)
    for plain, grouped in results[1:]:
        assert torch.equal(plain, results[0][0]) and torch.equal(grouped, results[0][1])


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    corners=st.lists(st.tuples(*[st.integers(0, 12)] * 4), min_size=1, max_size=14),
    threshold=st.sampled_from([0.0, 0.25, 1 / 3, 0.5, 0.75, 1.0]),
    offset=st.integers(0, 1),
)
def test_any_boxes_equal_loop_reference(path, corners, threshold, offset):
    """Integer boxes hit the thresholds exactly; their IoU is the same float in either precision."""
    boxes = torch.tensor(corners, dtype=torch.float64)
    scores = torch.linspace(1, 0.1, len(corners), dtype=torch.float64)
    assume_forward = boxes[:, 2:] >= boxes[:, :2]
    boxes[:, 2:] = torch.where(assume_forward, boxes[:, 2:], boxes[:, :2])
    keep = nms(boxes, scores, threshold, offset)
    assert keep.tolist() == reference.nms(boxes.numpy(), scores.numpy(), threshold, offset)


def class_scores():
    """Three rows, background and two classes."""
    return torch.tensor([[0.1, 0.3, 0.8], [0.1, 0.9, 0.2], [0.9, 0.04, 0.06]])


APART = torch.tensor([[0.0, 0, 9, 9], [20, 0, 29, 9], [40, 0, 49, 9]])
CFG = dict(type='nms', iou_threshold=0.5)


def test_multiclass_is_class_major_while_it_fits(path):
    """2019: sorted by score only when something has to go."""
    dets, labels, inds = multiclass_nms(APART, class_scores(), 0.05, CFG, 10)
    assert labels.tolist() == [0, 0, 1, 1, 1]
    assert inds.tolist() == [1, 0, 0, 1, 2]
    torch.testing.assert_close(dets[:, 4], torch.tensor([0.9, 0.3, 0.8, 0.2, 0.06]))
    assert torch.equal(dets[:, :4], APART[inds])
    dets, labels, inds = multiclass_nms(APART, class_scores(), 0.05, CFG, 3)
    assert labels.tolist() == [0, 1, 0] and inds.tolist() == [1, 0, 0]
    dets, labels, _ = multiclass_nms(APART, class_scores(), 0.05, CFG, 10, always_sort=True)
    assert labels.tolist() == [0, 1, 0, 1, 1]


@pytest.mark.parametrize('kind', ['nms', 'soft_nms'])
def test_class_agnostic_suppression_keeps_one_box_of_an_object(path, kind):
    boxes = torch.tensor([[0.0, 0, 20, 20], [1, 1, 21, 21], [50, 50, 70, 70]])
    scores = torch.tensor([[0.0, 0.9, 0.1], [0.0, 0.1, 0.8], [0.0, 0.7, 0.2]])
    cfg = dict(type=kind, iou_threshold=0.5, **({'min_score': 0.15} if kind == 'soft_nms' else {}))
    _, labels, rows = multiclass_nms(boxes, scores, 0.3, cfg)
    assert rows.tolist() == [0, 2, 1] and labels.tolist() == [0, 0, 1]
    _, labels, rows = multiclass_nms(boxes, scores, 0.3, dict(cfg, class_agnostic=True, iou_threshold=0.5))
    if kind == 'nms':
        assert rows.tolist() == [0, 2] and labels.tolist() == [0, 0]
    else:
        dets, _, _ = multiclass_nms(boxes, scores, 0.3, dict(cfg, class_agnostic=True))
        assert rows.tolist()[0] == 0 and dets[-1, 4] < 0.8


def test_multiclass_takes_the_box_of_the_class(path):
    boxes = torch.arange(36.0).reshape(3, 12)
    dets, labels, inds = multiclass_nms(boxes, class_scores(), 0.5, CFG)
    assert labels.tolist() == [0, 1]
    assert torch.equal(dets[0, :4], boxes[1, 4:8]) and torch.equal(dets[1, :4], boxes[0, 8:12])


def test_multiclass_threshold_is_strict_and_background_never_counts(path):
    dets, labels, _ = multiclass_nms(APART, class_scores(), 0.3, CFG)
    assert labels.tolist() == [0, 1]
    dets, labels, inds = multiclass_nms(APART, class_scores(), 0.95, CFG)
    assert dets.shape == (0, 5) and labels.shape == (0,) and inds.shape == (0,)


def test_multiclass_without_rows(path):
    dets, labels, inds = multiclass_nms(torch.zeros(0, 12), torch.zeros(0, 3), 0.05, CFG, 10)
    assert dets.shape == (0, 5) and labels.dtype == torch.int64 and inds.numel() == 0


def test_multiclass_reads_2019_and_soft_settings(path):
    old = multiclass_nms(APART, class_scores(), 0.05, dict(type='nms', iou_thr=0.5), 10)
    assert torch.equal(old[0], multiclass_nms(APART, class_scores(), 0.05, CFG, 10)[0])
    soft = dict(type='soft_nms', iou_thr=0.5, sigma=0.3, min_score=0.01, method='gaussian')
    assert len(multiclass_nms(APART, class_scores(), 0.05, soft, 10)[0]) == 5
    with pytest.raises(ValueError, match="expected nms type 'nms' or 'soft_nms', got 'matrix'"):
        multiclass_nms(APART, class_scores(), 0.05, dict(type='matrix'), 10)
    with pytest.raises(ValueError, match='expected the keys iou_threshold'):
        multiclass_nms(APART, class_scores(), 0.05, dict(type='nms', sigma=1), 10)


BOXES, SCORES = make_boxes(3)


@pytest.mark.parametrize(
    ('function', 'arguments', 'error', 'text'),
    [
        (nms, (BOXES.tolist(), SCORES, 0.5), TypeError, 'boxes to be a floating-point tensor, got list'),
        (nms, (BOXES.long(), SCORES, 0.5), TypeError, 'got torch.int64'),
        (nms, (BOXES[:, :3], SCORES, 0.5), ValueError, r'boxes of shape \(n, 4\), got \(3, 3\)'),
        (nms, (BOXES, SCORES[:2], 0.5), ValueError, r'scores of shape \(3,\), got \(2,\)'),
        (nms, (BOXES, SCORES, 1.5), ValueError, r'iou_threshold in \[0, 1\], got 1.5'),
        (nms, (BOXES, SCORES, float('nan')), ValueError, 'got nan'),
        (nms, (BOXES, SCORES, 0.5, 2), ValueError, 'offset 0 or 1, got 2'),
        (batched_nms, (BOXES, SCORES, SCORES, 0.5), TypeError, 'be an integer tensor, got torch.float32'),
        (batched_nms, (BOXES, SCORES, torch.zeros(2).long(), 0.5), ValueError, r'\(3,\), got \(2,\)'),
        (soft_nms, (BOXES, SCORES, 0.5, 0.0), ValueError, 'sigma > 0, got 0.0'),
        (soft_nms, (BOXES, SCORES, 0.5, 0.5, 0.1, 'hard'), ValueError, "'linear', 'gaussian', got 'hard'"),
        (multiclass_nms, (BOXES, SCORES, 0.5, CFG), ValueError, r'C \+ 1\), got \(3, 4\) and \(3,\)'),
        (
            multiclass_nms,
            (BOXES.repeat(1, 3), torch.zeros(3, 2), 0.5, CFG),
            ValueError,
            r'got \(3, 12\) and \(3, 2\)',
        ),
    ],
)
def test_bad_arguments(path, function, arguments, error, text):
    with pytest.raises(error, match=text):
        function(*arguments)
