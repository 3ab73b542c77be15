"""Running a trained detector on images and videos."""

import contextlib
import itertools
import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.logging import MMLogger

from mmdet.datasets.base import compose
from mmdet.engine import load_weights
from mmdet.engine.precision import check_precision
from mmdet.engine.prediction import predict
from mmdet.media import VideoReader, read_image
from mmdet.registry import DATASETS, MODELS
from mmdet.utils import UserError, read_ahead

from .config import building, load_config, require
from .frame_result import FrameResult
from .model_zoo import named
from .named_weights import read_weights
from .setup import register_all_modules
from .speed import speed_up

_FROM_FILES = ('LoadImage', 'LoadAnnotations')
_AHEAD = 2  # batches that are prepared before they are needed
_video_numbers = itertools.count()


def init_detector(
    config: str | Path | Config,
    checkpoint: str | Path | None = None,
    device: str | torch.device = 'cpu',
    trust_checkpoint: bool = False,
    cfg_options: dict | None = None,
    allow_partial: bool = False,
    precision: str = 'fp32',
    compile: bool = False,
) -> torch.nn.Module:
    """Build a detector and load its weights.

    ``init_detector('maskrcnn_r50_fpn_v2_coco')`` fetches published weights by name (MODEL_ZOO.md).

    Args:
        config (str | Path | Config): config file of either schema, from :func:`~mmdet.apis.load_config`, or a
            name of the model zoo: its config, and its weights unless a checkpoint is given.
        checkpoint (str | Path | None): weights, a path or a name; None leaves them random. A published file
            may be as it is if the config was given by its name.
        device (str | torch.device): where it runs.
        trust_checkpoint (bool): unpickle the checkpoint without restriction. It may then run any code.
        cfg_options (dict | None): changes to the config.
        allow_partial (bool): accept a checkpoint that leaves some tensors of the model random.
        precision (str): in which the functions here run it: ``'fp32'``, ``'tf32'``, ``'bf16'``, ``'fp16'``.
        compile (bool): compile the network, by the compiler of PyTorch, when the first frame runs.

    Returns:
        nn.Module: in evaluation mode, optimized (docs/config.md, "Speed"), with ``cfg`` (Config) and
        ``dataset_meta`` (dict with ``classes``, or empty if they are unknown).

    Raises:
        UserError: config or checkpoint cannot be used, or the device or its precision is not
            available.
    """
    register_all_modules()
    entry = named(config, 'config')
    if entry is not None and checkpoint is None:
        checkpoint = entry.name
    if not isinstance(config, Config):
        config = load_config(config, cfg_options)
    elif cfg_options:
        config.merge_from_dict(cfg_options)
    device = _checked_device(device)
    check_precision(precision, device)
    require(config, ('model',), 'inference')
    with building('the model'):
        model = MODELS.build(config.model)
    content = None
    if checkpoint is not None:
        content = read_weights(checkpoint, trust_checkpoint or None, entry)
        _load(model, content, checkpoint, allow_partial)
    elif hasattr(model, 'init_weights'):
        _random_weights(model)
    model.cfg = config
    model.dataset_meta = _dataset_meta(config, content, model)
    return speed_up(model.to(device).eval(), precision, compile)


def _load(model, content, checkpoint, allow_partial):
    report = load_weights(model, content, source=str(checkpoint))
    if report.non_finite:
        print(f'warning: {checkpoint}: {report.text()}', file=sys.stderr)
    if not report.complete():
        if not allow_partial:
            raise UserError(
                f'checkpoint {checkpoint} does not fit the config; tools/inspect_checkpoint.py says what '
                f'it is:\n{report.text()}'
            )
        print(f'warning: {report.text()}', file=sys.stderr)


def _checked_device(device):
    try:
        device = torch.device(device)
    except RuntimeError:
        raise UserError(f'unknown device {device!r}: expected cpu, cuda or cuda:0') from None
    if device.type == 'cuda' and not torch.cuda.is_available():
        raise UserError(f'device {str(device)!r} is not available: torch sees no GPU')
    return device


def _random_weights(model):
    """Initialize without downloading anything and without a log line for every tensor."""
    for module in model.modules():
        if 'Pretrained' in str(getattr(module, 'init_cfg', None)):
            module.init_cfg = None
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel('ERROR')
    try:
        model.init_weights()
    finally:
        logger.setLevel(level)


