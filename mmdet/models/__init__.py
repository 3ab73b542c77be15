"""Everything that a detector is built from; importing it fills ``MODELS`` and ``TASK_UTILS``."""

from mmdet.utils import import_submodules

import_submodules(__name__)  # registers what a new file in this folder or below defines
