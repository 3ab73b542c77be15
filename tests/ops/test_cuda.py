"""The operators on a GPU against those of the CPU: types, layouts, sizes, streams, graphs."""

import pytest
import torch

from mmdet.ops import batched_nms, multilevel_roi_align, nms, ops_available, roi_align, soft_nms

pytestmark = pytest.mark.cuda

LAYOUTS = {'contiguous': torch.contiguous_format, 'channels_last': torch.channels_last}
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12, torch.float16: 2e-2, torch.bfloat16: 5e-2}
SCALES = [1 / 4, 1 / 8]


@pytest.fixture(autouse=True)
def kernels(cuda):
    """The tests compare kernels: they fail where a GPU is present and the library has none for it."""
    assert ops_available('cuda'), 'the library has no kernels for this GPU: run bash compile.sh'


def pyramid(dtype=torch.float32, layout='contiguous', count=200):
    """Two maps, regions also outside of them and of no size, and their levels."""
    generator = torch.Generator().manual_seed(0)
    maps = [torch.randn(2, 16, 48 // s, 64 // s, generator=generator).to(dtype) for s in (1, 2)]
    maps = [one.contiguous(memory_format=LAYOUTS[layout]) for one in maps]
    rois = torch.rand(count, 5, generator=generator) * torch.tensor([0, 260.0, 200, 0, 0]) - 10
    rois[:, 3:] = rois[:, 1:3] + torch.rand(count, 2, generator=generator) ** 2 * 200
    rois[:, 0] = torch.arange(count) % 2
    if count > 3:
        rois[3, 3:] = rois[3, 1:3]
        rois[2, 1] = float('nan')
    return maps, rois, torch.arange(count) // 2 % 2


def pooled(maps, rois, levels, ratio, mode):
    return multilevel_roi_align(maps, rois, levels, (3, 2), SCALES, ratio, mode)


def to_gpu(maps, rois, levels):
    return [one.cuda() for one in maps], rois.cuda(), levels.cuda()


@pytest.mark.parametrize('layout', LAYOUTS)
@pytest.mark.parametrize('mode', ['legacy', 'aligned', 'unaligned'])
@pytest.mark.parametrize('ratio', [0, 2])
@pytest.mark.parametrize('dtype', TOLERANCE)
def test_roi_align(dtype, ratio, mode, layout):
    arguments = pyramid(dtype, layout)
    want, got = pooled(*arguments, ratio, mode), pooled(*to_gpu(*arguments), ratio, mode)
    assert got.stride() == want.stride()
    tolerance = TOLERANCE[dtype]
    torch.testing.assert_close(got.cpu(), want, rtol=tolerance, atol=tolerance, equal_nan=True)


@pytest.mark.parametrize('count', [0, 1, 1000])
def test_roi_align_of_few_and_many(count):
    arguments = pyramid(count=count)
    got = pooled(*to_gpu(*arguments), 2, 'legacy')
    torch.testing.assert_close(got.cpu(), pooled(*arguments, 2, 'legacy'), equal_nan=True)


def gradients(maps, rois, levels):
    maps = [one.detach().requires_grad_() for one in maps]
    out = pooled(maps, rois, levels, 2, 'aligned')
    weights = torch.linspace(-1, 1, out.numel(), dtype=out.dtype, device=out.device).reshape(out.shape)
    return torch.autograd.grad((out.nan_to_num() * weights).sum(), maps)


@pytest.mark.parametrize('layout', LAYOUTS)
@pytest.mark.parametrize('dtype', TOLERANCE)
@pytest.mark.parametrize('deterministic', [False, True])
def test_roi_align_backward(dtype, layout, deterministic):
    arguments = pyramid(dtype, layout)
    try:
        torch.use_deterministic_algorithms(deterministic)
        got = gradients(*to_gpu(*arguments))
        again = gradients(*to_gpu(*arguments))
    finally:
        torch.use_deterministic_algorithms(False)
    for ours, same, want in zip(got, again, gradients(*arguments)):
        assert ours.stride() == want.stride()
        torch.testing.assert_close(ours.cpu(), want, rtol=10 * TOLERANCE[dtype], atol=10 * TOLERANCE[dtype])
        assert not deterministic or torch.equal(ours, same)


def test_map_of_more_than_2_to_the_31_elements():
    side, crop = 2900, 64
    if torch.cuda.mem_get_info()[0] < 7 * 2**30:
        pytest.skip('less than 7 GiB of free GPU memory')
    feat = torch.zeros(1, 256, side, side, dtype=torch.float16, device='cuda')
    assert feat.numel() > 2**31
    corner = torch.randn(1, 256, crop, crop, generator=torch.Generator().manual_seed(0)).half()
    feat[:, :, -crop:, -crop:] = corner.cuda()
    rois = torch.tensor([[0.0, 4, 6, 40, 50], [0, 20, 20, 62, 63]])
    shift = torch.tensor([0.0, *[side - crop] * 4])
    got = roi_align(feat, (rois + shift).cuda(), 7, 1.0, 2)
    torch.testing.assert_close(got.cpu(), roi_align(corner, rois, 7, 1.0, 2), rtol=1e-2, atol=1e-2)


def boxes_of(n, dtype=torch.float32):
    generator = torch.Generator().manual_seed(n)
    corner = torch.rand(n, 2, generator=generator) * 2000
    boxes = torch.cat([corner, corner + torch.rand(n, 2, generator=generator) * 200], 1)
    scores = (torch.rand(n, generator=generator) * 1000).round() / 1000  # with ties
    return boxes.to(dtype), scores.to(dtype)


@pytest.mark.parametrize('n', [0, 1, 63, 64, 65, 10_000, 50_000])
def test_nms(n):
    boxes, scores = boxes_of(n)
    for threshold in (0.3, 0.7):
        want = nms(boxes, scores, threshold)
        assert torch.equal(nms(boxes.cuda(), scores.cuda(), threshold).cpu(), want)


@pytest.mark.parametrize('n, groups', [(0, 1), (1, 1), (65, 2), (10_000, 40), (50_000, 3), (50_000, 50_000)])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64, torch.float16])
def test_batched_nms(n, groups, dtype):
    boxes, scores = boxes_of(n, dtype)
    ids = torch.arange(n) * 7919 % groups
    want = batched_nms(boxes, scores, ids, 0.5)
    assert torch.equal(batched_nms(boxes.cuda(), scores.cuda(), ids.cuda(), 0.5).cpu(), want)


