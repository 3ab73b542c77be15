"""What a script calls: read a config, train, load a detector, run it on images, videos and datasets.

The names load on first use, as reading a config needs no torch.
"""

from mmdet.utils.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        'config': ('load_config',),
        'frame_result': ('FrameResult',),
        'inference': ('inference_detector', 'inference_video', 'init_detector'),
        'model_zoo': ('ZOO', 'Weights'),
        'named_weights': ('fetch_weights', 'read_weights'),
        'setup': ('register_all_modules',),
        'testing': ('build_test_dataset', 'predict_dataset', 'score_results', 'test_videos'),
        'video': ('track_video',),
        'video_outputs': ('VideoOptions',),
        'training': ('build_runner',),
    },
)
