# What all runs share. mmengine.registry.RUNNERS.build(config) builds what tools/train.py --validate runs.
default_scope = 'mmdet'
custom_imports = dict(imports=['mmdet.registry'])  # so that mmengine knows mmdet
runner_type = 'mmdet.TrackRunner'

# TrackRunner adds NonFiniteLossHook and ClassCountHook, which guard every run, and SummaryHook.
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=50),
    checkpoint=dict(type='CheckpointHook', interval=1),
)
env_cfg = dict(dist_cfg=dict(backend='nccl'))
log_level = 'INFO'
load_from = None  # a checkpoint to start from; tensors that do not fit are listed
load_options = dict(class_map=None)  # 'coco': also take the rows of categories that COCO has
