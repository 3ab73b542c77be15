"""What command-line tools share: their options, and how they end."""

import argparse
import contextlib
import errno
import functools
import os
import signal
import sys
import traceback

from .errors import Interrupted, UserError
from .interrupts import handling_signals
from .io import protecting_inputs
from .names import printable

#: In which a detector can run, see ``mmdet.engine.precision``.
PRECISIONS = ('fp32', 'tf32', 'bf16', 'fp16')


def _launcher(parser):
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    # torch.distributed.launch passes it; torchrun sets LOCAL_RANK.
    parser.add_argument('--local-rank', '--local_rank', type=int, default=0, help=argparse.SUPPRESS)


def _cfg_options(parser):
    from mmengine.config import DictAction

    class KeyValues(DictAction):
        def __call__(self, parser, namespace, values, option_string=None):
            for value in values:
                key, equals, text = value.partition('=')
                if not key or not equals:
                    parser.error(
                        f'{option_string}: expected KEY=VALUE, got {value!r}; other arguments come before it'
                    )
                if not self._readable(text):
                    parser.error(
                        f'{option_string} {key}: cannot read {text!r}: expected a number, a text, or a list '
                        f'such as [1,2]; give the keys of a dict one by one, {key}.type=NAME (a new dict: '
                        f'also {key}._delete_=True)'
                    )
            super().__call__(parser, namespace, values, option_string)

        def _readable(self, text):
            if text.startswith(('{', 'dict(')):
                return False
            try:
                self._parse_iterable(text)
            except (AssertionError, RecursionError):  # brackets or quotes that do not match
                return False
            return True

    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=KeyValues,
        default={},
        metavar='KEY=VALUE',
        help='change config keys, such as model.test_cfg.rcnn.score_thr=0.1',
    )


def _device(parser):
    parser.add_argument('--device', help='cpu, cuda, cuda:1; default: a GPU if there is one')


def _trust_checkpoint(parser):
    parser.add_argument(
        '--trust-checkpoint',
        action='store_true',
        help='load the checkpoint even if loading it can run code; only for files from a source you trust',
    )


def _speed(parser):
    parser.add_argument(
        '--precision',
        choices=PRECISIONS,
        default='fp32',
        help='of the network: fp32; tf32 (newer GPUs); bf16 or fp16, faster and with small differences',
    )
    parser.add_argument(
        '--compile',
        action='store_true',
        help='compile the network at its first frame, which takes a minute or more; meant for GPUs',
    )


_OPTIONS = {
    'cfg-options': _cfg_options,
    'device': _device,
    'trust-checkpoint': _trust_checkpoint,
    'launcher': _launcher,
    'speed': _speed,
}


def add_options(parser: argparse.ArgumentParser, *names: str) -> None:
    """Add shared options to the parser of a tool.

    Args:
        parser: the parser.
        *names: of 'cfg-options', 'device', 'trust-checkpoint', 'launcher', 'speed' (--precision and
            --compile).
    """
    for name in names:
        _OPTIONS[name](parser)


def unit_interval(text: str) -> float:
    """Type of an option for scores: a number in [0, 1]."""
    value = float(text)
    if not 0 <= value <= 1:  # NaN too
        raise argparse.ArgumentTypeError(f'expected a number from 0 to 1, got {text}')
    return value


class ListAction(argparse.Action):
    """A list given as ``a b c``; the spelling ``a,b,c`` of earlier versions works too."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, nargs='+', **kwargs)

    def __call__(self, parser, namespace, values, option_string=None):
        """Store the values."""
        if len(values) == 1:
            values = values[0].split(',')
        setattr(namespace, self.dest, [value.strip() for value in values if value.strip()])


# Errors of the file system that a user can fix: permissions, a full disk, a wrong path.
_REFUSED = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOSPC,
    errno.EFBIG,
    errno.EDQUOT,
    errno.EEXIST,
    errno.EISDIR,
    errno.ENOTDIR,
    errno.ENAMETOOLONG,
}


def _exit_with(message):
    """Print the current exception as one line and exit with status 2."""
    if os.environ.get('MASKTRACK_TRACEBACK') == '1':
        traceback.print_exc()
    lines = map(printable, str(message).split('\n'))
    print('error: ' + '\n'.join(lines), file=sys.stderr, flush=True)
    sys.exit(2)


def _print_any_text():
    """Escape what the terminal cannot encode, such as half a surrogate pair in a name."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):  # replaced by a test, or closed
            stream.reconfigure(errors='backslashreplace')


def _leave_closed_pipe():
    """End as programs do whose reader has gone (``tool | head``): without a word, with status 141."""
    # Python flushes at exit, which must not fail again.
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(128 + 13)


@contextlib.contextmanager
def _stopped_by_signals():
    """Within the block SIGTERM is an exception as Ctrl-C is, so that what was done is kept.

    Both may reach the data workers too, which inherit the handler. There they are ignored: the main process
    ends its workers, and one that ends first would be reported as the error.
    """
    process = os.getpid()

    def stop(number, frame):
        if os.getpid() == process:
            raise Interrupted('interrupted' if number == signal.SIGINT else 'terminated', number)

    with handling_signals(stop):
        yield


def cli_main(main):
    """Decorate ``main`` of a tool: bad input gives one line on stderr and exit status 2, Ctrl-C
    gives 130 and SIGTERM 143.

    Bad input is a ``UserError``, a missing file, a path that cannot be written, a full disk, or a library
    that is not installed (often because the environment is not active). Any other exception is a bug and
    keeps its traceback. ``MASKTRACK_TRACEBACK=1`` shows the traceback in all cases. A closed pipe
    (``tool | head``) ends the tool without a word.
    """

    @functools.wraps(main)
    def wrapper(*args, **kwargs):
        _print_any_text()
        try:
            try:
                with protecting_inputs(), _stopped_by_signals():
                    return main(*args, **kwargs)
            finally:
                sys.stdout.flush()  # here, not at exit, so that a closed pipe is noticed
        except BrokenPipeError:
            _leave_closed_pipe()
        except (UserError, FileNotFoundError) as error:
            _exit_with(str(error))
        except OSError as error:
            if error.errno not in _REFUSED:
                raise
            where = f'{error.filename}: ' if error.filename else ''
            _exit_with(f'{where}{error.strerror}')
        except ModuleNotFoundError as error:
            name = (error.name or '').partition('.')[0]
            if not name or name == 'mmdet':
                raise
            _exit_with(
                f'{name} is not installed for {sys.executable}: activate the environment '
                '(source .venv/bin/activate), or see INSTALL.md'
            )
        except KeyboardInterrupt as error:
            print(str(error) or 'interrupted', file=sys.stderr, flush=True)
            sys.exit(128 + getattr(error, 'number', signal.SIGINT))

    return wrapper
