"""What is installed: distributions that overwrite each other's files, and a one-line description."""

import atexit
import contextlib
import datetime
import platform
from importlib import metadata

import torch
from mmengine.dist import broadcast_object_list, is_main_process

import mmdet
from mmdet.utils import UserError

# Distributions that install the same import package: (ours, clashing, what goes wrong).
_CLASHES = (
    ('onedl-mmengine', 'mmengine', 'mmengine'),
    ('onedl-mmcv', 'mmcv', 'mmcv'),
    ('onedl-mmcv', 'mmcv-lite', 'mmcv'),
    ('onedl-mmcv', 'mmcv-full', 'mmcv'),
)


def _installed(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def find_clashes(installed=_installed):
    """Return a sentence for every pair of distributions that install the same package.

    Args:
        installed (Callable[[str], str | None]): version of a distribution, or None.

    Returns:
        list[str]: each names both distributions and the commands that repair it.
    """
    found = []
    for ours, other, package in _CLASHES:
        if installed(other) is not None:
            found.append(
                f'{other} {installed(other)} and {ours} {installed(ours)} both install the package '
                f'{package!r} and overwrite each other: run  '
                f'pip uninstall -y {other} {ours} && pip install {ours}'
            )
    for other in ('mmdet', 'onedl-mmdetection'):
        if installed(other) is not None:
            found.append(
                f'{other} {installed(other)} installs a package named mmdet as well, which is not this '
                f'project: run  pip uninstall -y {other}'
            )
    return found


def _leave_processes():
    if not torch.distributed.is_initialized() or torch.distributed.get_backend() != 'gloo':
        return
    # A process that closes its sockets while another still waits for the last message ends that one too.
    with contextlib.suppress(RuntimeError):  # the others may be gone already, or stuck in an error
        torch.distributed.monitored_barrier(timeout=datetime.timedelta(seconds=5))
    torch.distributed.destroy_process_group()


def join_gloo():
    """Join the process group that torchrun describes, over gloo, and leave it in good order at exit.

    Without leaving, gloo's threads may outlive the interpreter, and the process then ends by ``abort()``.
    """
    torch.distributed.init_process_group('gloo')
    atexit.register(_leave_processes)


def flush_denormals():
    """Round numbers below 1e-38 to zero in this process, for the speed of training on a CPU.

    Where norms start near zero, as in a backbone without pretrained weights, gradients shrink to such numbers
    within a few blocks, and a processor multiplies them many times slower. Threads that exist already keep
    rounding as before, so this comes before anything is computed.
    """
    torch.set_flush_denormal(True)


def join_on_cpus(launcher):
    """Join the process group of a launcher, over gloo; raises a UserError if it is for GPUs only."""
    if launcher != 'pytorch':
        raise UserError(f'--launcher {launcher} needs GPUs; on CPUs use --launcher pytorch (torchrun)')
    join_gloo()


def describe_machine():
    """Return one line: versions, device and threads."""
    if torch.cuda.is_available():
        device = f'{torch.cuda.device_count()} x {torch.cuda.get_device_name(0)}'
    else:
        device = f'CPU, {torch.get_num_threads()} thread(s)'
    return (
        f'mmdet {mmdet.__version__}, torch {torch.__version__}, Python {platform.python_version()}, {device}'
    )


def on_main(function, *args, **kwargs):
    """Run a function on the main process; all processes get its result or its error."""
    box = [None, None]
    if is_main_process():
        try:
            box[0] = function(*args, **kwargs)
        except (UserError, OSError) as caught:
            box[1] = UserError(str(caught))
    broadcast_object_list(box)
    if box[1] is not None:
        raise box[1]
    return box[0]
