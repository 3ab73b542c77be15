"""The one loop of testing: batches go in, predicted frames come out.

Validation, testing by the runner, ``tools/test.py``, ``tools/test_video.py`` and ``inference_video`` all run
:func:`predict`. What becomes of a frame is up to sinks::

    for batch, samples in predict(model, batches):
        for sample in samples:
            for sink in sinks:
                sink.add(sample)
"""

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import mmengine.runner
import torch

from mmdet.registry import LOOPS
from mmdet.structures import DetDataSample

from .precision import running_in


class Sink(Protocol):
    """Takes predicted frames one by one.

    The metrics, :class:`~mmdet.formats.results.VideoResultWriter` (results json) and
    :class:`~mmdet.formats.video_tracks.TrackCollector` (calls a function with each finished video) are sinks.
    """

    def add(self, sample: DetDataSample) -> Any:
        """Take one predicted frame. Frames of a video come in order, all in one thread of one process."""


def predict(
    model: torch.nn.Module, batches: Iterable[dict], fp16: bool = False
) -> Iterator[tuple[dict, list[DetDataSample]]]:
    """Run a model over batches.

    Args:
        model (nn.Module): in evaluation mode; may have an attribute ``precision``, of ``PRECISIONS``.
        batches (Iterable[dict]): ``inputs`` and ``data_samples``, as a data loader gives them.
        fp16 (bool): run in mixed precision, whatever the model says: float16 on a GPU, bfloat16 on a CPU.

    Yields:
        tuple[dict, list[DetDataSample]]: each batch, and its frames with ``pred_instances``.
    """
    device = getattr(next(model.parameters(), None), 'device', 'cpu')
    precision = getattr(model, 'precision', None)
    if fp16:
        precision = 'fp16' if torch.device(device).type == 'cuda' else 'bf16'
    for batch in batches:
        # Not inference_mode: tensors that a model caches here, such as anchors, are used in training too.
        with torch.no_grad(), running_in(precision, device):
            samples = model.test_step(batch)
        yield batch, samples


class _PredictionLoop:
    """What :class:`ValLoop` and :class:`TestLoop` share: the evaluator is the sink, hooks see each batch."""

    stage: str

    def run(self) -> dict[str, float]:
        """Predict and evaluate; returns the metrics."""
        hook = self.runner.call_hook
        hook(f'before_{self.stage}')
        hook(f'before_{self.stage}_epoch')
        self.runner.model.eval()
        for index, (batch, samples) in enumerate(predict(self.runner.model, self._batches(), self.fp16)):
            self.evaluator.process(data_samples=samples, data_batch=batch)
            hook(f'after_{self.stage}_iter', batch_idx=index, data_batch=batch, outputs=samples)
        metrics = self.evaluator.evaluate(len(self.dataloader.dataset))
        hook(f'after_{self.stage}_epoch', metrics=metrics)
        hook(f'after_{self.stage}')
        return metrics

    def _batches(self):
        for index, batch in enumerate(self.dataloader):
            self.runner.call_hook(f'before_{self.stage}_iter', batch_idx=index, data_batch=batch)
            yield batch


@LOOPS.register_module()
class ValLoop(_PredictionLoop, mmengine.runner.ValLoop):
    """Validation by :func:`predict`; see :class:`mmengine.runner.ValLoop` for the arguments."""

    stage = 'val'


@LOOPS.register_module()
class TestLoop(_PredictionLoop, mmengine.runner.TestLoop):
    """Testing by :func:`predict`; see :class:`mmengine.runner.TestLoop` for the arguments."""

    stage = 'test'
    __test__ = False  # for pytest
