"""Testing: a model runs over the images or videos of a config, and sinks take the predicted frames."""

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.dataset import DefaultSampler, pseudo_collate
from mmengine.dist import barrier, get_rank, get_world_size, is_main_process
from torch.utils.data import BatchSampler, DataLoader, Dataset

from mmdet.datasets import VideoBatchSampler
from mmdet.engine import check_class_counts
from mmdet.engine.download import sha256
from mmdet.engine.environment import join_gloo, on_main
from mmdet.engine.prediction import Sink, predict
from mmdet.evaluation import evaluate_ytvis
from mmdet.evaluation.report import stats_report
from mmdet.formats.results import VideoResultWriter, merge_results, prepare_results, write_submission
from mmdet.registry import DATASETS
from mmdet.utils import Background, Progress, UserError, exclusive, outliving_signals
from mmdet.version import __version__

from .config import building, require
from .setup import register_all_modules

#: Batches that may wait for the sinks: enough to go on while a video is drawn. They hold RLE, no images.
_WAITING = 32


def init_processes(launcher: str) -> str:
    """Join the other processes of a distributed test. Results travel over gloo, so processes may share a GPU.

    Args:
        launcher (str): 'none', 'pytorch' (torchrun), 'slurm' or 'mpi'.

    Returns:
        str: the device of this process.

    Raises:
        UserError: this process was not started by that launcher.
    """
    if launcher != 'none' and not torch.distributed.is_initialized():
        if launcher == 'pytorch':
            if 'RANK' not in os.environ:
                raise UserError('--launcher pytorch: start this through torchrun (tools/dist_test_video.sh)')
            join_gloo()
        else:
            from mmengine.dist import init_dist

            init_dist(launcher, backend='gloo')
    if not torch.cuda.is_available():
        return 'cpu'
    local = int(os.environ.get('LOCAL_RANK', 0)) % torch.cuda.device_count()
    torch.cuda.set_device(local)
    return f'cuda:{local}'


def build_test_dataset(config: Config, videos: bool = True) -> Dataset:
    """Build the dataset of a config's ``test_dataloader``.

    Args:
        config (Config): from :func:`~mmdet.apis.load_config`.
        videos (bool): whether a dataset of videos or of single images is expected.

    Raises:
        UserError: there is none, it is made of several, or it is of the other kind.
    """
    require(config, ('test_dataloader',), 'testing')
    register_all_modules()
    with building('the dataset'):
        dataset = DATASETS.build(config.test_dataloader.dataset)
    if not hasattr(dataset, 'ann_file'):
        raise UserError(
            f'test_dataloader.dataset is a {type(dataset).__name__}: results and scores belong to one '
            'annotation file; test its datasets one after the other'
        )
    images = _has_images(dataset)
    if videos and images:
        raise UserError(
            f'{type(dataset).__name__} gives single images: use tools/test.py, or a dataset of videos'
        )
    if not videos and not images:
        raise UserError(f'{type(dataset).__name__} gives videos: use tools/test_video.py')
    if videos and not getattr(dataset, 'test_mode', True):
        raise UserError(
            'test_dataloader.dataset needs test_mode=True, or frames without objects are left out'
        )
    return dataset


def _has_images(dataset):
    """Whether a dataset has single images; wrappers of datasets do not say and count as such."""
    return getattr(dataset, 'single_images', True)


def _loader(config, dataset, done, pin_memory):
    """Data loader of this process: images, or the batches that hold frames of videos that are not done.

    Frames of finished videos stay in these batches: results are equal bit by bit only if frames go through
    the network in the same company.
    """
    settings = config.test_dataloader
    batch_size, workers = settings.get('batch_size') or 1, settings.get('num_workers') or 0
    if _has_images(dataset):
        batches = BatchSampler(DefaultSampler(dataset, shuffle=False), batch_size, drop_last=False)
    else:
        wanted = {
            index
            for video, ends in zip(dataset.videos, dataset.video_slices)
            if video['id'] not in done
            for index in range(*ends)
        }
        batches = [batch for batch in VideoBatchSampler(dataset, batch_size) if not wanted.isdisjoint(batch)]
    return DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=pseudo_collate,
        worker_init_fn=outliving_signals(_init_worker) if workers else None,
        pin_memory=pin_memory,
    )


def _init_worker(worker_id):
    """Workers of the data loader share the cores: one thread each."""
    import cv2

    cv2.setNumThreads(0)
    torch.set_num_threads(1)


def predict_dataset(
    model: torch.nn.Module, dataset: Dataset, config: Config, sinks: Sequence[Sink], done: Collection = ()
):
    """Run a model over a dataset and give each predicted frame to every sink.

    With several processes each takes its share of the images, or whole videos. Workers of the data loader
    read ahead, and the sinks run in one thread beside the network.

    Args:
        model (nn.Module): from :func:`~mmdet.apis.init_detector`.
        dataset (Dataset): from :func:`build_test_dataset`.
        config (Config): ``test_dataloader`` has the batch size and the number of workers, ``test_cfg.fp16``
            asks for mixed precision.
        sinks (Sequence[Sink]): see :class:`~mmdet.engine.prediction.Sink`.
        done (Collection): ids of videos to skip.
    """
    loader = _loader(config, dataset, done, any(p.is_cuda for p in model.parameters()))
    total, label = sum(map(len, loader.batch_sampler)), 'images' if _has_images(dataset) else 'frames'
    if get_world_size() > 1:
        label += f' of process 0 of {get_world_size()}'
    fp16 = bool((config.get('test_cfg') or {}).get('fp16'))

    def add(samples):
        for sample in samples:
            for sink in sinks if sample.get('video_id') not in done else ():
                sink.add(sample)
        if progress is not None:
            progress.update(len(samples))

    with (
        Progress(total, label) if is_main_process() else contextlib.nullcontext() as progress,
        Background(_WAITING) as background,
    ):
        for _, samples in predict(model, loader, fp16):
            background.submit(add, samples)


