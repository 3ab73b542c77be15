"""Steps of tools/gpu_check.sh that need more than a command: each prints what it does and writes a json.

    python tools/gpu_check/steps.py STEP FILE.json

Without a GPU a step measures the CPU where that says something, and otherwise tells that it needs a GPU.
"""

import argparse
import collections
import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / 'benchmarks')]
os.environ.setdefault('CUBLAS_WORKSPACE_CONFIG', ':4096:8')  # of deterministic matrix products

import torch  # noqa: E402

NEEDS_GPU = {'skipped': 'needs a GPU'}
CONFIG = 'configs/masktrack_rcnn_r50_fpn_1x_youtubevos.py'
DEMO = 'configs/masktrack_rcnn_demo_synthetic.py'


def gpu():
    """Whether torch sees a GPU."""
    return torch.cuda.is_available()


def device_name():
    """``cuda``, or ``cpu`` without a GPU."""
    return 'cuda' if gpu() else 'cpu'


def options(**changes):
    """Options of the benchmarks, whose functions are used here."""
    from measure import add_model_arguments

    parser = argparse.ArgumentParser()
    add_model_arguments(parser, CONFIG, turns=1)
    base = {'threads': torch.get_num_threads(), 'device': device_name()}
    return SimpleNamespace(**{**vars(parser.parse_args([])), **base, **changes})


def best_seconds(function, repeats=5):
    """Shortest of some runs, after one that is not counted."""
    from measure import Clock

    clock = Clock(torch.device(device_name()))
    function()
    return min(clock.seconds(function)[1] for _ in range(repeats))


def device():
    """What machine this is; measured ceilings of copies and of matrix products in each precision."""
    from measure import weights_in

    from mmdet.utils import PRECISIONS

    target = torch.device(device_name())
    found = {'torch': torch.__version__, 'cuda': torch.version.cuda, 'gpu': None, 'driver': None}
    if gpu():
        properties = torch.cuda.get_device_properties(0)
        found.update(gpu=properties.name, capability=f'{properties.major}.{properties.minor}')
        found.update(
            memory_gib=round(properties.total_memory / 2**30, 1), cudnn=torch.backends.cudnn.version()
        )
        query = ['nvidia-smi', '--query-gpu=driver_version', '--format=csv,noheader']
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            done = subprocess.run(query, capture_output=True, text=True, check=True, timeout=20)
            found['driver'] = done.stdout.strip().partition('\n')[0]
    numbers = 2**28 if gpu() else 2**24
    source = torch.zeros(numbers, device=target)
    copy = torch.empty_like(source)
    found['copy_gb_s'] = round(8 * numbers / best_seconds(lambda: copy.copy_(source)) / 1e9, 1)
    side = 8192 if gpu() else 512
    first, second = torch.randn(2, side, side, device=target)
    found['matmul_tflops'] = {}
    for name in PRECISIONS if gpu() else ('fp32',):
        kind = {'bf16': torch.bfloat16, 'fp16': torch.float16}.get(name, torch.float32)
        left, right = first.to(kind), second.to(kind)  # autocast would convert them in each product
        with weights_in(name, target):
            seconds = best_seconds(lambda left=left, right=right: left @ right)
        found['matmul_tflops'][name] = round(2 * side**3 / seconds / 1e12, 3)
    return found


