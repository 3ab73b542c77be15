"""What the benchmarks share: clocks, turns, stages, and the floor of a model."""

import argparse
import contextlib
import copy
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import torch
from record import commit, machine, spread
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from mmdet.engine.precision import check_precision, running_in
from mmdet.models.fused import optimize_for_inference
from mmdet.utils import PRECISIONS, Progress, UserError, atomic_write_text


class Clock:
    """CPU seconds of this process on a CPU (other processes do not count), wall seconds on a GPU.

    Args:
        device (torch.device): where the work is done.
    """

    def __init__(self, device):
        self.device = device
        self.unit = 'wall_s' if device.type == 'cuda' else 'cpu_s'

    def now(self):
        """float: seconds, after all queued work is done."""
        if self.device.type == 'cuda':
            torch.cuda.synchronize(self.device)
            return time.perf_counter()
        return time.process_time()

    def seconds(self, function):
        """Seconds that one call takes, on this clock and on the wall."""
        wall, start = time.perf_counter(), self.now()
        function()
        end = self.now()
        return end - start, time.perf_counter() - wall


def in_turns(functions, turns, clock):
    """Run functions in turns, each once before without being counted.

    Args:
        functions (dict[str, Callable]): name -> what to measure.
        turns (int): how often.
        clock (Clock): of the device.

    Returns:
        dict[str, list[tuple[float, float]]]: name -> seconds of the clock and of the wall in each turn.
    """
    for function in functions.values():
        function()
    found = {name: [] for name in functions}
    for _ in range(turns):
        for name, function in functions.items():
            found[name].append(clock.seconds(function))
    return found


def pairwise(first, second, digits=3):
    """Spread of the ratio of two measurements, turn by turn."""
    return spread([a[0] / b[0] for a, b in zip(first, second)], digits)


class Stages:
    """Exclusive seconds of methods: the time of a stage inside another one counts for the inner one only.

    Args:
        clock (Clock): of the device.
        methods (Iterable[tuple[str, object, str]]): name of the stage, object, name of its method; what does
            not exist is left out.
    """

    def __init__(self, clock, methods):
        self.clock, self.seconds, self.stack = clock, {}, []
        self.methods = [row for row in methods if hasattr(row[1], row[2])]

    def _timed(self, name, method):
        def run(*args, **kwargs):
            start = self.clock.now()
            self.stack.append(0.0)
            try:
                return method(*args, **kwargs)
            finally:
                whole, inner = self.clock.now() - start, self.stack.pop()
                self.seconds[name] = self.seconds.get(name, 0.0) + whole - inner
                if self.stack:
                    self.stack[-1] += whole

        return run

    @contextlib.contextmanager
    def watching(self):
        """Measure what runs inside; the rest of the time is the stage ``rest``."""
        with contextlib.ExitStack() as stack:
            for name, owner, attribute in self.methods:
                method = getattr(owner, attribute)
                # An instance attribute hides the method of the class, and is removed afterwards.
                object.__setattr__(owner, attribute, self._timed(name, method))
                stack.callback(object.__delattr__, owner, attribute)
            self.seconds['rest'] = 0.0
            self.stack.append(0.0)
            start = self.clock.now()
            yield
            self.seconds['rest'] = self.clock.now() - start - self.stack.pop()


def channels_last(tensor):
    """A four-dimensional tensor with channels innermost in memory, any other as it is."""
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor


