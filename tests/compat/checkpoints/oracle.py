"""Slow plain-PyTorch forwards of the foreign detectors, written from their documentation and source.

Nothing here imports the package under test. Every function takes the foreign state dict with its foreign
names and follows that project's own rules; loops are fine, as images are tiny.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F

# --- network pieces


def conv(x, sd, name, stride=1, padding=0, groups=1):
    return F.conv2d(x, sd[f'{name}.weight'], sd.get(f'{name}.bias'), stride, padding, 1, groups)


def norm(x, sd, name, eps=1e-5):
    stats = [
        sd[f'{name}.{part}'].view(1, -1, 1, 1) for part in ('running_mean', 'running_var', 'weight', 'bias')
    ]
    mean, var, weight, bias = stats
    return (x - mean) / torch.sqrt(var + eps) * weight + bias


def resnet(x, sd, prefix, style='pytorch', eps=1e-5, groups=1):
    """Four stages; basic blocks and bottlenecks told apart by the presence of conv3."""
    x = F.max_pool2d(F.relu(norm(conv(x, sd, f'{prefix}conv1', 2, 3), sd, f'{prefix}bn1', eps)), 3, 2, 1)
    outs = []
    for stage in range(1, 5):
        block = 0
        while f'{prefix}layer{stage}.{block}.conv1.weight' in sd:
            at = f'{prefix}layer{stage}.{block}.'
            stride = 2 if stage > 1 and block == 0 else 1
            identity = x
            if f'{at}downsample.0.weight' in sd:
                identity = norm(conv(x, sd, f'{at}downsample.0', stride), sd, f'{at}downsample.1', eps)
            if f'{at}conv3.weight' in sd:
                first, second = (1, stride) if style == 'pytorch' else (stride, 1)
                y = F.relu(norm(conv(x, sd, f'{at}conv1', first), sd, f'{at}bn1', eps))
                y = F.relu(norm(conv(y, sd, f'{at}conv2', second, 1, groups), sd, f'{at}bn2', eps))
                y = norm(conv(y, sd, f'{at}conv3'), sd, f'{at}bn3', eps)
            else:
                y = F.relu(norm(conv(x, sd, f'{at}conv1', stride, 1), sd, f'{at}bn1', eps))
                y = norm(conv(y, sd, f'{at}conv2', 1, 1), sd, f'{at}bn2', eps)
            x = F.relu(y + identity)
            block += 1
        outs.append(x)
    return outs


def fpn(feats, sd, lateral, output):
    """``lateral`` and ``output`` are key patterns with one ``{}`` for the level. Returns five levels."""
    tops = [conv(feat, sd, lateral.format(i)) for i, feat in enumerate(feats)]
    for i in range(len(tops) - 1, 0, -1):
        tops[i - 1] = tops[i - 1] + F.interpolate(tops[i], size=tops[i - 1].shape[-2:], mode='nearest')
    outs = [conv(top, sd, output.format(i), 1, 1) for i, top in enumerate(tops)]
    return [*outs, F.max_pool2d(outs[-1], 1, 2)]


def linear(x, sd, name):
    return F.linear(x, sd[f'{name}.weight'], sd[f'{name}.bias'])


# --- geometry


def nms(boxes, scores, threshold, plus):
    """Greedy, strictly greater; ``plus`` is added to every side."""
    order = sorted(range(len(boxes)), key=lambda i: -float(scores[i]))
    boxes = boxes.double()
    kept = []
    for i in order:
        for j in kept:
            w = min(boxes[i, 2], boxes[j, 2]) - max(boxes[i, 0], boxes[j, 0]) + plus
            h = min(boxes[i, 3], boxes[j, 3]) - max(boxes[i, 1], boxes[j, 1]) + plus
            inter = max(float(w), 0.0) * max(float(h), 0.0)
            areas = [
                float((boxes[k, 2] - boxes[k, 0] + plus) * (boxes[k, 3] - boxes[k, 1] + plus)) for k in (i, j)
            ]
            if inter > threshold * (sum(areas) - inter):
                break
        else:
            kept.append(i)
    return kept


def iou_matrix(a, b, plus):
    out = torch.zeros(len(a), len(b))
    for i, p in enumerate(a):
        for j, q in enumerate(b):
            w = max(float(min(p[2], q[2]) - max(p[0], q[0]) + plus), 0.0)
            h = max(float(min(p[3], q[3]) - max(p[1], q[1]) + plus), 0.0)
            areas = [float((r[2] - r[0] + plus) * (r[3] - r[1] + plus)) for r in (p, q)]
            out[i, j] = w * h / max(sum(areas) - w * h, 1e-6)
    return out


def decode(refs, deltas, stds, shape, plus, lower_clip=True):
    """(n, 4), (n, 4): ``plus`` = 1 is the inclusive-pixel coding of 2019, 0 the continuous one."""
    d = deltas * torch.tensor(stds)
    w, h = refs[:, 2] - refs[:, 0] + plus, refs[:, 3] - refs[:, 1] + plus
    x, y = (refs[:, 0] + refs[:, 2]) / 2, (refs[:, 1] + refs[:, 3]) / 2
    limit = math.log(1000 / 16)
    size = d[:, 2:].clamp(max=limit)
    if lower_clip:
        size = size.clamp(min=-limit)
    gw, gh = w * size[:, 0].exp(), h * size[:, 1].exp()
    gx, gy = x + w * d[:, 0], y + h * d[:, 1]
    half = plus / 2
    boxes = [gx - gw / 2 + half, gy - gh / 2 + half, gx + gw / 2 - half, gy + gh / 2 - half]
    height, width = shape
    limits = [width - plus, height - plus] * 2
    return torch.stack([side.clamp(0, limit) for side, limit in zip(boxes, limits)], dim=1)


def roi_align_one(feat, box, scale, out, ratio, mode):
    """feat (C, H, W), one box; plain sums over sample points."""
    x1, y1, x2, y2 = (float(v) for v in box)
    if mode == 'legacy':  # mmdetection before 2.0: +1 on the far corner, size may be 0
        x1, y1, x2, y2 = x1 * scale, y1 * scale, (x2 + 1) * scale, (y2 + 1) * scale
        w, h = max(x2 - x1, 0.0), max(y2 - y1, 0.0)
    elif mode == 'aligned':  # mmcv aligned=True
        x1, y1, x2, y2 = (v * scale - 0.5 for v in (x1, y1, x2, y2))
        w, h = x2 - x1, y2 - y1
    else:  # torchvision aligned=False: at least one cell
        x1, y1, x2, y2 = (v * scale for v in (x1, y1, x2, y2))
        w, h = max(x2 - x1, 1.0), max(y2 - y1, 1.0)
    ny = ratio if ratio > 0 else math.ceil(h / out)
    nx = ratio if ratio > 0 else math.ceil(w / out)
    height, width = feat.shape[1:]

    def taps(start, size, n, limit):
        centers = [start + size / out * (i + (k + 0.5) / n) for i in range(out) for k in range(n)]
        rows = torch.zeros(out * n, limit, dtype=torch.float64)
        for i, c in enumerate(centers):
            if c < -1.0 or c > limit:
                continue
            c = max(c, 0.0)
            low = int(c)
            if low >= limit - 1:
                rows[i, limit - 1] = 1.0
            else:
                rows[i, low], rows[i, low + 1] = 1 - (c - low), c - low
        return rows.view(out, n, limit).mean(1)

    if nx == 0 or ny == 0:
        return torch.zeros(feat.shape[0], out, out)
    across = taps(x1, w, nx, width)
    down = taps(y1, h, ny, height)
    return torch.einsum('iy,cyx,jx->cij', down, feat.double(), across).float()


def pool(feats, boxes, out, ratio, mode, plus):
    """Features of boxes from the first four levels, by the level rule of FPN (224 pixels at level 4)."""
    result = []
    for box in boxes:
        area = max(float((box[2] - box[0] + plus) * (box[3] - box[1] + plus)), 0.0)
        level = int(min(max(math.floor(math.log2(math.sqrt(area) / 56 + 1e-6)), 0), 3))
        result.append(roi_align_one(feats[level][0], box, 1 / 2 ** (level + 2), out, ratio, mode))
    return torch.stack(result) if result else feats[0].new_zeros(0, feats[0].shape[1], out, out)


# --- anchors


def anchors_2019(size, stride):
    """mmdetection 1.x: base size = stride, center (stride - 1) / 2, scale 8, corners rounded to integers."""
    base, center = [], 0.5 * (stride - 1)
    for ratio in (0.5, 1.0, 2.0):
        h, w = stride * math.sqrt(ratio) * 8, stride / math.sqrt(ratio) * 8
        corners = [
            center - 0.5 * (w - 1),
            center - 0.5 * (h - 1),
            center + 0.5 * (w - 1),
            center + 0.5 * (h - 1),
        ]
        base.append([round(v) for v in corners])
    return _grid(base, size, (stride, stride))


def anchors_modern(size, stride):
    """mmdetection 2.x and later: centered on the grid point, not rounded."""
    base = []
    for ratio in (0.5, 1.0, 2.0):
        h, w = stride * math.sqrt(ratio) * 8, stride / math.sqrt(ratio) * 8
        base.append([-w / 2, -h / 2, w / 2, h / 2])
    return _grid(base, size, (stride, stride))


def anchors_torchvision(size, side, padded):
    """torchvision: rounded halves; stride = padded image size // cells."""
    base = []
    for ratio in (0.5, 1.0, 2.0):
        h, w = side * math.sqrt(ratio), side / math.sqrt(ratio)
        base.append([round(-w / 2), round(-h / 2), round(w / 2), round(h / 2)])
    return _grid(base, size, (padded[0] // size[0], padded[1] // size[1]))


def _grid(base, size, stride):
    rows = [
        [b[0] + x * stride[1], b[1] + y * stride[0], b[2] + x * stride[1], b[3] + y * stride[0]]
        for y in range(size[0])
        for x in range(size[1])
        for b in base
    ]
    return torch.tensor(rows, dtype=torch.float32)


# --- masks


def paste_2019(prob, box, shape):
    """Corners truncated, +1, bilinear with half-pixel centers and repeated border, > 0.5."""
    x1, y1, x2, y2 = (int(v) for v in box)
    w, h = max(x2 - x1 + 1, 1), max(y2 - y1 + 1, 1)
    big = F.interpolate(prob[None, None], size=(h, w), mode='bilinear', align_corners=False)[0, 0] > 0.5
    image = np.zeros(shape, np.uint8)
    image[y1 : y1 + h, x1 : x1 + w] = big[: shape[0] - y1, : shape[1] - x1].numpy()
    return image


def paste_modern(prob, box, shape):
    """mmdetection 2.x: sample the 28x28 grid at every pixel center, zeros outside, >= 0.5."""
    x1, y1, x2, y2 = (float(v) for v in box)
    gx = (torch.arange(shape[1]) + 0.5 - x1) / (x2 - x1) * 2 - 1
    gy = (torch.arange(shape[0]) + 0.5 - y1) / (y2 - y1) * 2 - 1
    grid = torch.stack(torch.meshgrid(gy, gx, indexing='ij')[::-1], dim=-1)[None].float()
    return (F.grid_sample(prob[None, None], grid, align_corners=False)[0, 0] >= 0.5).numpy().astype(np.uint8)


def paste_torchvision(prob, box, shape):
    """Pad the mask by one cell, widen the box to match, truncate, +1, bilinear, > 0.5."""
    m = prob.shape[-1]
    prob = F.pad(prob, (1, 1, 1, 1))
    cx, cy = (box[0] + box[2]) * 0.5, (box[1] + box[3]) * 0.5
    hw, hh = (box[2] - box[0]) * 0.5 * (m + 2) / m, (box[3] - box[1]) * 0.5 * (m + 2) / m
    x1, y1, x2, y2 = (int(v) for v in (cx - hw, cy - hh, cx + hw, cy + hh))
    w, h = max(x2 - x1 + 1, 1), max(y2 - y1 + 1, 1)
    big = F.interpolate(prob[None, None], size=(h, w), mode='bilinear', align_corners=False)[0, 0]
    image = np.zeros(shape, np.uint8)
    left, top, right, bottom = max(x1, 0), max(y1, 0), min(x2 + 1, shape[1]), min(y2 + 1, shape[0])
    image[top:bottom, left:right] = (big[top - y1 : bottom - y1, left - x1 : right - x1] > 0.5).numpy()
    return image


# --- detectors


class Detector:
    """One forward of a foreign Mask R-CNN. Subclasses say how that project does each step.

    Args:
        sd (dict[str, Tensor]): foreign state dict.
        **test: ``nms_pre``, ``proposals``, ``score_thr``, ``max_per_img``, ``style``, ``eps``.
    """

    plus = 0
    roi_mode, roi_ratio = 'aligned', 0
    mean, std, rgb = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375), True
    backbone = 'backbone.'
    lateral, output = 'neck.lateral_convs.{}.conv', 'neck.fpn_convs.{}.conv'
    rpn = ('rpn_head.rpn_conv', 'rpn_head.rpn_cls', 'rpn_head.rpn_reg')
    fcs, cls, reg = (
        ('bbox_head.shared_fcs.0', 'bbox_head.shared_fcs.1'),
        'bbox_head.fc_cls',
        'bbox_head.fc_reg',
    )
    mask_convs = 'mask_head.convs.{}.conv'
    upsample, logits = 'mask_head.upsample', 'mask_head.conv_logits'
    background = 0
    softmax_rpn = None
    lower_clip = True
    min_size = None

    def __init__(
        self, sd, nms_pre=100, proposals=50, score_thr=0.05, max_per_img=10, style='pytorch', eps=1e-5
    ):
        self.sd, self.nms_pre, self.proposals = sd, nms_pre, proposals
        self.score_thr, self.max_per_img, self.style, self.eps = score_thr, max_per_img, style, eps

    def image(self, bgr):
        """uint8 (H, W, 3) BGR to a normalized, padded (1, 3, h, w) batch."""
        pixels = torch.from_numpy(np.ascontiguousarray(bgr[..., ::-1] if self.rgb else bgr)).float()
        x = ((pixels - torch.tensor(self.mean)) / torch.tensor(self.std)).permute(2, 0, 1)[None]
        return F.pad(x, (0, -x.shape[3] % 32, 0, -x.shape[2] % 32))

    def anchors(self, level, size, padded):
        return anchors_modern(size, 4 * 2**level)

    def paste(self, prob, box, shape):
        return paste_modern(prob, box, shape)

    def rpn_scores(self, logits):
        """(A * k, H, W) to scores in the order y, x, anchor."""
        if self.softmax_rpn is None:
            return logits.permute(1, 2, 0).reshape(-1).sigmoid()
        return logits.permute(1, 2, 0).reshape(-1, 2).softmax(1)[:, self.softmax_rpn]

    def propose(self, feats, shape, padded):
        boxes, scores = [], []
        for level, feat in enumerate(feats):
            hidden = F.relu(conv(feat, self.sd, self.rpn[0], 1, 1))
            score = self.rpn_scores(conv(hidden, self.sd, self.rpn[1])[0])
            deltas = conv(hidden, self.sd, self.rpn[2])[0].permute(1, 2, 0).reshape(-1, 4)
            anchors = self.anchors(level, tuple(feat.shape[-2:]), padded)
            top = score.argsort(descending=True, stable=True)[: self.nms_pre]
            box = decode(anchors[top], deltas[top], (1, 1, 1, 1), shape, self.plus, self.lower_clip)
            score = score[top]
            if self.min_size is not None:
                fits = (box[:, 2:] - box[:, :2]).amin(1) > self.min_size
                box, score = box[fits], score[fits]
            keep = nms(box, score, 0.7, self.plus)
            boxes.append(box[keep])
            scores.append(score[keep])
        boxes, scores = torch.cat(boxes), torch.cat(scores)
        best = scores.argsort(descending=True, stable=True)[: self.proposals]
        return boxes[best]

    def second_stage(self, x):
        x = x.flatten(1)
        for name in self.fcs:
            x = F.relu(linear(x, self.sd, name))
        return linear(x, self.sd, self.cls), linear(x, self.sd, self.reg)

    def class_blocks(self, scores, deltas):
        """Per class without background: score column and four deltas. Background first has its own block."""
        classes = scores.shape[1] - 1
        shift = 1 if self.background == 0 else 0
        if deltas.shape[1] == 4:
            return [(scores[:, c + shift], deltas) for c in range(classes)]
        return [
            (scores[:, c + shift], deltas[:, 4 * (c + shift) : 4 * (c + shift) + 4]) for c in range(classes)
        ]

    def mask_probs(self, feats, boxes, labels):
        x = pool(feats, boxes, 14, self.roi_ratio, self.roi_mode, self.plus)
        index = 0
        while f'{self.mask_convs.format(index)}.weight' in self.sd:
            x = F.relu(conv(x, self.sd, self.mask_convs.format(index), 1, 1))
            index += 1
        up = F.conv_transpose2d(
            x, self.sd[f'{self.upsample}.weight'], self.sd[f'{self.upsample}.bias'], stride=2
        )
        logits = conv(F.relu(up), self.sd, self.logits)
        if logits.shape[1] == 1:
            return logits[:, 0].sigmoid()
        shift = 1 if self.background == 0 else 0
        return torch.stack([row[label + shift] for row, label in zip(logits, labels.tolist())]).sigmoid()

    @torch.no_grad()
    def detect(self, bgr, scale, ori_shape):
        """Run one image.

        Args:
            bgr (np.ndarray): resized image, uint8 (h, w, 3).
            scale (tuple[float, float]): (w, h) ratios of the resized to the original image.
            ori_shape (tuple[int, int]): (H, W) of the original image.

        Returns:
            dict: ``boxes`` in original pixels, ``scores``, ``labels`` from 0, ``masks`` (n, H, W), ``feats``.
        """
        x = self.image(bgr)
        shape = bgr.shape[:2]
        feats = resnet(x, self.sd, self.backbone, self.style, self.eps)
        feats = fpn(feats, self.sd, self.lateral, self.output)
        proposals = self.propose(feats, shape, tuple(x.shape[-2:]))
        logits, deltas = self.second_stage(
            pool(feats, proposals, 7, self.roi_ratio, self.roi_mode, self.plus)
        )
        rescale = torch.tensor([*scale, *scale])
        rows = []
        for label, (score, delta) in enumerate(self.class_blocks(logits.softmax(1), deltas)):
            box = decode(proposals, delta, (0.1, 0.1, 0.2, 0.2), shape, self.plus, self.lower_clip) / rescale
            fits = score > self.score_thr
            box, score = box[fits], score[fits]
            rows += [(float(score[i]), label, box[i]) for i in nms(box, score, 0.5, self.plus)]
        rows = sorted(rows, key=lambda row: -row[0])[: self.max_per_img]
        boxes = torch.stack([row[2] for row in rows]) if rows else torch.zeros(0, 4)
        scores, labels = torch.tensor([row[0] for row in rows]), torch.tensor([row[1] for row in rows])
        masks = []
        if rows and f'{self.logits}.weight' in self.sd:
            probs = self.mask_probs(feats, boxes * rescale, labels)
            masks = [self.paste(prob, box, ori_shape) for prob, box in zip(probs, boxes)]
        return dict(boxes=boxes, scores=scores, labels=labels, masks=masks, feats=feats, rescale=rescale)


class MMDet1(Detector):
    """mmdetection 1.x: background first, +1, integer anchors, its own RoIAlign with 2x2 samples."""

    plus, roi_mode, roi_ratio, background = 1, 'legacy', 2, 0

    def anchors(self, level, size, padded):
        return anchors_2019(size, 4 * 2**level)

    def paste(self, prob, box, shape):
        return paste_2019(prob, box, shape)


class MMDet2(Detector):
    """mmdetection 2.x and 3.x: background last, continuous boxes, aligned RoIAlign with adaptive sampling."""

    background, min_size = -1, 0.0
    fcs = ('roi_head.bbox_head.shared_fcs.0', 'roi_head.bbox_head.shared_fcs.1')
    cls, reg = 'roi_head.bbox_head.fc_cls', 'roi_head.bbox_head.fc_reg'
    mask_convs = 'roi_head.mask_head.convs.{}.conv'
    upsample, logits = 'roi_head.mask_head.upsample', 'roi_head.mask_head.conv_logits'


class Torchvision(Detector):
    """torchvision's v1: background first, continuous boxes, RoIAlign without shift and 2x2 samples."""

    roi_mode, roi_ratio, lower_clip, min_size = 'unaligned', 2, False, 1e-3
    backbone = 'backbone.body.'
    lateral, output = 'backbone.fpn.inner_blocks.{}.0', 'backbone.fpn.layer_blocks.{}.0'
    rpn = ('rpn.head.conv.0.0', 'rpn.head.cls_logits', 'rpn.head.bbox_pred')
    fcs = ('roi_heads.box_head.fc6', 'roi_heads.box_head.fc7')
    cls, reg = 'roi_heads.box_predictor.cls_score', 'roi_heads.box_predictor.bbox_pred'
    mask_convs = 'roi_heads.mask_head.{}.0'
    upsample, logits = 'roi_heads.mask_predictor.conv5_mask', 'roi_heads.mask_predictor.mask_fcn_logits'

    def anchors(self, level, size, padded):
        return anchors_torchvision(size, 32 * 2**level, padded)

    def paste(self, prob, box, shape):
        return paste_torchvision(prob, box, shape)


# --- tracking


class MMTracking(MMDet2):
    """Detector under ``detector.``, a ReLU after every embedding layer, and the tracker's memory rules."""

    def __init__(self, sd, retain=20, **test):
        super().__init__({key.removeprefix('detector.'): value for key, value in sd.items()}, **test)
        self.retain = retain
        self.reset()

    def reset(self):
        self.count, self.tracks = 0, {}  # id -> dict(box, label, feat, frame), in order of creation

    def embed(self, feats):
        x = feats.flatten(1)
        index = 0
        while f'track_head.embed_head.fcs.{index}.weight' in self.sd:
            x = F.relu(linear(x, self.sd, f'track_head.embed_head.fcs.{index}'))
            index += 1
        return x

    @torch.no_grad()
    def step(self, bgr, scale, ori_shape, frame_id):
        """Detections of one frame with ``ids``; losers of a contested object are left out."""
        if frame_id == 0:
            self.reset()
        found = self.detect(bgr, scale, ori_shape)
        boxes, labels, scores = found['boxes'], found['labels'], found['scores']
        if not len(boxes):
            return {**found, 'ids': []}
        feats = pool(found['feats'], boxes * found['rescale'], 7, 0, 'aligned', 0)
        ids = [-1] * len(boxes)
        if not self.tracks:
            ids = list(range(self.count, self.count + len(boxes)))
            self.count += len(boxes)
        else:
            known = list(self.tracks)
            old = [self.tracks[i] for i in known]
            similar = self.embed(feats) @ self.embed(torch.stack([t['feat'] for t in old])).T
            similar = torch.cat([torch.zeros(len(boxes), 1), similar], 1).softmax(1).log()
            iou = F.pad(iou_matrix(boxes, [t['box'] for t in old], 0), (1, 0))
            same = torch.tensor([[1.0] + [float(t['label'] == int(label)) for t in old] for label in labels])
            score = similar + scores.log()[:, None] + 2 * iou + 10 * same
            best = [-1e6] * len(old)
            for i, choice in enumerate(score.argmax(1).tolist()):
                if choice == 0:
                    ids[i], self.count = self.count, self.count + 1
                elif score[i, choice] > best[choice - 1]:
                    ids[i], best[choice - 1] = known[choice - 1], float(score[i, choice])
        for i, identity in enumerate(ids):
            if identity >= 0:
                entry = dict(box=boxes[i], label=int(labels[i]), feat=feats[i], frame=frame_id)
                self.tracks[identity] = entry  # dicts keep the place of a key that is overwritten
        self.tracks = {i: t for i, t in self.tracks.items() if frame_id - t['frame'] < self.retain}
        return {**found, 'ids': ids}