def run_signature(
    config: Config, checkpoint: str | Path, dataset: Dataset, precision: str = 'fp32'
) -> dict[str, str]:
    """What the results of a run depend on: an interrupted run continues only if all of it is equal."""
    parts = {'model': config.model, 'data': config.test_dataloader.dataset}
    text = json.dumps(
        {name: part.to_dict() if hasattr(part, 'to_dict') else part for name, part in parts.items()},
        sort_keys=True,
        default=str,
    )
    return {
        'checkpoint': sha256(checkpoint)[:16] if os.path.isfile(checkpoint) else str(checkpoint),
        'config': hashlib.sha256(text.encode()).hexdigest()[:16],
        'annotations': sha256(dataset.ann_file)[:16],
        'version': __version__,
        **({} if precision == 'fp32' else {'precision': precision}),
    }


def _note(text):
    if is_main_process():
        print(text, file=sys.stderr)


def test_videos(
    model: torch.nn.Module,
    dataset: Dataset,
    config: Config,
    checkpoint: str | Path,
    json_path: str | Path,
    resume: bool = False,
    sinks: Sequence[Sink] = (),
) -> Path:
    """Run a model over the videos of a dataset and write the results json.

    A finished video is written to ``<json_path>.partial`` at once; the json appears when all are finished.
    With several processes each takes whole videos.

    Args:
        model (nn.Module): from :func:`~mmdet.apis.init_detector`.
        dataset (Dataset): from :func:`build_test_dataset`.
        config (Config): see :func:`predict_dataset`.
        checkpoint (str | Path): file of the weights, by which a run to resume is recognized.
        json_path (str | Path): the results json to write; ``.zip`` beside it is what evaluation servers take.
        resume (bool): keep the finished videos of an interrupted run.
        sinks (Sequence[Sink]): take the predicted frames too. They do not see videos that were resumed.

    Returns:
        Path: the json.

    Raises:
        UserError: the model does not track, a frame cannot be read, or the partial results come from another
            run.
    """
    if getattr(model, 'tracker', None) is None:
        raise UserError(
            f'{type(model).__name__} does not track: give it a tracker (--cfg-options '
            'model.tracker.type=IoUTracker), or use tools/test.py on single images'
        )
    check_class_counts(model, dataset, 'test_dataloader')
    with contextlib.ExitStack() as stack:
        busy = f'{json_path} is being written by another test: choose another --out, or wait'
        on_main(lambda: stack.enter_context(exclusive(f'{json_path}.lock', busy)))
        return _test_videos(model, dataset, config, checkpoint, json_path, resume, sinks)


def _test_videos(model, dataset, config, checkpoint, json_path, resume, sinks):
    signature = on_main(run_signature, config, checkpoint, dataset, getattr(model, 'precision', 'fp32'))
    if not resume and os.path.exists(f'{json_path}.partial'):
        _note(f'note: starting over; --resume would continue from {json_path}.partial')
    done = on_main(prepare_results, json_path, signature, resume)
    if done:
        _note(f'{len(done)} of {len(dataset.videos)} videos are already done')
    offset = getattr(dataset, 'box_offset', 1)
    writer = VideoResultWriter(json_path, dataset.metainfo['cat_ids'], get_rank(), offset)
    try:
        with writer:
            predict_dataset(model, dataset, config, [writer, *sinks], set(done))
    except KeyboardInterrupt:
        _note(f'\nfinished videos are in {json_path}.partial: --resume continues from there')
        raise
    barrier()
    order = [video['id'] for video in dataset.videos if video['file_names']]
    path = on_main(merge_results, json_path, order)
    on_main(write_submission, path)
    return path


test_videos.__test__ = False  # pytest takes it for a test otherwise


def score_results(
    ann_file: str | Path, results: str | Path, iou_types: Sequence[str] = ('segm',)
) -> dict[str, dict]:
    """Score a results json and print the 12 official numbers and ``video AP: 0.xxx``.

    Args:
        ann_file (str | Path): annotation file.
        results (str | Path): results json.
        iou_types (Sequence[str]): 'segm' (masks), 'bbox' (boxes).

    Returns:
        dict[str, dict]: type -> summary of :func:`~mmdet.evaluation.evaluate_ytvis`; empty, with a message,
        if there is no ground truth.
    """
    found = {}
    for iou_type in iou_types:
        summary = evaluate_ytvis(str(ann_file), str(results), iou_type=iou_type, strict=False)
        if not summary['has_ground_truth']:
            print(f'{ann_file} has no ground truth: nothing can be scored (which is not a score of 0)')
            return {}
        for warning in summary['warnings']:
            print(f'warning: {warning}', file=sys.stderr)
        print(stats_report(summary, {}))
        name = 'video AP' if iou_type == 'segm' else 'video box AP'
        print(f'{name}: {summary["stats"]["AP"]:.3f}', flush=True)
        found[iou_type] = summary
    return found