class Floor(TorchDispatchMode):
    """Records the convolutions and matrix products that run inside, also those of a backward pass.

    :meth:`replay` runs them alone, on random tensors of the same shapes: channels-last, with a bias where a
    batch norm would be folded into one, and nothing between them. A model cannot be much faster than that
    without other arithmetic; oneDNN has kernels that convolve faster than those that PyTorch chooses here.
    """

    def __init__(self):
        super().__init__()
        self.calls, self.flops, self._tensors = [], 0, {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        count = flop_registry.get(func.overloadpacket)
        if count is not None:
            self.flops += count(*args, **(kwargs or {}), out_val=out)
            self.calls.append((func, [self._stand_in(value) for value in args], kwargs or {}))
            if func is torch.ops.aten.convolution.default and args[2] is None:
                channels = args[1].size(1) * args[8] if args[6] else args[1].size(0)
                self.calls[-1][1][2] = self._stand_in(args[1].detach().new_empty(channels))
        return out

    def _stand_in(self, value):
        """A random tensor of the same shape; one for all calls, so that they do not pile up."""
        if not isinstance(value, torch.Tensor):
            return value
        turned = value.dim() == 2 and value.stride(0) == 1 and value.stride(1) != 1
        key = (tuple(value.shape), value.dtype, value.device, turned)
        if key not in self._tensors:
            shape = value.shape[::-1] if turned else value.shape
            made = torch.randn(shape, device=value.device).to(value.dtype)
            self._tensors[key] = made.t() if turned else channels_last(made)
        return self._tensors[key]

    def replay(self):
        """Run all recorded calls once."""
        with torch.no_grad():
            for func, args, kwargs in self.calls:
                func(*args, **kwargs)

    def compiled(self):
        """A function that runs the calls of a forward pass once, compiled as the parts of a model are."""
        bare = _Bare(self.calls).eval()
        bare.compile(dynamic=False, options={'freezing': True})

        def run():
            with torch.no_grad():
                bare(bare.images)

        return run


class _Bare(torch.nn.Module):
    """Calls of a :class:`Floor` with constant weights, so that the compiler may lay them out as it likes."""

    def __init__(self, calls):
        super().__init__()
        self.functions, self.images = [], []
        for number, (func, args, kwargs) in enumerate(calls):
            place = 1 if func is torch.ops.aten.addmm.default else 0  # bias, input, weight
            self.images.append(args[place])
            names = []
            for index, value in enumerate(args):
                names.append(None)
                if isinstance(value, torch.Tensor) and index != place:
                    names[-1] = f'value_{number}_{index}'
                    # Of its own: the compiler computes equal calls once.
                    self.register_buffer(names[-1], torch.randn_like(value))
            self.functions.append((func, args, kwargs, place, names))

    def forward(self, images):
        """One number of each result; a compiler drops what nobody reads."""
        found = []
        for image, (func, args, kwargs, place, names) in zip(images, self.functions):
            args = [getattr(self, name) if name else value for name, value in zip(names, args)]
            args[place] = image
            found.append(func(*args, **kwargs).flatten()[:1].clone())
        return found


def fused_pyramid(model):
    """Backbone and neck of a detector in eval mode with batch norms folded in, channels-last: the unit."""
    from mmcv.cnn import fuse_conv_bn

    parts = [copy.deepcopy(part).eval() for part in (model.backbone, model.neck)]
    backbone, neck = (fuse_conv_bn(part).to(memory_format=torch.channels_last) for part in parts)

    def run(images):
        with torch.no_grad():
            return neck(backbone(images))

    return run


def weights_in(precision, device):
    """Context of what has its types already, by its tensors or an optimizer's wrapper: TF32 is a switch."""
    return running_in('tf32' if precision == 'tf32' else 'fp32', device)


def peak_mb(device):
    """Largest memory so far: of the GPU, or of this process on a CPU."""
    if device.type == 'cuda':
        return round(torch.cuda.max_memory_allocated(device) / 2**20, 1)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def checked_device(name, threads):
    """The device of an option; sets the number of threads."""
    if threads < 1:
        raise UserError('--threads must be at least 1')
    torch.set_num_threads(threads)
    device = torch.device(name)
    if device.type == 'cuda' and not torch.cuda.is_available():
        raise UserError(f'--device {name}: torch sees no GPU')
    return device


def add_arguments(parser, config, turns):
    """Options of every benchmark with a config."""
    parser.add_argument('--config', default=config, help='config (%(default)s)')
    parser.add_argument('--threads', type=int, default=1, help='CPU threads (1)')
    parser.add_argument('--turns', type=int, default=turns, help='measurements of each (%(default)s)')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--out', metavar='FILE.json')


def add_model_arguments(parser, config, turns):
    """Options of the benchmarks that run a model."""
    add_arguments(parser, config, turns)
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--precision', choices=PRECISIONS, default='fp32')
    parser.add_argument('--compile', action='store_true', help='compile the model, and the floor of a frame')
    parser.add_argument('--against', choices=['torchvision'], help='run its Mask R-CNN in turns')
    parser.add_argument('--child', help=argparse.SUPPRESS)  # a case as json, for the process that measures it


def run_cases(script, cases, argv):
    """Measure every case in a process of its own, as the peak memory of a process never falls.

    Args:
        script (str): file that prints a json for ``--child``.
        cases (list[dict]): what differs between the measurements.
        argv (list[str]): options of this process.

    Returns:
        list[dict]: each case with what was measured.
    """
    rows = []
    environment = {**os.environ, 'OMP_NUM_THREADS': os.environ.get('OMP_NUM_THREADS', '1')}
    with Progress(len(cases), 'cases') as progress:
        for case in cases:
            command = [sys.executable, script, *argv, '--child', json.dumps(case)]
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
            if done.returncode:
                raise UserError(f'{case}: {done.stderr.strip()[-1500:]}')
            rows.append({**case, **json.loads(done.stdout.splitlines()[-1])})
            progress.update()
    return rows


def how(args, device, **more):
    """What every result file says about how its figures came to be."""
    return {
        'config': args.config,
        'commit': commit('mmdet', 'benchmarks', 'configs'),
        'seed': args.seed,
        **machine(device),
        'threads': args.threads,
        'turns': args.turns,
        'seconds': 'wall' if device.type == 'cuda' else 'CPU',
        **more,
    }


def measure_model(run, model, stages, case, args, per, rival=None):
    """A model beside its floor, the unit and torchvision, after a run that warmed it up.

    Args:
        run (Callable): passes through the model once.
        model (nn.Module): has ``backbone`` and ``neck``.
        stages (Stages): its stages.
        case (dict): with ``size``, (w, h) of a frame.
        args (Namespace): options of :func:`add_model_arguments`.
        per (int): frames or pairs of a run; figures are those of one.
        rival (Callable | None): builds the run of torchvision.

    Returns:
        tuple[dict, dict]: figures; seconds on the clock and on the wall of each turn, by name.
    """
    clock = stages.clock
    device, peak = clock.device, peak_mb(clock.device)
    if not args.compile:  # watched methods would be compiled anew
        with stages.watching():
            run()
    floor, optimized = Floor(), model.optimized
    optimize_for_inference(model, False)  # the floor is of the plain operators of PyTorch
    with floor, torch.compiler.set_stance('force_eager'):
        run()
    optimize_for_inference(model, optimized)
    replay = floor.compiled() if args.compile and not model.training else floor.replay
    width, height = (-(-side // 32) * 32 for side in case['size'])
    image = channels_last(torch.randn(1, 3, height, width, device=device))
    pyramid = fused_pyramid(model)

    def unit():
        with running_in(args.precision, device):
            pyramid(image)

    def floor_run():
        with weights_in(args.precision, device):
            replay()

    functions = {'model': run, 'floor': floor_run, 'unit': unit}
    if rival is not None:
        functions['torchvision'] = rival()
    turns = in_turns(functions, args.turns, clock)
    each = {name: [(a / per, b / per) for a, b in turns[name]] for name in turns}
    each['unit'] = turns['unit']
    found = {
        'gflops': round(floor.flops / per / 1e9, 1),
        'peak_mb': peak,
        'seconds': {name: spread([row[0] for row in rows]) for name, rows in each.items()},
        'over_floor': pairwise(each['model'], each['floor']),
        'units': pairwise(each['model'], each['unit']),
        'floor_units': pairwise(each['floor'], each['unit']),
        'stages': {name: round(value / per, 4) for name, value in stages.seconds.items()},
    }
    if rival is not None:
        found['over_torchvision'] = pairwise(each['model'], each['torchvision'])
    return found, each


def run_model_cases(script, cases, args, report):
    """Measure the cases of a benchmark that runs a model, print them, write the figures.

    Args:
        script (str): see :func:`run_cases`.
        cases (list[dict]): likewise.
        args (Namespace): options of :func:`add_model_arguments`.
        report (Callable): prints the record.
    """
    device = checked_device(args.device, args.threads)
    check_precision(args.precision, device)
    cases = run_cases(script, cases, sys.argv[1:])
    record = how(args, device, precision=args.precision, compiled=args.compile, cases=cases)
    if args.against:
        import torchvision

        record['torchvision'] = torchvision.__version__
    report(record)
    write(args.out, record)


def write(out, record):
    """Write the figures, if a file was asked for."""
    if out:
        atomic_write_text(Path(out), json.dumps(record, indent=1) + '\n')


def stage_table(record, unit):
    """Stages of the first case, in milliseconds of a ``unit``."""
    from mmdet.evaluation.report import table

    stages = record['cases'][0]['stages']
    if not stages:
        return 'compiled: no stages'
    whole = sum(stages.values())
    rows = [(name, f'{1000 * value:.1f}', f'{value / whole:.0%}') for name, value in stages.items()]
    return table([('stage of the first row', f'{record["seconds"]} ms a {unit}', 'share'), *rows])
