"""Draw docs/images/framework.png: how a frame passes through MaskTrack R-CNN.

Run: python docs/figures/draw_framework.py
"""

from pathlib import Path

import matplotlib

matplotlib.use('Agg')
import matplotlib.pyplot as plt
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

INK = '#1f2933'
PLAIN, HEAD, TRACK, OUT = '#e4e9f0', '#cfe3f7', '#fbdcc4', '#d8efd9'

# name: (x, y, width, height, text, color)
BOXES = {
    'frame': (0.2, 2.3, 1.5, 1.0, 'frame t', PLAIN),
    'backbone': (2.2, 2.3, 1.7, 1.0, 'ResNet-50\nFPN', PLAIN),
    'rpn': (4.4, 2.3, 1.5, 1.0, 'RPN\nproposals', PLAIN),
    'align': (6.4, 2.3, 1.5, 1.0, 'RoIAlign\n7x7, 14x14', PLAIN),
    'box': (8.5, 3.9, 2.1, 0.9, 'bbox head\nclass, box, score', HEAD),
    'mask': (8.5, 2.35, 2.1, 0.9, 'mask head\n28x28 per class', HEAD),
    'track': (8.5, 0.8, 2.1, 0.9, 'track head\nembedding', TRACK),
    'memory': (11.4, -1.45, 2.7, 1.2, 'track memory\nbox, label, embedding\nof every object so far', TRACK),
    'match': (11.4, 0.65, 2.7, 1.2, 'match cues:\nsimilarity, score,\nIoU, label', TRACK),
    'out': (11.4, 3.1, 2.7, 0.95, 'tracks\nmask, class, identity', OUT),
}
# from, side, to, side, bend
ARROWS = [
    ('frame', 'r', 'backbone', 'l', 0),
    ('backbone', 'r', 'rpn', 'l', 0),
    ('rpn', 'r', 'align', 'l', 0),
    ('align', 'r', 'box', 'l', 0),
    ('align', 'r', 'mask', 'l', 0),
    ('align', 'r', 'track', 'l', 0),
    ('track', 'r', 'match', 'l', 0),
    ('box', 'r', 'out', 'l', 0),
    ('mask', 'r', 'out', 'l', 0),
    ('match', 't', 'out', 'b', 0),
]


def anchor(name, side):
    """Point on a side (l, r, t, b) of a box."""
    x, y, w, h, *_ = BOXES[name]
    return {'l': (x, y + h / 2), 'r': (x + w, y + h / 2), 't': (x + w / 2, y + h), 'b': (x + w / 2, y)}[side]


def main():
    """Draw the image and save it."""
    figure, axes = plt.subplots(figsize=(13.5, 6.0))
    for x, y, w, h, text, color in BOXES.values():
        style = 'round,pad=0.02,rounding_size=0.12'
        axes.add_patch(FancyBboxPatch((x, y), w, h, boxstyle=style, facecolor=color, edgecolor=INK, lw=1.4))
        axes.text(x + w / 2, y + h / 2, text, ha='center', va='center', fontsize=11.5, color=INK)
    for start, side, end, other, bend in ARROWS:
        axes.add_patch(
            FancyArrowPatch(
                anchor(start, side),
                anchor(end, other),
                connectionstyle=f'arc3,rad={bend}',
                arrowstyle='-|>',
                mutation_scale=15,
                lw=1.4,
                color=INK,
                shrinkA=2,
                shrinkB=2,
            )
        )
    for x, (start, end) in ((12.3, (-0.25, 0.65)), (13.2, (0.65, -0.25))):
        axes.add_patch(
            FancyArrowPatch((x, start), (x, end), arrowstyle='-|>', mutation_scale=15, lw=1.4, color=INK)
        )
    axes.text(12.15, 0.2, 'compare', ha='right', va='center', fontsize=10.5, color=INK, style='italic')
    axes.text(13.35, 0.2, 'update', ha='left', va='center', fontsize=10.5, color=INK, style='italic')
    axes.text(
        0.2,
        4.55,
        'MaskTrack R-CNN: Mask R-CNN and a head that\ntells objects seen before from new ones',
        fontsize=14,
        color=INK,
        weight='bold',
        va='center',
    )
    axes.set_xlim(0, 14.3)
    axes.set_ylim(-1.6, 5.0)
    axes.axis('off')
    target = Path(__file__).resolve().parents[1] / 'images' / 'framework.png'
    target.parent.mkdir(exist_ok=True)
    figure.savefig(target, dpi=110, bbox_inches='tight', facecolor='white')
    print(target.name)


if __name__ == '__main__':
    main()