@pytest.mark.parametrize('n', [0, 1, 63, 65, 1000])
@pytest.mark.parametrize('method', ['linear', 'gaussian'])
def test_soft_nms(n, method):
    boxes, scores = boxes_of(n)
    ids = torch.arange(n) % 3
    want, rows = soft_nms(boxes, scores, 0.3, method=method, idxs=ids)
    got, gpu_rows = soft_nms(boxes.cuda(), scores.cuda(), 0.3, method=method, idxs=ids.cuda())
    assert torch.equal(gpu_rows.cpu(), rows)
    torch.testing.assert_close(got.cpu(), want)


def test_side_stream():
    arguments = pyramid()
    boxes, scores = boxes_of(1000)
    on_gpu = to_gpu(*arguments)
    torch.cuda.synchronize()
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        torch.cuda._sleep(20_000_000)  # the input below is written after a while, on this stream only
        late = boxes.cuda(non_blocking=True)
        out, kept = pooled(*on_gpu, 2, 'aligned'), nms(late, scores.cuda(), 0.5)
    stream.synchronize()
    torch.testing.assert_close(out.cpu(), pooled(*arguments, 2, 'aligned'), equal_nan=True)
    assert torch.equal(kept.cpu(), nms(boxes, scores, 0.5))


def test_graph_capture():
    maps, rois, levels = to_gpu(*pyramid())
    boxes, scores = boxes_of(500)
    boxes = boxes[scores.sort(descending=True).indices].cuda()
    groups = torch.arange(500, device='cuda') // 125

    def work():
        ops = torch.ops.masktrack
        return pooled(maps, rois, levels, 2, 'aligned'), ops.nms_mask(boxes, groups, 0.5, 1)

    with torch.no_grad():
        want = [one.clone() for one in work()]
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            captured = work()
        for one in captured:
            one.zero_()
        graph.replay()
    torch.cuda.synchronize()
    for got, expected in zip(captured, want):
        assert torch.equal(got.nan_to_num(7.0), expected.nan_to_num(7.0)) if got.is_floating_point() else True
    assert torch.equal(captured[1], want[1])


def test_memory_of_groups_grows_with_the_boxes():
    boxes, scores = (one.cuda() for one in boxes_of(80_000))
    ids = torch.arange(80_000, device='cuda') % 40
    batched_nms(boxes, scores, ids, 0.7)
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    batched_nms(boxes, scores, ids, 0.7)
    assert torch.cuda.max_memory_allocated() - before < 40 * 2**20  # a matrix over all would take 800 MB