def _test_dataset(config):
    """Config of the dataset for testing, also inside wrappers; None if the config has none."""
    for name in ('test_dataloader', 'val_dataloader'):
        dataset = (config.get(name) or {}).get('dataset')
        while dataset is not None and 'pipeline' not in dataset:
            inner = dataset.get('dataset') or dataset.get('datasets')
            dataset = inner[0] if isinstance(inner, (list, tuple)) and inner else inner or None
        if dataset is not None:
            return dataset
    return None


def box_offset(config: Config) -> int:
    """1 if the boxes of a config are in inclusive pixels (x2 = x + w - 1, 2019), 0 if x2 = x + w."""
    return (_test_dataset(config) or {}).get('box_offset', 1)


def _dataset_meta(config, checkpoint, model):
    """Class names of the checkpoint, else of the config, its dataset class or its annotation file.

    If their number is not that of the model's classes they belong to something else and are left out.
    """
    meta = (checkpoint or {}).get('meta') or {}
    found = dict(meta.get('dataset_meta') or {})
    found = {str(key).lower(): value for key, value in found.items()}
    classes = found.get('classes') or meta.get('CLASSES')
    if not classes and (dataset := _test_dataset(config)) is not None:
        classes = dataset.get('classes') or (dataset.get('metainfo') or {}).get('classes')
        kind = DATASETS.get(dataset.get('type', '')) if not classes else None
        classes = classes or getattr(kind, 'CLASSES', None) or _classes_of_file(dataset)
    count = getattr(getattr(model, 'bbox_head', None), 'num_classes', None)
    if not classes or (count is not None and len(classes) != count):
        return {}
    return {**found, 'classes': tuple(classes)}


def _classes_of_file(dataset):
    """Category names of the dataset's annotation file by ascending id; None if it does not exist."""
    from mmdet.formats.reading import read_json

    path = os.path.join(dataset.get('data_root') or '', dataset.get('ann_file') or '')
    if not os.path.isfile(path):
        return None
    content = read_json(path)
    categories = content.get('categories') if isinstance(content, dict) else None
    try:
        return [category['name'] for category in sorted(categories, key=lambda category: category['id'])]
    except (TypeError, KeyError):
        return None


class FramePipeline:
    """The test pipeline of a config, for frames that are arrays.

    Args:
        config (Config): its test (or validation) dataset names the transforms.

    Raises:
        UserError: the config has no such dataset.
    """

    def __init__(self, config: Config):
        dataset = _test_dataset(config)
        if dataset is None:
            raise UserError(
                f'{config.filename or "the config"} has no test_dataloader: its transforms are needed'
            )
        steps = [step for step in dataset['pipeline'] if step.get('type') not in _FROM_FILES]
        with building('the pipeline'):
            self.steps = compose(steps)

    def __call__(
        self, image: np.ndarray, video_id, frame_id: int, video_length: int | None = None, path: str = ''
    ) -> dict:
        """Prepare one frame.

        Args:
            image (np.ndarray): uint8 (H, W, 3) BGR.
            video_id: names the video.
            frame_id (int): 0-based index of the frame.
            video_length (int | None): number of frames, if known.
            path (str): for messages.

        Returns:
            dict: ``inputs`` and ``data_samples`` as the datasets give them.
        """
        if (
            not isinstance(image, np.ndarray)
            or image.dtype != np.uint8
            or image.ndim != 3
            or image.shape[2] != 3
        ):
            got = f'{image.dtype} {image.shape}' if isinstance(image, np.ndarray) else type(image).__name__
            raise ValueError(f'frame {frame_id}: expected an array uint8 (H, W, 3) in BGR, got {got}')
        shape = tuple(image.shape[:2])
        frame = {
            'role': 'key',
            'img': image,
            'img_path': path,
            'img_id': (video_id, frame_id),
            'video_id': video_id,
            'frame_id': frame_id,
            'height': shape[0],
            'width': shape[1],
            'ori_shape': shape,
            'img_shape': shape,
            'scale_factor': 1.0,
            'flip': False,
            'instances': [],
        }
        if video_length is not None:
            frame['video_length'] = video_length
        results = {'frames': [frame], 'rng': np.random.default_rng(0)}
        for step in self.steps:
            results = step(results)
        return results


