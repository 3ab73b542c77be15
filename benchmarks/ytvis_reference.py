"""A straightforward video AP on pycocotools, the yardstick of speed and, in tests, of numbers.

Masks are merged and measured by pycocotools' C functions, one pair and frame after the other; everything else
is plain Python over lists of dicts. It expects well-formed files; for the rest see ``mmdet.evaluation``.
"""

import json

import numpy as np
from pycocotools import mask as coco

AREAS = [(0, 1e10), (0, 128**2), (128**2, 256**2), (256**2, 1e10)]
LIMITS = [1, 10, 100]
THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)


def load_truth(path):
    """Videos, category ids and annotations of a file, masks as they are."""
    with open(path) as file:
        data = json.load(file)
    return (
        {v['id']: v for v in data['videos']},
        sorted({c['id'] for c in data['categories']}),
        data['annotations'],
    )


def load_results(path):
    """Predictions with the area of each of their masks."""
    with open(path) as file:
        results = json.load(file)
    for number, result in enumerate(results):
        result['id'] = number + 1
        result['areas'] = [coco.area(m) if m else None for m in result['segmentations']]
        result['iscrowd'] = 0
    return results


def to_rle(mask, height, width):
    """Any mask of an annotation file as compressed RLE."""
    if isinstance(mask, list):
        return coco.merge(coco.frPyObjects(mask, height, width))
    if isinstance(mask['counts'], list):
        return coco.frPyObjects(mask, height, width)
    return mask


def mean_area(areas):
    """Mean over the frames where there is any area."""
    areas = [a for a in areas if a]
    return np.array(areas).mean() if areas else 0


def track_iou(a, b):
    """Summed intersection over summed union of two tracks."""
    common, joint = 0.0, 0.0
    for x, y in zip(a, b):
        if x and y:
            common += coco.area(coco.merge([x, y], True))
            joint += coco.area(coco.merge([x, y], False))
        elif x or y:
            joint += coco.area(x or y)
    return common / joint if joint > 0 else 0.0


def match(truth, found, ious, area):
    """Match one video and category at every threshold; truth and found are lists of dicts, found by score."""
    ignore = [bool(g['iscrowd']) or not area[0] <= g['avg_area'] <= area[1] for g in truth]
    order = sorted(range(len(truth)), key=lambda g: ignore[g])
    hit = np.zeros((len(THRESHOLDS), len(found)), bool)
    skip = np.zeros((len(THRESHOLDS), len(found)), bool)
    for t, threshold in enumerate(THRESHOLDS):
        taken = set()
        for d, result in enumerate(found):
            best, chosen = min(threshold, 1 - 1e-10), None
            for g in order:
                if g in taken and not truth[g]['iscrowd']:
                    continue
                if chosen is not None and not ignore[chosen] and ignore[g]:
                    break
                if ious[d][g] >= best:
                    best, chosen = ious[d][g], g
            if chosen is not None:
                taken.add(chosen)
                hit[t, d] = truth[chosen]['id'] != 0
                skip[t, d] = ignore[chosen]
            if not hit[t, d] and not area[0] <= result['avg_area'] <= area[1]:
                skip[t, d] = True
    return hit, skip, np.array(ignore, bool)


def evaluate(videos, categories, annotations, results):
    """Match everything: {(category, area): per video (scores, hit, skip, ignored truth)}, and IoUs."""
    truth, found = {}, {}
    for annotation in annotations:
        video = videos[annotation['video_id']]
        masks = [
            to_rle(m, video['height'], video['width']) if m else None for m in annotation['segmentations']
        ]
        entry = {**annotation, 'masks': masks, 'avg_area': mean_area(annotation['areas'])}
        truth.setdefault((annotation['video_id'], annotation['category_id']), []).append(entry)
    for result in results:
        entry = {**result, 'masks': result['segmentations'], 'avg_area': mean_area(result['areas'])}
        found.setdefault((result['video_id'], result['category_id']), []).append(entry)
    matched, ious = {}, {}
    for category in categories:
        for video in sorted(videos):
            gts, dts = truth.get((video, category), []), found.get((video, category), [])
            if not gts and not dts:
                continue
            dts = [dts[i] for i in np.argsort([-d['score'] for d in dts], kind='mergesort')][: LIMITS[-1]]
            iou = [[track_iou(d['masks'], g['masks']) for g in gts] for d in dts]
            ious[video, category] = iou
            scores = [d['score'] for d in dts]
            for a, area in enumerate(AREAS):
                matched.setdefault((category, a), []).append((scores, *match(gts, dts, iou, area)))
    return matched, ious


def accumulate(matched, categories):
    """Precision (T, R, K, A, M) and recall (T, K, A, M), -1 where there is nothing to find."""
    shape = (len(THRESHOLDS), len(RECALLS), len(categories), len(AREAS), len(LIMITS))
    precision, recall = -np.ones(shape), -np.ones((shape[0], *shape[2:]))
    for k, category in enumerate(categories):
        for a in range(len(AREAS)):
            parts = matched.get((category, a), [])
            total = sum(int((~ignore).sum()) for *_, ignore in parts)
            if not total:
                continue
            for m, limit in enumerate(LIMITS):
                scores = np.concatenate([s[:limit] for s, *_ in parts])
                order = np.argsort(-scores, kind='mergesort')
                hit = np.concatenate([h[:, :limit] for _, h, *_ in parts], axis=1)[:, order]
                skip = np.concatenate([s[:, :limit] for _, _, s, _ in parts], axis=1)[:, order]
                for t in range(shape[0]):
                    true = np.cumsum(hit[t] & ~skip[t]).astype(float)
                    false = np.cumsum(~hit[t] & ~skip[t]).astype(float)
                    reached = true / total
                    ratio = (true / (false + true + np.spacing(1))).tolist()
                    for i in range(len(ratio) - 1, 0, -1):
                        ratio[i - 1] = max(ratio[i], ratio[i - 1])
                    recall[t, k, a, m] = reached[-1] if len(reached) else 0
                    for r, at in enumerate(np.searchsorted(reached, RECALLS, side='left')):
                        precision[t, r, k, a, m] = ratio[at] if at < len(ratio) else 0
    return precision, recall


def mean(values):
    """Mean of what is defined."""
    values = values[values > -1]
    return float(np.mean(values)) if len(values) else -1.0


def summarize(precision, recall):
    """The twelve numbers by name."""
    stats = {'AP': mean(precision[..., [0], [2]])}
    stats['AP50'] = mean(precision[THRESHOLDS == 0.5][..., [0], [2]])
    stats['AP75'] = mean(precision[THRESHOLDS == 0.75][..., [0], [2]])
    stats |= {f'AP{n}': mean(precision[..., [a], [2]]) for a, n in ((1, 's'), (2, 'm'), (3, 'l'))}
    stats |= {f'AR{n}': mean(recall[..., [0], [m]]) for m, n in enumerate(LIMITS)}
    stats |= {f'AR{n}': mean(recall[..., [a], [2]]) for a, n in ((1, 's'), (2, 'm'), (3, 'l'))}
    return stats


def score(ann, results):
    """All steps: file names in, the twelve numbers out."""
    videos, categories, annotations = load_truth(ann)
    matched, _ = evaluate(videos, categories, annotations, load_results(results))
    return summarize(*accumulate(matched, categories))
