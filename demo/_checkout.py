"""Import this first in a script of this folder; tools/_checkout.py gives the reason."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')
sys.excepthook = lambda kind, error, trace: (
    print('interrupted', file=sys.stderr)
    if issubclass(kind, KeyboardInterrupt)
    else sys.__excepthook__(kind, error, trace)
)
