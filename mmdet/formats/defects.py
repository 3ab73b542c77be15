"""Defects of annotation and result files: what is wrong, at which places, and what is done about it."""

from mmdet.utils import UserError

#: kind -> (what is wrong, what lenient scoring does). The order is that of the checks.
KINDS = {
    'not_an_object': ('entries that are not JSON objects', 'they are left out'),
    'missing_key': ('entries without a required key', 'they are left out'),
    'bad_value': ('entries with a value of the wrong type', 'they are left out'),
    'bad_id': (
        'annotations whose id is neither a number nor a text',
        'they count, as in the official code: an id only tells tracks apart',
    ),
    'no_categories': ('there is no usable list "categories"', 'the categories of the annotations are taken'),
    'duplicate_video': ('video ids that occur more than once', 'the last video with the id counts'),
    'duplicate_category': ('category ids that occur more than once', 'the last category with the id counts'),
    'duplicate_annotation': (
        'annotation ids that occur more than once',
        'as in the official code the last one with an id stands in for all of them',
    ),
    'zero_id': (
        'ground truth with id 0',
        'as in the official code a prediction that matches it counts as a false positive',
    ),
    'ground_truth_of_unknown_video': (
        'annotations of a video that the file does not list',
        'they are left out, as in the official code',
    ),
    'ground_truth_of_unknown_category': (
        'annotations of a category that the file does not list',
        'they are left out, as in the official code',
    ),
    'missing_iscrowd': (
        'annotations without a usable "iscrowd"',
        'they count as iscrowd 0; a number in quotes counts as in the official code',
    ),
    'missing_areas': (
        'annotations without a usable list "areas"',
        'the areas of the masks (of the boxes, where there are no masks) are taken',
    ),
    'bad_areas': (
        'annotations with areas that are negative or not finite',
        'they are averaged as they are, as in the official code',
    ),
    'empty_results': ('the result list is empty', 'the score is 0 wherever there is ground truth'),
    'prediction_of_unknown_video': (
        'predictions for a video that the annotation file does not list',
        'they are left out',
    ),
    'prediction_of_unknown_category': (
        'predictions of a category that the annotation file does not list',
        'they are left out, as in the official code',
    ),
    'bad_score': (
        'predictions whose score is not finite',
        'they are ranked as in the official code (nan comes last)',
    ),
    'length': (
        'tracks with more or fewer frames than their video',
        'as in the official code frames beyond the shorter of two tracks do not count',
    ),
    'unreadable_mask': (
        'frames whose mask is neither an RLE nor a list of polygons',
        'the object counts as absent there',
    ),
    'odd_mask': (
        'RLE masks whose size or counts are numbers, but no plain integers',
        'they are read as the official code reads them',
    ),
    'polygon_in_results': (
        'predicted masks given as polygons (results need compressed RLE)',
        'they are rasterized like those of the ground truth',
    ),
    'uncompressed_in_results': (
        'predicted masks given as uncompressed RLE (results need compressed RLE)',
        'they are read like those of the ground truth',
    ),
    'box_polygon': (
        'polygons of four numbers (a polygon needs at least three points)',
        'four numbers are taken as a box x, y, width, height',
    ),
    'bad_polygon': (
        'polygons that are too short, not finite or far outside of the frame',
        'the part that can be used is used; without any, the object counts as absent there',
    ),
    'empty_counts': ('RLE masks with empty counts', 'they count as empty masks'),
    'bad_counts': (
        'RLE strings with characters that no encoder writes, or that end inside a number',
        'what can be read is read, the rest is background',
    ),
    'rle_sum': (
        'RLE masks whose counts do not add up to height x width',
        'where two such masks differ in total, the missing pixels of the shorter one are background',
    ),
    'mask_size': (
        'masks of another size than their video',
        'as in the official code a frame with two sizes adds nothing to intersection and union',
    ),
    'zero_runs': (
        'pairs of RLE masks with runs of length zero at the same place, which hide the rest of the frame',
        'as in the official code what follows in that frame does not count',
    ),
    'bad_box': (
        'boxes that are not four finite numbers x, y, width >= 0, height >= 0',
        'the object counts as absent there',
    ),
    'max_dets': (
        'maxDets does not suit the twelve official numbers (three values, one of them 100)',
        'AP is -1 without 100, as in the official code; numbers of missing values are -1',
    ),
}

#: Kinds the official code passes over by rule and that do not make a file unfit: warned of in both modes.
TOLERATED = {'prediction_of_unknown_category'}


class InputDefect(UserError):
    """A file cannot be scored as it is.

    Attributes:
        kind (str): one of :data:`KINDS`.
        places (list[str]): every place where it was found.
    """

    def __init__(self, kind, source, places):
        self.kind = kind
        self.places = list(places)
        super().__init__(describe(kind, source, self.places, limit=None))


def describe(kind, source, places, limit=20):
    """One message: source, count, what is wrong and where (at most ``limit`` places; None: all of them)."""
    what = KINDS[kind][0]
    shown = places if limit is None else places[:limit]
    more = f', and {len(places) - len(shown)} more' if len(shown) < len(places) else ''
    return f'{source}: {what} [{kind}, {len(places)}]: {", ".join(shown)}{more}'


class Report:
    """Collects defects by kind; stops at the first kind when strict, else turns them into warnings.

    Args:
        strict (bool): whether :meth:`settle` raises.
    """

    def __init__(self, strict=True):
        self.strict = strict
        self.found = {}
        self.warnings = []

    def add(self, kind, source, place):
        """Note one place (str) where ``kind`` was found in ``source`` (str, such as a file name)."""
        self.found.setdefault((kind, source), []).append(place)

    def settle(self):
        """End a stage of checks.

        Raises:
            InputDefect: when strict and a defect was found; the first kind, with all its places.
        """
        found, self.found = self.found, {}
        order = list(KINDS)
        for (kind, source), places in sorted(found.items(), key=lambda item: order.index(item[0][0])):
            if self.strict and kind not in TOLERATED:
                raise InputDefect(kind, source, places)
            self.warnings.append(f'{describe(kind, source, places)}; {KINDS[kind][1]}')