def inference_video(
    model: torch.nn.Module,
    frames: str | Path | Iterable[np.ndarray],
    batch_size: int = 1,
    with_frames: bool = False,
) -> Iterator[FrameResult | tuple[np.ndarray, FrameResult]]:
    """Detect, segment and track the objects of a video. It streams: no frame is kept.

    Args:
        model (nn.Module): from :func:`init_detector`.
        frames (str | Path | Iterable[np.ndarray]): what :class:`~mmdet.media.VideoReader` reads (a video
            file, a folder of images, an address), or BGR arrays uint8 (H, W, 3).
        batch_size (int): frames in one pass of the network; results are equal up to rounding.
        with_frames (bool): yield the frames too.

    Yields:
        FrameResult | tuple: for each frame in order boxes, scores, labels, names, masks and, of a tracking
        model, ids, at the frame's own resolution; ``(frame, result)`` with ``with_frames``.

    Raises:
        UserError: the video cannot be read, or not to its end; the frames before that were yielded.
        ValueError: a frame is not a uint8 (H, W, 3) array.
    """
    if batch_size < 1:
        raise ValueError(f'batch_size must be at least 1, got {batch_size}')
    # Arrays of the caller are read in its own thread, each when its turn comes.
    named = isinstance(frames, (str, os.PathLike))
    reader, ahead = (VideoReader(frames), _AHEAD) if named else (frames, 0)
    video_id = f'stream {next(_video_numbers)}'
    for frame, result in stream_results(model, reader, batch_size, video_id, ahead=ahead):
        yield (frame, result) if with_frames else result


def stream_results(
    model: torch.nn.Module,
    frames: Iterable[np.ndarray],
    batch_size: int,
    video_id: str,
    first: int = 0,
    ahead: int = _AHEAD,
) -> Iterator[tuple[np.ndarray, FrameResult]]:
    """The loop of :func:`inference_video`, which can begin in the middle of a video.

    Args:
        model (nn.Module): from :func:`init_detector`.
        frames (Iterable[np.ndarray]): BGR arrays uint8 (H, W, 3).
        batch_size (int): frames in one pass of the network.
        video_id (str): name of the video for the tracker, which forgets it at the end.
        first (int): number of the first frame; above 0 the tracker is expected to know the frames before.
        ahead (int): batches that a thread reads and prepares meanwhile; 0: none.

    Yields:
        tuple: each frame and its result. When the last frame of a batch is yielded, the tracker has not seen
        the next one.
    """
    pipeline = FramePipeline(model.cfg)
    frames, waiting = iter(frames), deque()  # those that are not predicted yet

    def batches():
        number = first
        for images in _chunks(frames, batch_size):
            # All frames of a batch must have one size. A video has one size, a folder may have several.
            for _, group in itertools.groupby(images, key=np.shape):
                group = list(group)
                waiting.extend(group)
                yield pseudo_collate([pipeline(image, video_id, number + i) for i, image in enumerate(group)])
                number += len(group)

    try:
        with contextlib.closing(read_ahead(batches(), ahead) if ahead else batches()) as prepared:
            for _, samples in predict(model, prepared):
                for sample in samples:
                    frame = waiting.popleft()
                    yield frame, FrameResult(sample, model.dataset_meta.get('classes'), frame)
    finally:
        tracker = getattr(model, 'tracker', None)
        if hasattr(tracker, 'reset'):
            tracker.reset(video_id)


def _chunks(frames, size):
    """Lists of up to ``size`` frames. If the source fails, the frames before that come first."""
    error = None
    while error is None:
        images = []
        try:
            for image in itertools.islice(frames, size):
                images.append(image)
        except Exception as raised:
            error = raised
        if images:
            yield images
        elif error is None:
            return
    raise error


def inference_detector(
    model: torch.nn.Module, images: str | Path | np.ndarray | Sequence[str | Path | np.ndarray]
) -> FrameResult | list[FrameResult]:
    """Run a detector on single images.

    Args:
        model (nn.Module): from :func:`init_detector`.
        images (str | Path | np.ndarray | Sequence): one image or several; files or BGR arrays
            uint8 (H, W, 3).

    Returns:
        FrameResult | list[FrameResult]: one for one image, a list for several.

    Raises:
        UserError: an image cannot be read.
        ValueError: an array is not uint8 (H, W, 3).
    """
    pipeline = FramePipeline(model.cfg)

    def batches():
        for image in images if several else [images]:
            path = '' if isinstance(image, np.ndarray) else str(image)
            array = read_image(path) if path else image
            arrays.append(array if isinstance(image, np.ndarray) else None)
            video_id = f'stream {next(_video_numbers)}'
            yield pseudo_collate([pipeline(array, video_id, 0, video_length=1, path=path)])

    several = isinstance(images, (list, tuple))
    arrays, classes = [], model.dataset_meta.get('classes')
    with contextlib.closing(read_ahead(batches(), _AHEAD)) as prepared:
        samples = [sample for _, samples in predict(model, prepared) for sample in samples]
    found = [FrameResult(sample, classes, array) for sample, array in zip(samples, arrays)]
    return found if several else found[0]
