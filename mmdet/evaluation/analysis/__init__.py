"""Where the score is lost: oracles, tracking numbers and plots."""

from mmdet.utils.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {'breakdown': ('analyze', 'tracking_numbers'), 'oracles': ('ORACLES',), 'plots': ('plot_evaluation',)},
)
