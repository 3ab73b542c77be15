"""Scores of results, why they are what they are, and checks of files. Scoring a file needs no torch."""

from mmdet.utils.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        'analysis': (),
        'ap.evaluate': ('Evaluation', 'InputDefect', 'evaluate_tables', 'evaluate_ytvis', 'summarize'),
        'ap.params': ('STATS', 'Params'),
        'ap.ytvos': ('YTVOS',),
        'ap.ytvoseval': ('YTVOSeval',),
        'checks': (),
        'comparison': ('run_scores', 'scores_by_length', 'summarize_runs'),
        'metrics': (),
    },
)
