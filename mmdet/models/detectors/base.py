"""Base of all detectors: backbone, neck, proposals, and the three modes of ``forward``."""

import torch
from mmengine.model import BaseModel

from mmdet.registry import MODELS, TASK_UTILS

from ..fit import check_channels
from ..fused import forget_derived, use_derived
from .settings import SETTINGS, check_settings

MODES = ('loss', 'predict', 'tensor')


class BaseDetector(BaseModel):
    """Backbone, neck and region proposal network, with the interface of mmengine.

    Args:
        backbone (dict): config of the backbone.
        neck (dict | None): config of the feature pyramid.
        rpn_head (dict): config of the proposal head.
        train_cfg (dict | None): ``rpn`` (assigner and sampler of anchors) and ``rpn_proposal`` (settings of
            proposals in training; None: as in testing, see docs/conventions.md, "Proposals").
        test_cfg (dict | None): ``rpn`` (settings of proposals).
        data_preprocessor (dict | None): config of the preprocessor.
        init_cfg (dict | list | None): initialization.
    """

    settings = SETTINGS  # keys of train_cfg and test_cfg
    tracker = None  # of detectors that track
    optimized = False  # set by optimize_for_inference
    compiled = False  # set by mmdet.apis.speed.compile_parts

    def __init__(
        self,
        backbone,
        neck=None,
        rpn_head=None,
        train_cfg=None,
        test_cfg=None,
        data_preprocessor=None,
        init_cfg=None,
    ):
        # Built from the registry of this package, so that it works without a default scope.
        preprocessor = dict(data_preprocessor or {})
        preprocessor.setdefault('type', 'DataPreprocessor')
        super().__init__(MODELS.build(preprocessor), init_cfg)
        self.train_cfg = train_cfg or {}
        self.test_cfg = test_cfg or {}
        check_settings('train_cfg', self.train_cfg, self.settings['train_cfg'])
        check_settings('test_cfg', self.test_cfg, self.settings['test_cfg'])
        self.backbone = MODELS.build(backbone)
        self.neck = None if neck is None else MODELS.build(neck)
        self.rpn_head = MODELS.build(rpn_head)
        check_channels(self.backbone, self.neck, ('backbone', 'neck'))
        check_channels(self.pyramid, self.rpn_head, (self.pyramid_name, 'rpn_head'))
        rpn = self.train_cfg.get('rpn') or {}
        parts = {name: TASK_UTILS.build(rpn[name]) for name in ('assigner', 'sampler') if name in rpn}
        self.rpn_train_cfg = {**rpn, **parts}  # built once, and wrong settings are seen at once

    @property
    def pyramid(self):
        """The module whose output the heads read."""
        return self.backbone if self.neck is None else self.neck

    @property
    def pyramid_name(self):
        """Its name in the config."""
        return 'backbone' if self.neck is None else 'neck'

    def forward(self, inputs, data_samples=None, mode='tensor'):
        """Dispatch to :meth:`loss`, :meth:`predict` or :meth:`tensor`.

        Args:
            inputs (Tensor): (N, T, 3, H, W) of the data preprocessor.
            data_samples (list[DetDataSample] | None): N of them; may be None for ``'tensor'``.
            mode (str): ``'loss'``, ``'predict'`` or ``'tensor'``.

        Returns:
            dict[str, Tensor] | list[DetDataSample] | tuple[Tensor]: see these methods.

        Raises:
            ValueError: for an unknown mode, inputs of a wrong shape, or missing data samples.
        """
        if mode not in MODES:
            raise ValueError(f'{type(self).__name__}: mode must be one of {MODES}, got {mode!r}')
        if inputs.dim() == 4:
            inputs = inputs[:, None]
        if inputs.dim() != 5 or inputs.size(2) != 3:
            raise ValueError(
                f'{type(self).__name__}: inputs of shape (N, T, 3, H, W) expected, got {tuple(inputs.shape)}'
            )
        if mode == 'tensor':
            return self.tensor(inputs)
        if data_samples is None or len(data_samples) != len(inputs):
            number = None if data_samples is None else len(data_samples)
            raise ValueError(f'{type(self).__name__}: {len(inputs)} images, but data_samples: {number}')
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        if self.optimized and not self.training:
            use_derived(self)
        return self.predict(inputs, data_samples)

    def train(self, mode=True):
        """Set the mode; training uses the weights as they are. Returns self."""
        if mode:
            forget_derived(self)
        return super().train(mode)

    def loss(self, inputs, data_samples):
        """Losses of a training batch: a dict of scalars, or of lists with one scalar per pyramid level."""
        raise NotImplementedError(f'{type(self).__name__} must define loss()')

    def predict(self, inputs, data_samples, rescale=True):
        """Data samples with ``pred_instances``, in pixels of the original image if ``rescale``."""
        raise NotImplementedError(f'{type(self).__name__} must define predict()')

    def tensor(self, inputs):
        """Outputs of all heads for a fixed number of boxes, without post-processing; used to count FLOPs."""
        raise NotImplementedError(f'{type(self).__name__} must define tensor()')

    def extract_feat(self, images):
        """Feature pyramid of (M, 3, H, W) images: a tuple of (M, C, H_l, W_l), of the type of the weights."""
        feats = self.backbone(images.to(next(self.backbone.parameters()).dtype))
        return tuple(feats) if self.neck is None else tuple(self.neck(feats))

    def rpn_losses(self, feats, data_samples):
        """Losses of the proposal head, and proposals for the second stage.

        Args:
            feats (tuple[Tensor]): feature pyramid of N images.
            data_samples (list[DetDataSample]): N of them.

        Returns:
            tuple[dict, list[InstanceData]]: losses; proposals of each image, as :meth:`propose` gives them.
        """
        outputs, losses = self.rpn_head.outputs_and_losses(feats, data_samples, self.rpn_train_cfg)
        proposal_cfg = self.train_cfg.get('rpn_proposal') or self.test_cfg['rpn']
        metas = [sample.metainfo for sample in data_samples]
        return losses, self.rpn_head.get_proposals(*outputs, metas, proposal_cfg)

    @torch.no_grad()
    def propose(self, feats, metas):
        """Proposals in testing: a list of InstanceData with ``bboxes`` (k, 4) and ``scores`` (k,).

        On a GPU they are padded: see :mod:`mmdet.models.padding`.
        """
        return self.rpn_head.get_proposals(*self.rpn_head(feats), metas, self.test_cfg['rpn'])
