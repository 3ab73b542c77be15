"""The calls a user scripts with: read a config, train, load a detector, run it on images and videos."""

from mmdet.utils.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        'config': ('building', 'check_keys', 'load_config', 'registry_errors', 'require'),
        'inference': ('inference_detector', 'inference_video', 'init_detector'),
        'rendering': ('ResultRenderer', 'render_worst'),
        'runner': ('build_runner', 'default_work_dir'),
        'setup': ('register_all_modules', 'warn_of_clashes'),
        'testing': ('build_test_dataset', 'score_results', 'test_images', 'test_videos'),
    },
)
