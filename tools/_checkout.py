"""Import this first in a tool: ``mmdet`` is then the one of this checkout.

Tools run from any folder, and the checkout need not be installed. Python puts the folder of a script on
``sys.path``, but not the folder above it. The checkout goes to the front, so that an mmdet installed
elsewhere is not used with these tools by mistake.

Threads that wait for work sleep: where other programs use the cores too, threads that spin instead made two
of them slower than one.

Ctrl-C while a tool still imports its libraries ends it in one line; later ``cli_main`` sees to that.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')


def _quiet_interrupt(kind, error, trace):
    if issubclass(kind, KeyboardInterrupt):
        print('interrupted', file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


sys.excepthook = _quiet_interrupt
