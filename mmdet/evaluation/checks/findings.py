"""Outcome of a check: kinds of problems and notes, each with all its places."""

from dataclasses import dataclass, field

from mmdet.formats.defects import FILE_KINDS, READ_ANYWAY, TOLERATED, what_is_wrong
from mmdet.formats.mask_checks import owners
from mmdet.structures.packed_masks import ABSENT

#: kind -> what is wrong; beside the kinds of ``defects``.
MORE_KINDS = {
    'shared_frame': 'files that are frames of more than one video, or twice of one',
    'track_size': 'annotations whose own height, width or length differ from the video',
    'presence': 'frames where only some of mask, box and area say that the object is there',
    'box_outside': 'boxes that reach out of the frame',
    'box_mask': 'boxes that are not those around the mask',
    'area_mask': 'areas that are not those of the mask',
    'empty_track': 'tracks that are in no frame',
    'nothing_usable': 'no object but crowd regions in any frame: there is nothing to train on or to score',
    'nothing_counts': 'no prediction is of a video and a category of the annotation file: the score is 0',
    'missing_image': 'frames whose image is missing',
    'unreadable_image': 'images that cannot be read to their end',
    'image_size': 'images of another size than the file says',
    'zip_content': 'zips that hold anything but one results.json at top level, as the servers took it',
    'score_range': 'scores outside 0 to 1',
    'repeated_track': 'predictions that repeat an earlier one mask by mask',
    'too_many': 'videos with more than 100 predictions of one category, of which the last are never scored',
}

#: kinds that are worth knowing and no mistake: they do not make the check fail.
NOTES = {
    'crowd': 'crowd tracks: ignored in scoring, no masks to learn from',
    'blank_mask': 'frames with a mask without pixels: the object counts as absent there',
    'video_without_tracks': 'videos without tracks',
    'unused_category': 'categories without tracks',
    'empty_prediction': 'predictions that cover no pixel in any frame',
    'no_annotations': 'the file only lists videos, as public test sets do: there is nothing to train on',
    **{kind: what_is_wrong(kind) for kind in sorted(TOLERATED)},
    **{kind: ': '.join(texts) for kind, texts in READ_ANYWAY.items() if kind not in FILE_KINDS},
    'score_range': MORE_KINDS['score_range'],
    'repeated_track': MORE_KINDS['repeated_track'],
    'too_many': MORE_KINDS['too_many'],
}


@dataclass
class Findings:
    """Outcome of a check.

    Attributes:
        problems (dict[str, list[str]]): kind -> places.
        notes (dict[str, list[str]]): kind -> places of what is no mistake.
        counts (dict[str, int]): what the file has.
    """

    problems: dict = field(default_factory=dict)
    notes: dict = field(default_factory=dict)
    counts: dict = field(default_factory=dict)

    def add(self, kind, place):
        """Note one place of ``kind``."""
        target = self.notes if kind in NOTES else self.problems
        target.setdefault(kind, []).append(place)

    def take(self, report):
        """Take over what a :class:`Report` has collected, but for kinds that another reader has found."""
        known = {*self.problems, *self.notes}
        for kind, place in [(kind, place) for (kind, _), places in report.found.items() for place in places]:
            if kind not in known:
                self.add(kind, place)
        report.found = {}

    @property
    def n_problems(self):
        """int: number of places with a problem."""
        return sum(map(len, self.problems.values()))

    def to_dict(self):
        """Json-able form."""
        return {
            'ok': not self.problems,
            'counts': self.counts,
            'problems': self.problems,
            'notes': self.notes,
        }


def describe_kind(kind):
    """What a kind of problem or note means."""
    return NOTES.get(kind) or MORE_KINDS.get(kind) or what_is_wrong(kind)


def count_tracks(tracks, dataset):
    """Numbers of videos, frames, categories, tracks and masks (dict)."""
    kinds = tracks.masks.kind[owners(tracks.span)[0]]
    lengths = [video[2] or 0 for video in dataset.videos.values()]
    return {
        'videos': len(dataset.videos),
        'frames': sum(lengths),
        'categories': len(dataset.categories),
        'tracks': len(tracks),
        'masks': int((kinds != ABSENT).sum()),
    }