def registers():
    """Registers, spills and shared memory of every kernel, as ptxas reports them; needs nvcc, but no GPU."""
    sys.path.append(str(ROOT))
    import build_native

    nvcc = build_native.find_nvcc()[0]
    if nvcc is None:
        return {'skipped': 'nvcc was not found'}
    number = '{}{}'.format(*torch.cuda.get_device_capability()) if gpu() else '90'
    flags = [*build_native.NVCC_FLAGS, f'-arch=sm_{number}', '-Xptxas', '-v']
    flags += ['-isystem', str(build_native.find_torch()[0] / 'include')]
    flags += [f'-DTORCH_TARGET_VERSION={build_native.TARGET_VERSION}']
    found = {'architecture': f'sm_{number}', 'kernels': {}}

    def compiled(source):
        with tempfile.TemporaryDirectory() as folder:
            command = [nvcc, *flags, '-c', str(source), '-o', f'{folder}/out.o']
            return subprocess.run(command, capture_output=True, text=True)

    with ThreadPoolExecutor() as pool:
        for done in pool.map(compiled, sorted((build_native.SOURCES / 'cuda').glob('*.cu'))):
            if done.returncode:
                raise RuntimeError(done.stderr[-2000:])
            found['kernels'].update(read_ptxas(done.stderr))
    found['spilling'] = sorted(name for name, one in found['kernels'].items() if one['spill_bytes'])
    return found


def read_ptxas(text):
    """Kernel -> ``registers``, ``spill_bytes``, ``shared_bytes``, from the messages of ``ptxas -v``."""
    found, name = {}, None
    for line in text.splitlines():
        if entry := re.search(r"Compiling entry function '(\w+)'", line):
            name = shorter(entry.group(1))
            found[name] = {'registers': 0, 'spill_bytes': 0, 'shared_bytes': 0}
        if name and (spills := re.search(r'(\d+) bytes spill stores, (\d+) bytes spill loads', line)):
            found[name]['spill_bytes'] = sum(map(int, spills.groups()))
        if name and (used := re.search(r'Used (\d+) registers', line)):
            found[name]['registers'] = int(used.group(1))
            shared = re.search(r'(\d+) bytes smem', line)
            found[name]['shared_bytes'] = int(shared.group(1)) if shared else 0
    return found


def shorter(symbol):
    """The name of a kernel and its types from a symbol, if c++filt is there to read it."""
    if not shutil.which('c++filt'):
        return symbol
    name = subprocess.run(['c++filt', symbol], capture_output=True, text=True).stdout
    name = re.sub(r'torch::headeronly::|masktrack::|\(anonymous namespace\)::|c10::', '', name).strip()
    return re.sub(r'^void |\(.*\)$', '', name)


def drift():
    """How far each precision moves the tracks of the small trained model from those of 2019."""
    from mmdet.engine.precision import running_in
    from mmdet.utils import PRECISIONS
    from tests.parity import drift as parity
    from tests.parity.rules import load_json

    want = parity.recorded_objects(load_json('small_infer.json')['frames'])
    target = torch.device(device_name())
    names = PRECISIONS if gpu() else ('fp32', 'bf16')
    return {
        name: parity.drift(parity.predict_small(target, lambda name=name: running_in(name, target)), want)
        for name in names
    }


