"""Import this first in a tool: ``mmdet`` is then the one of this checkout.

Tools run from any folder, and the checkout need not be installed. Python puts the folder of a script on
``sys.path``, but not the folder above it. The checkout goes to the front, so that an mmdet installed
elsewhere is not used with these tools by mistake.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
