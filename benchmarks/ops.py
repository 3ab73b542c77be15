"""Time the compiled operators against the plain-PyTorch path on shapes of the YouTube-VIS model (640 x 360).

    python benchmarks/ops.py [--device cpu] [--threads N] [--repeats 15] [--out FILE.json]

Writes every figure with its spread, the ratio of the medians, torch, processor and commit.
"""

import argparse
import importlib
import json
import statistics
import time
from pathlib import Path

import torch
from _checkout import ROOT
from record import commit, machine

from mmdet.ops import batched_nms, multilevel_roi_align, nms, ops_available, soft_nms
from mmdet.utils import Progress, UserError, atomic_write_text, cli_main

MODULES = [importlib.import_module(f'mmdet.ops.{name}') for name in ('roi_align', 'nms')]
SCALES = [1 / 4, 1 / 8, 1 / 16, 1 / 32]


def roi_align_cases(device):
    """Yield name and function for the regions of a training batch and of one test frame."""
    generator = torch.Generator().manual_seed(0)
    for images, count in ((2, 256), (1, 10)):
        feats = [torch.randn(images, 256, 96 // 2**i, 160 // 2**i, generator=generator) for i in range(4)]
        rois = torch.rand(count, 5, generator=generator) * torch.tensor([0, 500, 280, 0, 0])
        size = torch.rand(count, 2, generator=generator) ** 2 * 300 + 8
        rois[:, 3:] = rois[:, 1:3] + size
        rois[:, 0] = torch.arange(count) % images
        levels = (size.prod(1).sqrt() / 56).log2().floor().clamp(0, 3).long().to(device)
        rois = rois.to(device)
        for layout in ('contiguous', 'channels_last'):
            memory = torch.channels_last if layout == 'channels_last' else torch.contiguous_format
            maps = [feat.to(device).contiguous(memory_format=memory).requires_grad_() for feat in feats]

            def forward(maps=maps, rois=rois, levels=levels):
                with torch.no_grad():
                    return multilevel_roi_align(maps, rois, levels, 7, SCALES, 2)

            def both_ways(maps=maps, rois=rois, levels=levels):
                out = multilevel_roi_align(maps, rois, levels, 7, SCALES, 2)
                return torch.autograd.grad(out.sum(), maps)

            yield f'roi_align forward, {count} regions, {layout}', forward
            yield f'roi_align forward and backward, {count} regions, {layout}', both_ways


def nms_cases(device):
    """Yield name and function for proposals of one level, detections of 40 classes, and a long list."""
    generator = torch.Generator().manual_seed(1)
    for count, groups in ((200, 1), (4000, 40), (5000, 1)):
        corner = torch.rand(count, 2, generator=generator) * torch.tensor([600.0, 320.0])
        boxes = torch.cat([corner, corner + torch.rand(count, 2, generator=generator) * 120], 1).to(device)
        scores = torch.rand(count, generator=generator).to(device)
        if groups == 1:
            yield f'nms, {count} boxes', lambda boxes=boxes, scores=scores: nms(boxes, scores, 0.7)
        else:
            ids = (torch.arange(count) % groups).to(device)
            name = f'{count} boxes in {groups} classes'
            yield f'batched_nms, {name}', lambda b=boxes, s=scores, i=ids: batched_nms(b, s, i, 0.5)
            yield f'soft_nms, {name}', lambda b=boxes, s=scores, i=ids: soft_nms(b, s, 0.5, idxs=i)


def measure(function, device, repeats):
    """Seconds of ``repeats`` runs after one that is not counted."""
    function()
    seconds = []
    for _ in range(repeats):
        if device.type == 'cuda':
            torch.cuda.synchronize(device)
        start = time.perf_counter()
        function()
        if device.type == 'cuda':
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - start)
    return seconds


def summary(seconds):
    """Minimum, median and maximum in milliseconds."""
    values = (min(seconds), statistics.median(seconds), max(seconds))
    return {name: round(value * 1e3, 4) for name, value in zip(('min_ms', 'median_ms', 'max_ms'), values)}


def run(device, repeats):
    """Measure every case on both paths, path after path within a case so that both meet the same machine."""
    rows = []
    cases = [*roi_align_cases(device), *nms_cases(device)]
    with Progress(len(cases), 'cases') as progress:
        for name, function in cases:
            times = {}
            for path in ('compiled', 'plain'):
                for module in MODULES:
                    module.use_compiled = lambda tensor, path=path: path == 'compiled'
                times[path] = summary(measure(function, device, repeats))
            ratio = times['plain']['median_ms'] / times['compiled']['median_ms']
            rows.append({'case': name, **times, 'plain_over_compiled': round(ratio, 2)})
            progress.update()
    return rows


@cli_main
def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--repeats', type=int, default=15)
    parser.add_argument(
        '--out', type=Path, help='default: benchmarks/results/ops_<device>_torch<version>.json'
    )
    arguments = parser.parse_args()
    if not ops_available(arguments.device):
        raise UserError(f'no compiled operators for {arguments.device}: run bash compile.sh')
    if arguments.threads < 1 or arguments.repeats < 1:
        raise UserError('--threads and --repeats must be at least 1')
    torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    record = {
        **machine(device),
        'threads': arguments.threads,
        'repeats': arguments.repeats,
        'seed': 'fixed in the script',
        'commit': commit('mmdet/ops', 'build_native.py'),
        'rows': run(device, arguments.repeats),
    }
    name = f'ops_{device.type}_torch{torch.__version__.split("+")[0]}.json'
    out = arguments.out or ROOT / 'benchmarks' / 'results' / name
    atomic_write_text(out, json.dumps(record, indent=1) + '\n')
    for row in record['rows']:
        print(
            f'{row["case"]:62s} compiled {row["compiled"]["median_ms"]:9.3f} ms   '
            f'plain {row["plain"]["median_ms"]:9.3f} ms   x{row["plain_over_compiled"]:.1f}'
        )
    print(f'written: {out}')


if __name__ == '__main__':
    main()
