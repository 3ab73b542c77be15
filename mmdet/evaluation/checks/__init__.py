"""Checks of annotation and result files."""

from mmdet.utils.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        'annotation_checks': ('check_annotations',),
        'findings': ('Findings', 'describe_kind'),
        'result_checks': ('check_predictions',),
    },
)
