"""Defects of annotation and result files: what is wrong, at which places, and how strict a reader is."""

from mmdet.utils import UserError

#: Kinds that concern scoring, in the order of the checks: kind -> (what is wrong, what lenient scoring does).
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
    'missing_iscrowd': ('annotations without "iscrowd"', 'they count as iscrowd 0'),
    'bad_iscrowd': (
        'annotations whose "iscrowd" is no number',
        'they count as iscrowd 0; a number in quotes counts as in the official code',
    ),
    'missing_areas': (
        'annotations without "areas"',
        'the areas of the masks (of the boxes, where there are no masks) are taken',
    ),
    'unusable_areas': (
        'annotations whose "areas" are no list of numbers',
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
    'polygon_remains': (
        'masks with polygons of fewer than three points, as brushes of label tools leave them',
        'they are drawn as in the official code, or left out where it fails',
    ),
    'bad_polygon': (
        'polygons with half a point, not finite or far outside of the frame',
        'the part that can be used is used; without any, the object counts as absent there',
    ),
    'empty_counts': ('predicted RLE masks with empty counts', 'they count as empty masks'),
    'empty_truth': ('RLE masks of annotations with empty counts', 'the object counts as absent there'),
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

#: Kinds that scoring does not look at: kind -> what is wrong.
FILE_KINDS = {
    'odd_id': 'ids that are neither numbers nor text, or negative ids of categories',
    'category_name': 'categories without a usable name, or with the name of another one',
    'video_size': 'videos without a usable height and width',
    'file_names': 'videos without a usable list "file_names"',
    'video_frames': 'videos without frames, or whose "length" differs from the number of "file_names"',
    'iscrowd_value': 'annotations whose "iscrowd" is no number',
    'list_length': 'annotations whose "bboxes" or "areas" are not lists with one entry for each frame',
    'damaged_mask': 'masks that cannot be decoded',
    'mask_form': 'masks that are neither null, an RLE nor a list of polygons',
    'area_value': 'areas that are neither null nor a finite number',
}

#: What was read in another than the usual form: kind -> (what came, how it is read).
READ_ANYWAY = {
    'no_boxes': ('tracks without boxes', 'they are those around the masks'),
    'no_areas': ('tracks without areas', 'they are those of the masks'),
    'video_frames': (FILE_KINDS['video_frames'], 'the file names are the frames'),
    'no_video_size': ('videos without height and width', 'they are those of the masks or images'),
    'odd_iscrowd': ('tracks whose "iscrowd" is neither 0 nor 1', 'all but 0 is a crowd region'),
    'polygon_remains': (KINDS['polygon_remains'][0], 'these polygons are left out'),
}

#: Kinds that the official code ignores by rule, or whose meaning is plain: warned of, also in strict scoring.
TOLERATED = {
    *('prediction_of_unknown_category', 'missing_iscrowd', 'missing_areas'),
    *('empty_truth', 'polygon_remains'),
}

#: Kinds with which a file cannot be trained on.
TRAINING = {
    *('not_an_object', 'missing_key', 'bad_value', 'bad_id', 'no_categories', 'length'),
    *('duplicate_video', 'duplicate_category', 'duplicate_annotation'),
    *('ground_truth_of_unknown_video', 'ground_truth_of_unknown_category', 'bad_box', 'mask_size'),
    *FILE_KINDS,
} - {'video_frames'}

#: How strict a reader is: policy -> (kinds that are errors, kinds that are warnings); it ignores the rest.
POLICIES = {
    'strict': (set(KINDS) - TOLERATED, TOLERATED),
    'lenient': (set(), set(KINDS)),
    'training': (TRAINING, set(READ_ANYWAY)),
}


def what_is_wrong(kind: str) -> str:
    """What a kind of defect means."""
    return FILE_KINDS[kind] if kind in FILE_KINDS else (KINDS.get(kind) or READ_ANYWAY[kind])[0]


class InputDefect(UserError):
    """A file cannot be used as it is.

    Attributes:
        kind (str): one of :data:`KINDS` or :data:`FILE_KINDS`.
        places (list[str]): every place where it was found.
    """

    def __init__(self, kind, source, places, limit=None):
        self.kind = kind
        self.places = list(places)
        super().__init__(describe(kind, source, self.places, limit))


def describe(kind, source, places, limit=20):
    """One message: source, count, what is wrong and where (at most ``limit`` places; None: all of them)."""
    shown = places if limit is None else places[:limit]
    more = f', and {len(places) - len(shown)} more' if len(shown) < len(places) else ''
    return f'{source}: {what_is_wrong(kind)} [{kind}, {len(places)}]: {", ".join(shown)}{more}'


class Report:
    """Collects defects by kind; a policy says which of them are errors, warnings, or ignored.

    Args:
        policy (str): ``'strict'`` or ``'lenient'`` for scoring, or ``'training'``.
        collect (bool): for checks, which want to know every defect and go on: :meth:`settle` does nothing.

    Attributes:
        found (dict): (kind, source) -> places, since the last :meth:`settle`.
        warnings (list[str]): messages on what was found and is not an error.
    """

    def __init__(self, policy: str = 'strict', collect: bool = False):
        self.policy = policy
        self.collect = collect
        self.errors, self.tolerated = POLICIES[policy]
        self.found = {}
        self.warnings = []

    def wants(self, kind: str) -> bool:
        """Whether this policy looks at a kind, so that a costly check can be skipped."""
        return kind in self.errors or kind in self.tolerated

    def add(self, kind: str, source: str, place: str) -> None:
        """Note one place where ``kind`` was found in ``source`` (such as a file name)."""
        if self.wants(kind):
            self.found.setdefault((kind, source), []).append(place)

    def settle(self) -> None:
        """End a stage of reading: raise for errors, turn the rest into warnings.

        Raises:
            InputDefect: for the first kind that is an error, with all its places.
        """
        if self.collect:
            return
        found, self.found = self.found, {}
        order = [*KINDS, *FILE_KINDS, *READ_ANYWAY]
        for (kind, source), places in sorted(found.items(), key=lambda item: order.index(item[0][0])):
            if kind in self.errors:
                raise InputDefect(kind, source, places, limit=5 if self.policy == 'training' else None)
            if self.policy == 'training':
                self.warnings.append(f'{source}: {len(places)} {": ".join(READ_ANYWAY[kind])}')
            else:
                self.warnings.append(f'{describe(kind, source, places)}; {KINDS[kind][1]}')
