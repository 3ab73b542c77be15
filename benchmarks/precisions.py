"""How far precisions move boxes and scores, on the small trained model of ``tests/golden`` and its videos.

    python benchmarks/precisions.py [--out FILE.json]

Objects of float32 are paired with those of another precision twice: by identity, and by the largest overlap
of the same class (at least 0.5). Identities are numbered as objects appear, so two runs need not agree.
"""

import argparse

import _checkout  # noqa: F401 - before mmdet
import torch
from measure import write
from record import commit, machine

from mmdet.engine.precision import check_precision, running_in
from mmdet.models.fused import optimize_for_inference
from mmdet.structures.bbox import bbox_overlaps
from mmdet.utils import UserError, cli_main

CONFIG = 'tests/golden/small_cfg.py'
SCORES = (0.05, 0.4)
VIDEOS = 3


def objects_of(model, data, precision, score_thr):
    """Predicted instances of every frame of some videos."""
    model.test_cfg['rcnn']['score_thr'] = score_thr
    with torch.no_grad(), running_in(precision, 'cpu'):
        samples = [sample for video in data() for sample in model.predict(**model.data_preprocessor(video))]
    return [sample.pred_instances for sample in samples]


def summary(values, digits=4):
    """Median and largest of some figures; None without any."""
    if not values:
        return None
    values = torch.tensor(values)
    return {'median': round(float(values.median()), digits), 'max': round(float(values.max()), digits)}


def compare(exact, other):
    """Differences of boxes (pixels) and scores, paired by identity and by overlap."""
    same_id, boxes, scores, lost = [], [], [], []
    for one, two in zip(exact, other):
        rows = {identity: row for row, identity in enumerate(two.instance_ids.tolist())}
        overlaps = bbox_overlaps(one.bboxes, two.bboxes, offset=1) * (one.labels[:, None] == two.labels)
        for row, identity in enumerate(one.instance_ids.tolist()):
            if identity in rows:
                same_id.append(float((one.bboxes[row] - two.bboxes[rows[identity]]).abs().max()))
            overlap, found = overlaps[row].max(0) if len(two) else (0, 0)
            if overlap < 0.5:
                lost.append(float(one.scores[row]))
                continue
            boxes.append(float((one.bboxes[row] - two.bboxes[found]).abs().max()))
            scores.append(float((one.scores[row] - two.scores[found]).abs()))
    return {
        'objects': [sum(map(len, exact)), sum(map(len, other))],
        'box_by_identity': summary(same_id),
        'box_by_overlap': summary(boxes),
        'score_by_overlap': summary(scores),
        'lost': len(lost),
        'largest_score_lost': round(max(lost, default=0.0), 3),
    }


@cli_main
def main():
    """Compare, print, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--out', metavar='FILE.json')
    args = parser.parse_args()
    try:
        from tests.parity.models import small_model
        from tests.parity.test_small_infer import load_video
    except ImportError as error:
        raise UserError(f'run it in a checkout, with pytest installed: {error}') from None
    torch.set_num_threads(1)
    model, cases = optimize_for_inference(small_model()), []

    def data():
        return map(load_video, range(VIDEOS))

    for score_thr in SCORES:
        exact = objects_of(model, data, 'fp32', score_thr)
        for precision in ('bf16', 'fp16'):
            check_precision(precision, 'cpu')
            found = compare(exact, objects_of(model, data, precision, score_thr))
            cases.append({'precision': precision, 'score_thr': score_thr, **found})
            print(cases[-1], flush=True)
    record = {
        'config': CONFIG,
        'commit': commit('mmdet', 'benchmarks', 'tests/golden'),
        'seed': 0,
        **machine(),
        'threads': 1,
        'cases': cases,
    }
    write(args.out, record)


if __name__ == '__main__':
    main()
