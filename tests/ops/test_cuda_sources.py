"""The CUDA sources: they compile wherever nvcc is found, and a small emulation runs their kernels on the CPU.

Neither needs a GPU, and neither says anything about speed.
"""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mmdet.ops import ops_available

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / 'mmdet' / 'ops' / 'csrc'


def build_module():
    spec = importlib.util.spec_from_file_location('build_native', ROOT / 'build_native.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


build_native = build_module()
NVCC = build_native.find_nvcc()[0]


@pytest.mark.skipif(NVCC is None, reason='nvcc was not found')
@pytest.mark.parametrize('name', ['roi_align', 'nms'])
def test_compiles_with_nvcc(name, tmp_path):
    include = build_native.find_torch()[0] / 'include'
    target = tmp_path / f'{name}.o'
    flags = [*build_native.NVCC_FLAGS, '-arch=sm_90', '-Werror', 'all-warnings']
    flags += ['-isystem', str(include), f'-DTORCH_TARGET_VERSION={build_native.TARGET_VERSION}']
    done = subprocess.run(
        [NVCC, *flags, '-c', str(SOURCES / 'cuda' / f'{name}.cu'), '-o', str(target)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert target.stat().st_size > 0


@pytest.fixture(scope='module')
def emulated(tmp_path_factory):
    """The operators ``torch.ops.masktrack_emulated``, made of the CUDA sources."""
    if not sys.platform.startswith('linux') or not ops_available():
        pytest.skip('needs Linux and the compiled operators')
    folder = tmp_path_factory.mktemp('emulation')
    torch_folder, compiler = build_native.find_torch()[0], build_native.find_compiler()
    header = Path(__file__).with_name('emulation') / 'cuda_on_cpu.h'
    flags = [flag for flag in build_native.CXX_FLAGS if flag != '-O3']
    flags += [
        '-O1',
        '-pthread',
        '-DMASKTRACK_EMULATE_CUDA',
        f'-DTORCH_TARGET_VERSION={build_native.TARGET_VERSION}',
    ]
    flags += ['-Wno-unknown-pragmas', '-isystem', str(torch_folder / 'include'), '-include', str(header)]
    units = [SOURCES / 'cuda' / 'roi_align.cu', SOURCES / 'cuda' / 'nms.cu', SOURCES / 'ops.cpp']
    library = folder / 'emulated.so'
    command = [*compiler, *flags, '-shared', '-x', 'c++', *map(str, units), '-o', str(library)]
    command += ['-L', str(torch_folder / 'lib'), '-ltorch', '-ltorch_cpu']
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    torch.ops.load_library(str(library))
    return torch.ops.masktrack_emulated


def regions(dtype):
    rois = torch.tensor(
        [
            [0, 8.0, 4.0, 40.0, 30.0],
            [1, -30.0, -20.0, 10.0, 12.0],
            [1, 20.0, 20.0, 10.0, 10.0],
            [0, 500.0, 500.0, 600.0, 600.0],
            [1, -4.0, 0.0, 67.0, 51.0],
            [0, float('nan'), 0.0, 5.0, 5.0],
            [0, -2.0e5, 0.0, 3.0e5, 20.0],
        ],
        dtype=dtype,
    )
    return rois, torch.tensor([0, 1, 0, 1, 1, 0, 0])


@pytest.mark.parametrize('channels_last', [False, True])
@pytest.mark.parametrize('mode', [0, 1, 2])
@pytest.mark.parametrize('ratio', [0, 2])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_roi_align_kernels(emulated, dtype, ratio, mode, channels_last):
    layout = torch.channels_last if channels_last else torch.contiguous_format
    generator = torch.Generator().manual_seed(0)
    feats = [torch.randn(2, 3, 12 // s, 16 // s, generator=generator).to(dtype) for s in (1, 2)]
    feats = [feat.contiguous(memory_format=layout) for feat in feats]
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    rois, levels = regions(wide)
    arguments = (feats, rois, levels, [0.25, 0.125], 3, 2, ratio, mode)
    expected = torch.ops.masktrack.roi_align(*arguments)
    out = emulated.roi_align(*arguments)
    assert out.stride() == expected.stride()
    assert torch.equal(out.nan_to_num(7.0), expected.nan_to_num(7.0))
    grad = torch.randn(expected.shape, generator=generator).to(dtype)
    arguments = (grad, rois, levels, [0.25, 0.125], [2, 12, 16, 6, 8], channels_last, ratio, mode)
    for ours, theirs in zip(
        emulated.roi_align_backward(*arguments), torch.ops.masktrack.roi_align_backward(*arguments)
    ):
        assert ours.stride() == theirs.stride()
        tolerance = 1e-12 if dtype == torch.float64 else 1e-5 if dtype == torch.float32 else 2e-2
        torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


def test_region_with_an_index_out_of_range_is_nan_and_leaves_the_others_alone(emulated):
    feats = [torch.ones(2, 3, 12, 16), torch.ones(2, 3, 6, 8)]
    rois = torch.tensor([[0.0, 4, 4, 20, 20], [2, 4, 4, 20, 20], [-1, 4, 4, 20, 20], [1, 4, 4, 20, 20]])
    levels, rest = torch.tensor([0, 0, 0, 2]), ([0.25, 0.125], 2, 2, 2, 0)
    out = emulated.roi_align(feats, rois, levels, *rest)
    assert out[0].eq(1).all() and out[1:].isnan().all()
    arguments = ([0.25, 0.125], [2, 12, 16, 6, 8], False, 2, 0)
    maps = emulated.roi_align_backward(torch.ones_like(out), rois, levels, *arguments)
    alone = emulated.roi_align_backward(torch.ones_like(out[:1]), rois[:1], levels[:1], *arguments)
    assert all(torch.equal(*pair) for pair in zip(maps, alone)) and maps[0].any()


def boxes_and_scores(n, dtype):
    generator = torch.Generator().manual_seed(n)
    corner = torch.rand(n, 2, generator=generator) * 60
    boxes = torch.cat([corner, corner + torch.rand(n, 2, generator=generator) * 40], dim=1).to(dtype)
    if n > 5:
        boxes[3] = float('nan')
        boxes[5] = boxes[4]
    return boxes, torch.rand(n, generator=generator).sort(descending=True).values.to(dtype)


@pytest.mark.parametrize('n', [0, 1, 63, 64, 65, 200])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_nms_kernels(emulated, n, dtype):
    boxes, _ = boxes_and_scores(n, dtype)
    # The boxes of a group are neighbors; the numbers of groups need not rise.
    several = (torch.arange(n) * 3 // max(n, 1)).neg()
    for groups in (None, several, torch.arange(n)):
        for threshold in (0.2, 0.6) if groups is None else (0.4,):
            expected = torch.ops.masktrack.nms_mask(boxes, groups, threshold, 1)
            assert torch.equal(emulated.nms_mask(boxes, groups, threshold, 1), expected)


@pytest.mark.parametrize('n', [0, 1, 20])
@pytest.mark.parametrize('method', [0, 1])
def test_soft_nms_kernel(emulated, n, method):
    boxes, scores = boxes_and_scores(n, torch.float32)
    scores = scores.flip(0).clone()
    if n > 8:
        scores[8] = float('nan')
        scores[7] = scores[6]
    for groups in (None, torch.arange(n) % 3):
        arguments = (boxes, scores, groups, 0.3, 0.5, 0.01, method, 1)
        for ours, theirs in zip(emulated.soft_nms(*arguments), torch.ops.masktrack.soft_nms(*arguments)):
            assert torch.equal(ours.nan_to_num(-1.0), theirs.nan_to_num(-1.0))
