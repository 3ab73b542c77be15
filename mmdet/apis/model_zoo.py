"""Weights by name: where they are, what they are and whose figures those are. No torch here.

``init_detector('maskrcnn_r50_fpn_v2_coco')``, ``--model NAME`` and ``load_from`` take a name of :data:`ZOO`,
which is that of the config. The tables of MODEL_ZOO.md say what this file says.
"""

import argparse
import dataclasses
import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path

from mmdet.utils import UserError


@dataclasses.dataclass(frozen=True)
class Weights:
    """A published file of weights, and the config that runs it.

    Attributes:
        name: what users type; ``configs/NAME.py`` is its config.
        url: address by its publisher.
        sha256: first digits of the file's SHA-256, as many as were published.
        data: what it was trained on.
        scores: figure -> value in percent, by its publisher.
        source: who published file and figures, and where.
        license: as the publisher states it.
        mirrors: further addresses of the same file, by others.
    """

    name: str
    url: str
    sha256: str
    data: str
    scores: Mapping[str, float]
    source: str
    license: str
    mirrors: tuple[str, ...] = ()

    @property
    def config(self) -> str:
        """File name of the config."""
        return f'{self.name}.py'

    @property
    def file(self) -> str:
        """File name of the weights."""
        return self.url.rsplit('/', 1)[1]

    @property
    def scores_text(self) -> str:
        """Its figures on one line."""
        return ', '.join(f'{key} {value:g}' for key, value in self.scores.items())


# torchvision's README says the second part of pre-trained models in general.
_TORCHVISION = 'BSD-3-Clause (code); models may have terms of their own, derived from the dataset'
_OPENMMLAB = 'https://download.openmmlab.com/'
# Address of the copies in the READMEs of onedl-mmdetection (VBTI), which continues mmdetection.
_ONEDL = 'https://pub-ed9ed750ddcc469da251e2d1a2cea382.r2.dev/'


def _coco(name, file, sha256, box, mask, source):
    scores = {'box AP': box, 'mask AP': mask}
    url = f'https://download.pytorch.org/models/{file}'
    return Weights(name, url, sha256, 'COCO 2017', scores, source, _TORCHVISION)


def _tracks(backbone, year, ap, date, digest):
    name = f'masktrack_rcnn_{backbone}_fpn_12e_youtubevis{year}'
    path = f'mmtracking/vis/masktrack_rcnn/{name}/{name}_{date}-{digest}.pth'
    return Weights(
        name,
        _OPENMMLAB + path,
        digest,
        f'YouTube-VIS {year}',
        {'video AP': ap},
        'mmtracking, corrected figures of its README',
        'Apache-2.0',
        (_ONEDL + path,),
    )


#: Name -> published weights.
ZOO = {
    entry.name: entry
    for entry in (
        _coco(
            'maskrcnn_r50_fpn_coco',
            'maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth',
            'bf2d0c1e',
            37.9,
            34.6,
            'torchvision, `MaskRCNN_ResNet50_FPN_Weights.COCO_V1`',
        ),
        _coco(
            'maskrcnn_r50_fpn_v2_coco',
            'maskrcnn_resnet50_fpn_v2_coco-73cbd019.pth',
            '73cbd019',
            47.4,
            41.8,
            'torchvision, `MaskRCNN_ResNet50_FPN_V2_Weights.COCO_V1`',
        ),
        Weights(
            'mask_rcnn_r50_fpn_1x_coco',
            'https://open-mmlab.oss-cn-beijing.aliyuncs.com/mmdetection/models/'
            'mask_rcnn_r50_fpn_1x_20181010-069fa190.pth',
            '069fa190',
            'COCO 2017',
            {'box AP': 37.3, 'mask AP': 34.2},
            'mmdetection 1, model zoo',
            'Apache-2.0',
        ),
        _tracks('r50', 2019, 30.2, '20211022_194830', '6ca6b91e'),
        _tracks('r101', 2019, 32.2, '20211023_150038', '454dc48b'),
        _tracks('x101', 2019, 34.7, '20211023_153205', 'fff7a102'),
        _tracks('r50', 2021, 28.7, '20211026_044948', '10da90d9'),
        _tracks('r101', 2021, 31.3, '20211026_045509', '3c49e4f3'),
        _tracks('x101', 2021, 33.5, '20211026_095943', '90831df4'),
    )
}


