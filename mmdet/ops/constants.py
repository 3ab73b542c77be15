"""Numbers for names in the operator schemas, equal to those in csrc/roi_align.h and csrc/nms.h."""

LEGACY, ALIGNED, UNALIGNED = 0, 1, 2
ROI_MODES = {'legacy': LEGACY, 'aligned': ALIGNED, 'unaligned': UNALIGNED}

LINEAR, GAUSSIAN = 0, 1
SOFT_METHODS = {'linear': LINEAR, 'gaussian': GAUSSIAN}

MAX_LEVELS = 8
MAX_GRID = 1 << 20
