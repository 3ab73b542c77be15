import pytest

from mmdet.structures import COCO_CLASSES, OVIS_CLASSES, YTVIS_2019_CLASSES, YTVIS_2021_CLASSES


@pytest.mark.parametrize(
    ('names', 'count', 'first', 'last'),
    [
        (YTVIS_2019_CLASSES, 40, 'person', 'tennis_racket'),
        (YTVIS_2021_CLASSES, 40, 'airplane', 'zebra'),
        (OVIS_CLASSES, 25, 'Person', 'Vehicle'),
        (COCO_CLASSES, 80, 'person', 'toothbrush'),
    ],
)
def test_lists_are_complete(names, count, first, last):
    assert len(names) == len(set(names)) == count
    assert (names[0], names[-1]) == (first, last)


def test_official_ids_of_some_categories():
    """id - 1 is the place in the list."""
    assert [YTVIS_2019_CLASSES.index(n) + 1 for n in ('giant_panda', 'sedan', 'train', 'earless_seal')] == [
        2,
        6,
        17,
        39,
    ]
    assert [YTVIS_2021_CLASSES.index(n) + 1 for n in ('car', 'flying_disc', 'person', 'whale')] == [
        5,
        14,
        26,
        39,
    ]
    assert [OVIS_CLASSES.index(n) + 1 for n in ('Poultry', 'Giant_panda', 'Bicycle')] == [12, 13, 21]
    assert COCO_CLASSES.index('stop sign') == 11


def test_2021_is_sorted_and_differs_from_2019():
    assert list(YTVIS_2021_CLASSES) == sorted(YTVIS_2021_CLASSES)
    assert set(YTVIS_2021_CLASSES) - set(YTVIS_2019_CLASSES) == {
        'bird',
        'car',
        'flying_disc',
        'squirrel',
        'whale',
    }
