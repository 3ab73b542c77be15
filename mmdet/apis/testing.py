"""Testing on videos: frames in, results json out, resumable and on any number of processes."""

import contextlib
import hashlib
import json
import os
import sys
from types import SimpleNamespace

import torch
from mmengine.dataset import pseudo_collate
from mmengine.dist import barrier, broadcast_object_list, get_rank, get_world_size, is_main_process
from torch.utils.data import DataLoader

from mmdet.engine.environment import join_gloo
from mmdet.formats.results import VideoResultWriter, merge_results, prepare_results, write_submission
from mmdet.registry import DATASETS
from mmdet.utils import Progress, UserError
from mmdet.version import __version__

from .config import building, require
from .setup import register_all_modules


def init_processes(launcher):
    """Join the other processes of a distributed test; results travel over gloo, so GPUs may be shared.

    Args:
        launcher (str): 'none', 'pytorch' (torchrun), 'slurm' or 'mpi'.

    Returns:
        str: the device of this process.

    Raises:
        UserError: if this process was not started by that launcher.
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


def build_test_dataset(config):
    """Build the dataset of a config's ``test_dataloader``.

    Raises:
        UserError: if there is none, or it does not give videos.
    """
    require(config, ('test_dataloader',), 'testing')
    register_all_modules()
    with building('the dataset'):
        dataset = DATASETS.build(config.test_dataloader.dataset)
    if getattr(dataset, 'single_images', True):
        raise UserError(
            f'{type(dataset).__name__} gives single images: use tools/test.py, or a dataset of videos'
        )
    if not getattr(dataset, 'test_mode', True):
        raise UserError(
            'test_dataloader.dataset needs test_mode=True, or frames without objects are left out'
        )
    return dataset


def check_classes(model, dataset):
    """Compare the number of classes of model and dataset.

    Raises:
        UserError: if they differ: the category ids of the results would be wrong.
    """
    ours = getattr(getattr(model, 'bbox_head', None), 'num_classes', None)
    theirs = len(dataset.metainfo['cat_ids'])
    if ours is not None and ours != theirs:
        raise UserError(
            f'the model knows {ours} classes, but {dataset.ann_file} has {theirs} categories; '
            'give the classes the model was trained on as test_dataloader.dataset.classes'
        )


def _digest(path):
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()[:16]


def run_signature(config, checkpoint, dataset):
    """What the results of a run depend on: a run that was cut off goes on only with all of it equal."""
    parts = {'model': config.model, 'data': config.test_dataloader.dataset}
    text = json.dumps(
        {name: part.to_dict() if hasattr(part, 'to_dict') else part for name, part in parts.items()},
        sort_keys=True,
        default=str,
    )
    return {
        'checkpoint': _digest(checkpoint) if os.path.isfile(checkpoint) else str(checkpoint),
        'config': hashlib.sha256(text.encode()).hexdigest()[:16],
        'annotations': _digest(dataset.ann_file),
        'version': __version__,
    }


def _loader(config, dataset, done):
    """Batches of consecutive frames of the videos that are not done, of this process."""
    from mmdet.datasets import VideoBatchSampler

    settings = config.test_dataloader
    slices = [
        bounds
        for video, bounds in zip(dataset.videos, dataset.video_slices)
        if video['id'] not in done and bounds[1] > bounds[0]
    ]
    sampler = VideoBatchSampler(SimpleNamespace(video_slices=slices), settings.get('batch_size') or 1)
    frames = sum(end - start for start, end in sampler.slices)
    workers = settings.get('num_workers') or 0
    loader = DataLoader(
        dataset,
        batch_sampler=sampler,
        num_workers=workers,
        collate_fn=pseudo_collate,
        worker_init_fn=_one_thread if workers else None,
        pin_memory=False,
    )
    return loader, frames


def _one_thread(worker_id):
    """Workers of the data loader share the cores: one thread each."""
    import cv2

    cv2.setNumThreads(0)
    torch.set_num_threads(1)


def _broadcast(value):
    box = [value]
    broadcast_object_list(box)
    return box[0]


def _on_main(function, *args, **kwargs):
    """Run something on the main process; its result, or its error, reaches all of them."""
    value = error = None
    if is_main_process():
        try:
            value = function(*args, **kwargs)
        except (UserError, OSError) as caught:
            error = UserError(str(caught))
    value, error = _broadcast((value, error))
    if error is not None:
        raise error
    return value


def _progress(total, label):
    """Progress on the main process, None on the others; a context manager."""
    return Progress(total, label) if is_main_process() else contextlib.nullcontext()


@contextlib.contextmanager
def _interruptible(json_path):
    """Say how to go on when a person stops the run."""
    try:
        yield
    except KeyboardInterrupt:
        if is_main_process():
            print(
                f'\nfinished videos are in {json_path}.partial: --resume goes on from there', file=sys.stderr
            )
        raise


def test_videos(model, dataset, config, checkpoint, json_path, resume=False, on_video=None):
    """Run a model over the videos of a dataset and write the results json.

    Every finished video is on disk at once, in ``<json_path>.partial``; the json itself appears when all are
    there. With several processes each takes whole videos.

    Args:
        model (nn.Module): from :func:`~mmdet.apis.init_detector`.
        dataset: from :func:`build_test_dataset`.
        config (Config): its ``test_dataloader`` says how many frames go through together, and how many
            workers load them.
        checkpoint (str | Path): file of the weights, to recognize the run by.
        json_path (str | Path): where the results go; ``.zip`` beside it is what a server takes.
        resume (bool): keep the finished videos of a run that was cut off.
        on_video (Callable[[dict, list[dict]], None] | None): called with each finished video and its results.

    Returns:
        Path: the json.

    Raises:
        UserError: for a model that does not track, frames that cannot be read, or partial results of another
            run.
    """
    if not hasattr(model, 'tracker'):
        raise UserError(f'{type(model).__name__} does not track: use tools/test.py on single images')
    check_classes(model, dataset)
    signature = _on_main(run_signature, config, checkpoint, dataset)
    if not resume and is_main_process() and os.path.exists(f'{json_path}.partial'):
        print(f'note: starting anew; --resume would go on from {json_path}.partial', file=sys.stderr)
    done = _on_main(prepare_results, json_path, signature, resume)
    loader, frames = _loader(config, dataset, set(done))
    if done and is_main_process():
        print(f'{len(done)} of {len(dataset.videos)} videos are there already', file=sys.stderr)
    by_id = {video['id']: video for video in dataset.videos}
    label = 'frames' if get_world_size() == 1 else f'frames of process 0 of {get_world_size()}'
    writer = VideoResultWriter(json_path, dataset.metainfo['cat_ids'], rank=get_rank())
    with _interruptible(json_path), writer, _progress(frames, label) as progress:
        for batch in loader:
            with torch.inference_mode():
                samples = model.test_step(batch)
            for sample in samples:
                entries = writer.add(sample)
                if entries is not None and on_video is not None:
                    on_video(by_id[sample.video_id], entries)
            if progress is not None:
                progress.update(len(samples))
    barrier()
    order = [video['id'] for video in dataset.videos if video['file_names']]
    path = _on_main(merge_results, json_path, order)
    _on_main(write_submission, path)
    return path


test_videos.__test__ = False  # pytest takes it for a test otherwise


def test_images(model, dataset, config, prefix, kinds, evaluate=True):
    """Run a model over single images; write ``<prefix>.bbox.json`` and the like, and score them.

    Args:
        model (nn.Module): from :func:`~mmdet.apis.init_detector`.
        dataset (Dataset): of images, with ``metainfo`` and ``ann_file``.
        config (Config): its ``test_dataloader`` says how many images go through together, and how many
            workers load them; ``test_evaluator.box_offset`` how boxes become widths.
        prefix (str): of the files written.
        kinds (Sequence[str]): 'bbox', 'segm', 'proposal'.
        evaluate (bool): score them.

    Returns:
        dict[str, float]: the scores, such as ``coco/bbox_mAP``; empty where nothing is scored.
    """
    from mmengine.dataset import DefaultSampler

    from mmdet.evaluation.metrics import CocoMetric

    evaluator = config.get('test_evaluator') or {}
    offset = evaluator.get('box_offset', 1) if isinstance(evaluator, dict) else 1
    metric = CocoMetric(dataset.ann_file, list(kinds), prefix, not evaluate, box_offset=offset)
    metric.dataset_meta = dataset.metainfo
    settings = config.test_dataloader
    sampler = DefaultSampler(dataset, shuffle=False)
    loader = DataLoader(
        dataset,
        sampler=sampler,
        batch_size=settings.get('batch_size') or 1,
        num_workers=settings.get('num_workers') or 0,
        collate_fn=pseudo_collate,
        worker_init_fn=_one_thread if settings.get('num_workers') else None,
    )
    with _progress(len(sampler), 'images') as progress:
        for batch in loader:
            with torch.inference_mode():
                samples = model.test_step(batch)
            metric.process(batch, [sample.to_dict() for sample in samples])
            if progress is not None:
                progress.update(len(samples))
    return metric.evaluate(len(dataset))


test_images.__test__ = False


def score_results(ann_file, results, iou_types=('segm',)):
    """Score a results json and print the 12 official numbers and ``video AP: 0.xxx``.

    Args:
        ann_file (str | Path): annotation json.
        results (str | Path): results json.
        iou_types (Sequence[str]): 'segm' (masks), 'bbox' (boxes).

    Returns:
        dict[str, dict]: summary of :func:`~mmdet.evaluation.evaluate_ytvis` by type; empty where there is no
        ground truth, which is said.
    """
    from mmdet.evaluation import evaluate_ytvis
    from mmdet.evaluation.report import stats_report

    found = {}
    for iou_type in iou_types:
        summary = evaluate_ytvis(str(ann_file), str(results), iou_type=iou_type, strict=False)
        if not summary['has_ground_truth']:
            print(f'{ann_file} has no ground truth: nothing can be scored (which is not a score of 0)')
            return {}
        for warning in summary['warnings']:
            print(f'warning: {warning}', file=sys.stderr)
        print(stats_report(summary, {}))
        print(
            f'{"video AP" if iou_type == "segm" else "video box AP"}: {summary["stats"]["AP"]:.3f}',
            flush=True,
        )
        found[iou_type] = summary
    return found
