"""Splits and subsets of a YouTube-VIS annotation file, by video."""

import hashlib
from fractions import Fraction

from mmdet.utils import UserError, suggest


def split_videos(category_ids_by_video, val_fraction='0.2', seed=0):
    """Divide videos into training and validation so that every category is distributed evenly.

    Iterative stratification (Sechidis, Tsoumakas and Vlahavas, 2011): the category with the fewest videos
    left goes first, and each of its videos goes to the side that lacks most of this category. A category with
    two or more videos should be on both sides. The result does not depend on the machine or on the order of
    the file: counts are exact fractions, and ties are broken by SHA-256 of seed and video id.

    Args:
        category_ids_by_video (dict): video id -> category ids of its objects.
        val_fraction (str | float | Fraction): share of the validation videos, between 0 and 1.
        seed (int): another seed gives another split.

    Returns:
        tuple[set, set]: ids of the training and of the validation videos; disjoint, together all.

    Raises:
        UserError: there are fewer than two videos, or the fraction is not between 0 and 1.
    """
    try:
        fraction = Fraction(str(val_fraction))
    except (ValueError, ZeroDivisionError):
        raise UserError(f'the validation fraction must be a number, got {val_fraction!r}') from None
    if not 0 < fraction < 1:
        raise UserError(f'the validation fraction must lie between 0 and 1, got {val_fraction}')
    total = len(category_ids_by_video)
    if total < 2:
        raise UserError(f'a split needs at least two videos, got {total}')
    order = sorted(category_ids_by_video, key=lambda video: _digest(seed, video))
    left = {video: sorted(set(category_ids_by_video[video])) for video in order}
    members = {}
    for video in order:
        for category in left[video]:
            members.setdefault(category, []).append(video)
    val_size = min(max(int(total * fraction + Fraction(1, 2)), 1), total - 1)
    room = {'train': total - val_size, 'val': val_size}
    need = {'train': {}, 'val': {}}
    for category, videos in members.items():
        count = len(videos)
        share = count * fraction
        if count > 1:
            share = min(max(share, Fraction(1)), Fraction(count - 1))
        need['val'][category], need['train'][category] = share, count - share
    sides = {'train': set(), 'val': set()}
    while left:
        counts = {c: n for c, videos in members.items() if (n := sum(v in left for v in videos))}
        rarest = min(counts, key=lambda category: (counts[category], category)) if counts else None
        for video in [v for v in members.get(rarest, order) if v in left]:
            side = _side(need, room, rarest, left[video], total)
            sides[side].add(video)
            room[side] -= 1
            for category in left.pop(video):
                need[side][category] -= 1
    return sides['train'], sides['val']


def _side(need, room, category, categories, total):
    """Side of the next video: the one that lacks most of ``category``, then of all its categories."""
    if not room['train'] or not room['val']:
        return 'train' if room['train'] else 'val'

    def lack(side):
        first = need[side].get(category, Fraction(0))
        return first, sum((need[side][c] for c in categories), Fraction(0)), Fraction(room[side], total)

    return 'val' if lack('val') > lack('train') else 'train'


def _digest(seed, video):
    # The text has the type of the id: 1 and "1" are different ids.
    return hashlib.sha256(f'{seed}:{type(video).__name__}:{video}'.encode()).hexdigest()


def subset(content, video_ids):
    """Copy of a file's content with some of the videos; order, categories and other keys are kept.

    Args:
        content (dict): parsed annotation file.
        video_ids (Container): videos to keep.

    Returns:
        dict: a new dict; its entries are shared with ``content``.
    """
    result = dict(content)
    result['videos'] = [video for video in content['videos'] if video['id'] in video_ids]
    if content.get('annotations') is not None:
        result['annotations'] = [a for a in content['annotations'] if a['video_id'] in video_ids]
    return result


def match_video_ids(wanted, videos, path='annotations'):
    """Find videos by their id as text or by the folder of their frames.

    Args:
        wanted (Sequence[str]): ids or folder names.
        videos (list[dict]): of the annotation file.
        path (str): what messages call the file.

    Returns:
        set: ids as in the file.

    Raises:
        UserError: names match no video (all are listed), or a name matches several.
    """
    by_name = {}
    for video in videos:
        folders = {name.rsplit('/', 1)[0] for name in video['file_names'] if '/' in name}
        for name in {str(video['id']), *folders}:
            by_name.setdefault(name, []).append(video['id'])
    unknown = [name for name in dict.fromkeys(wanted) if name not in by_name]
    if unknown:
        listed = ', '.join(map(repr, unknown[:50])) + (', ...' if len(unknown) > 50 else '')
        count = f' ({len(unknown)} of {len(wanted)} names)' if len(unknown) > 1 else ''
        raise UserError(f'{path} has no video {listed}{count}{suggest(unknown[0], by_name)}')
    found = set()
    for name in wanted:
        ids = by_name.get(name, [])
        # An id takes precedence over a folder with the same name.
        ids = [i for i in ids if str(i) == name] or ids
        if len(ids) > 1:
            raise UserError(f'{path}: {name!r} matches {len(ids)} videos, with the ids {ids[:5]}')
        found.add(ids[0])
    if not found:
        raise UserError('the list of videos is empty')
    return found