def find_weights(name: str, what: str = 'model') -> Weights:
    """Return the entry of a name.

    Args:
        name: what the user typed.
        what: what it was given as, for the message.

    Raises:
        UserError: there is none; names that are near are listed.
    """
    if name in ZOO:
        return ZOO[name]
    words = [word for word in re.split(r'[\W_]+', str(name).lower()) if word]
    near = [known for known in ZOO if words and all(word in known for word in words)][:3]
    near = near or difflib.get_close_matches(name, ZOO, n=3, cutoff=0.5)
    hint = f'did you mean {" or ".join(near)}? ' if near else ''
    also = '' if what == 'model' else 'no such file, and '
    raise UserError(f'{what} {name!r}: {also}no weights have this name ({hint}--list-models shows all names)')


def named(value: object, what: str) -> Weights | None:
    """The entry that a config or checkpoint argument names; None for a config, path or address.

    Args:
        value: what was given. A file of that name comes first.
        what: 'config' or 'checkpoint'.

    Raises:
        UserError: a word, without folder or suffix, that is neither a file nor a name.
    """
    if not isinstance(value, str) or os.path.exists(value) and value not in ZOO or os.path.isfile(value):
        return None
    word = '://' not in value and not os.path.dirname(value) and not os.path.splitext(value)[1]
    return find_weights(value, what) if word else None


def config_path(entry: Weights) -> Path:
    """Config file of an entry, in the installed package or in the checkout.

    Raises:
        UserError: the installation has no configs.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / 'configs', package.parent / 'configs'):
        if (folder / entry.config).is_file():
            return folder / entry.config
    raise UserError(f'model {entry.name}: {package / "configs" / entry.config} is missing: install again')


def zoo_text() -> str:
    """The table that ``--list-models`` prints."""
    from terminaltables import AsciiTable

    rows = [['name', 'trained on', 'figures of its authors', 'published by', 'license']]
    for entry in ZOO.values():
        publisher = entry.source.split(',')[0]
        rows.append([entry.name, entry.data, entry.scores_text, publisher, entry.license.split(';')[0]])
    return f'{AsciiTable(rows).table}\nFigures are in percent; MODEL_ZOO.md says more.'


class _ListModels(argparse.Action):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, nargs=0, **kwargs)

    def __call__(self, parser, namespace, values, option_string=None):
        print(zoo_text())
        parser.exit()


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--model``, ``--list-models`` and ``--mirror``; the tool has ``config`` and ``checkpoint``."""
    parser.add_argument(
        '--model', metavar='NAME', help='published weights by name, in place of CONFIG and CHECKPOINT'
    )
    parser.add_argument('--list-models', action=_ListModels, help='show the names, and exit')
    parser.add_argument(
        '--mirror',
        metavar='PLACE',
        help='fetch weights from this address, which replaces the first part of theirs, or from a folder '
        '(default: MASKTRACK_MIRROR, if set)',
    )


def choose_model(args: argparse.Namespace, parser: argparse.ArgumentParser, weights: bool = True) -> None:
    """Put a given ``--model`` into ``args.config`` and ``args.checkpoint``; both take names.

    Args:
        args: parsed; ``config`` and ``checkpoint`` are None where they were not given.
        parser: for its error, if too much or too little was given.
        weights: whether a checkpoint is needed.

    Raises:
        UserError: no model has this name.
    """
    if args.mirror:
        os.environ['MASKTRACK_MIRROR'] = args.mirror
    if args.model is not None:
        if args.config or args.checkpoint:
            parser.error('--model stands for CONFIG and CHECKPOINT: give one or the other')
        args.config = args.checkpoint = find_weights(args.model).name
    if args.config is None or (weights and args.checkpoint is None):
        missing = 'CONFIG' if args.config is None else 'CHECKPOINT'
        parser.error(f'{missing} is missing; --model NAME stands for both (--list-models)')