@contextlib.contextmanager
def counting_waits(found):
    """Count the warnings of operations that wait for the GPU, by the line of this repository."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        torch.cuda.set_sync_debug_mode('warn')
        try:
            yield
        finally:
            torch.cuda.set_sync_debug_mode('default')
    lines = collections.Counter(
        f'{Path(one.filename).name}:{one.lineno}' for one in caught if 'synchroniz' in str(one.message)
    )
    found.update(waits=sum(lines.values()), lines=dict(lines.most_common(12)))


def syncs():
    """Waits for the GPU in a batch of inference and in a training iteration."""
    import inference
    import training

    if not gpu():
        return NEEDS_GPU
    found = {'inference, 1 frame': {}, 'inference, 4 frames': {}, 'training, 8 pairs': {}}
    for batch in (1, 4):
        args = options()
        case = {**inference.BASE, 'batch': batch, 'frames': 2 * batch}
        model, clip = inference.build_model(args, case, 'cuda'), inference.draw_clip(case, 0, 0)
        with torch.no_grad():
            inference.calibrate(model, clip[0], case['objects'])
            model.test_step(clip[0])
            with counting_waits(found[f'inference, {batch} frame' + 's' * (batch > 1)]):
                model.test_step(clip[1])
    model, optimizer = training.build(options(), 'cuda')
    pairs = training.draw_pairs({'size': [640, 360], 'pairs': 8}, 0, model.bbox_head.num_classes)
    model.train_step(training.make_batch(pairs), optimizer)
    with counting_waits(found['training, 8 pairs']):
        model.train_step(training.make_batch(pairs), optimizer)
    return found


def train(iterations, name, deterministic=False, case=None):
    """Train the model of the main config; losses, a hash of the weights, peak memory."""
    import training
    from measure import peak_mb, weights_in

    target = torch.device(device_name())
    if gpu():
        torch.cuda.reset_peak_memory_stats()
    torch.use_deterministic_algorithms(deterministic, warn_only=True)
    try:
        model, optimizer = training.build(options(precision=name), target)
        case = case or {'size': [640, 360], 'pairs': 4}
        pairs = training.draw_pairs(case, 0, model.bbox_head.num_classes)
        losses, start = [], time.perf_counter()
        for _ in range(iterations):
            with weights_in(name, target):
                losses.append(model.train_step(training.make_batch(pairs), optimizer)['loss'])
        losses = [float(loss) for loss in losses]
        seconds = time.perf_counter() - start
    finally:
        torch.use_deterministic_algorithms(False)
    digest = hashlib.sha256()
    for value in model.state_dict().values():
        digest.update(value.cpu().numpy().tobytes())
    return {
        'first_loss': round(losses[0], 4),
        'last_loss': round(losses[-1], 4),
        'finite': bool(torch.tensor(losses).isfinite().all()),
        'seconds_an_iteration': round(seconds / iterations, 4),
        'peak_mb': peak_mb(target),
        'weights': digest.hexdigest()[:16],
    }


def precisions():
    """Twenty training iterations in each precision on a GPU; two on the CPU."""
    from mmdet.utils import PRECISIONS

    if gpu():
        return {name: train(20, name) for name in PRECISIONS}
    return {'fp32': train(2, 'fp32', case={'size': [96, 64], 'pairs': 1})}


def determinism():
    """Whether two trainings under ``torch.use_deterministic_algorithms(True)`` give the same weights."""
    case = None if gpu() else {'size': [96, 64], 'pairs': 1}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        runs = [train(5 if gpu() else 2, 'fp32', True, case)['weights'] for _ in range(2)]
    others = {
        str(one.message).split(' does not')[0][:80] for one in caught if 'determinis' in str(one.message)
    }
    found = {'equal': runs[0] == runs[1], 'operations_without_a_deterministic_path': sorted(others)}
    if not found['equal']:
        raise RuntimeError(json.dumps(found))
    return found


def resume():
    """Two epochs at once, and one epoch, then resumed for another, by tools/train.py: the same weights."""
    epochs = {'whole': [2], 'resumed': [1, 2]}
    weights = {}
    with tempfile.TemporaryDirectory() as folder:
        data = make_data(folder)
        for name, ends in epochs.items():
            work = Path(folder) / name
            for end in ends:
                run_tool(data, work, end, '--resume', options=['randomness.deterministic=True'])
            state = torch.load(work / 'epoch_2.pth', weights_only=True, map_location='cpu')['state_dict']
            weights[name] = hashlib.sha256(b''.join(v.numpy().tobytes() for v in state.values())).hexdigest()
    found = {'equal': weights['whole'] == weights['resumed']}
    if not found['equal']:
        raise RuntimeError('the resumed training has other weights')
    return found


def nccl():
    """One process of distributed training, over NCCL (gloo without a GPU)."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        run_tool(make_data(folder), Path(folder) / 'work', 1, distributed=True)
        assert (Path(folder) / 'work/epoch_1.pth').is_file()
    seconds = round(time.perf_counter() - start, 1)
    if not gpu():
        return {'backend': 'gloo', 'seconds': seconds}
    return {'backend': 'nccl', 'version': '.'.join(map(str, torch.cuda.nccl.version())), 'seconds': seconds}


