"""From predicted frames to tracks, from tracks to numbers. Loads lazily: scoring a file needs no torch."""

from ..utils.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        'defects': ('InputDefect',),
        'evaluate': ('Evaluation', 'evaluate_tables', 'evaluate_ytvis'),
        'metrics': (),
        'params': ('STATS', 'Params'),
        'results': ('VideoResultWriter',),
        'ytvos': ('YTVOS',),
        'ytvoseval': ('YTVOSeval',),
    },
)
