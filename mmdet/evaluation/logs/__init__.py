"""What a training wrote: losses, rates and scores over iterations, as a table and a plot."""

from mmdet.utils.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        'plot': ('plot_runs',),
        'reading': ('Run', 'read_run', 'short_names'),
        'summary': ('choose_keys', 'points_csv', 'runs_report', 'summarize_run'),
    },
)