def video(compiled=False):
    """Frames a second from JPEG files to boxes, RLE and identities, in bfloat16 (in float32 on a CPU)."""
    import inference
    from measure import peak_mb
    from record import spread

    from mmdet.apis import inference_video
    from mmdet.engine.precision import running_in
    from mmdet.media import write_image
    from mmdet.synthetic.generate import make_video

    if compiled and not gpu():
        return NEEDS_GPU
    size, frames = ((1280, 720), 64) if gpu() else ((96, 64), 2)
    precision, target = 'bf16' if gpu() else 'fp32', torch.device(device_name())
    case = {**inference.BASE, 'size': [640, 360], 'batch': 4, 'frames': 4}
    model = inference.build_model(options(precision=precision, compile=compiled), case, target)
    with torch.no_grad(), running_in(precision, target):
        inference.calibrate(model, inference.draw_clip(case, 0, 0)[0], case['objects'])
    found = {'precision': precision, 'jpeg': size, 'frames': frames, 'objects': case['objects']}
    with tempfile.TemporaryDirectory() as folder:
        images, _ = make_video(0, index=0, frames=8 if gpu() else 2, size=size)
        for number in range(frames):
            write_image(f'{folder}/{number:05d}.jpg', images[number % len(images)])
        for batch in (1, 4, 8) if gpu() and not compiled else (4,):
            seconds = []
            for _ in range(4 if gpu() else 2):
                begin = time.perf_counter()
                detections = [len(frame) for frame in inference_video(model, folder, batch)]
                seconds.append(time.perf_counter() - begin)
            found[f'batch {batch}'] = {
                'detections_a_frame': round(sum(detections) / frames, 1),
                'first_run_s': round(seconds[0], 2),  # it warms up
                'frames_a_second': spread([frames / value for value in seconds[1:]], 1),
            }
    found['peak_mb'] = peak_mb(target)
    return found


def video_compiled():
    """The same with the network compiled by PyTorch."""
    return video(compiled=True)


def make_data(folder):
    """A tiny synthetic dataset."""
    from mmdet.synthetic import generate_dataset

    return generate_dataset(f'{folder}/data', train_videos=4, val_videos=1, frames=4)


def run_tool(data, work, epochs, *more, distributed=False, options=()):
    """Train the demo config with tools/train.py, in a process or by torchrun."""
    command = [sys.executable, str(ROOT / 'tools/train.py'), str(ROOT / DEMO)]
    if distributed:
        command = ['bash', str(ROOT / 'tools/dist_train.sh'), str(ROOT / DEMO), '1']
    command += [*more, '--work-dir', str(work), '--seed', '0', '--cfg-options']
    command += [f'train_cfg.max_epochs={epochs}', f'train_dataloader.dataset.data_root={data}/']
    command += [*options, 'train_dataloader.num_workers=0']
    command += ['train_dataloader.persistent_workers=False', 'default_hooks.checkpoint.interval=1']
    environment = {**os.environ, 'PYTHON': sys.executable}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RuntimeError(f'{" ".join(command)}:\n{done.stdout[-1000:]}{done.stderr[-2000:]}')


STEPS = (device, registers, drift, syncs, precisions, determinism, resume, nccl, video, video_compiled)
STEPS = {step.__name__: step for step in STEPS}


def main():
    """Run one step and write what it found."""
    from mmdet.utils import atomic_write_text

    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('step', choices=STEPS)
    parser.add_argument('out', type=Path)
    args = parser.parse_args()
    found = STEPS[args.step]()
    atomic_write_text(args.out, json.dumps(found, indent=1) + '\n')
    print(json.dumps(found, indent=1))


if __name__ == '__main__':
    main()
