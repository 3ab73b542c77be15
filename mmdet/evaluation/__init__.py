"""From predicted frames to tracks, from tracks to numbers. Loads lazily: scoring a file needs no torch."""

from mmdet.utils.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        'ap.evaluate': ('Evaluation', 'evaluate_tables', 'evaluate_ytvis'),
        'metrics': (),
        'ap.params': ('STATS', 'Params'),
        'ap.ytvos': ('YTVOS',),
        'ap.ytvoseval': ('YTVOSeval',),
    },
)
