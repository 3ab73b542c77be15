from types import SimpleNamespace

import numpy as np
import pytest
from torch.utils.data import BatchSampler

from mmdet.datasets import GroupSampler, SampleIndex, VideoBatchSampler, VideoSampler
from mmdet.datasets.samplers import split_videos
from mmdet.registry import DATA_SAMPLERS


class Items:
    """As much of a dataset as samplers look at."""

    def __init__(self, flags=(), slices=()):
        self.group_flags = np.array(flags, np.uint8)
        self.video_slices = list(slices)

    def __len__(self):
        return len(self.group_flags)


FLAGS = [1] * 7 + [0] * 4 + [1] * 6


def order(sampler):
    return [sample.index for sample in sampler]


@pytest.mark.parametrize('batch_size', [1, 2, 3, 4])
@pytest.mark.parametrize('world_size', [1, 2, 3])
def test_batches_are_of_one_group_and_nothing_is_left_out(batch_size, world_size):
    seen = []
    for rank in range(world_size):
        sampler = GroupSampler(Items(FLAGS), batch_size, seed=1, rank=rank, world_size=world_size)
        batches = list(BatchSampler(sampler, batch_size, drop_last=False))
        assert len(batches) * batch_size == len(sampler)
        for batch in batches:
            assert len(batch) == batch_size
            assert len({FLAGS[sample.index] for sample in batch}) == 1
        seen += [sample.index for batch in batches for sample in batch]
    assert set(seen) == set(range(len(FLAGS)))
    assert len(seen) < len(FLAGS) + 2 * batch_size + batch_size * world_size


def test_ranks_share_out_what_one_rank_of_a_larger_batch_would_see():
    ranks = [list(GroupSampler(Items(FLAGS), 2, seed=1, rank=r, world_size=2)) for r in range(2)]
    assert len(ranks[0]) == len(ranks[1])
    both = GroupSampler(Items(FLAGS), 2, seed=1, rank=0, world_size=1)
    dealt = [
        batch for pair in zip(*(np.array(r)[:, 0].reshape(-1, 2).tolist() for r in ranks)) for batch in pair
    ]
    assert dealt[: len(both) // 2] == both.batches(0).tolist()


def test_order_depends_on_seed_and_epoch_alone():
    sampler = GroupSampler(Items(FLAGS), 2, seed=1)
    first = list(sampler)
    np.random.seed(5)
    assert list(sampler) == first == list(GroupSampler(Items(FLAGS), 2, seed=1))
    sampler.set_epoch(1)
    assert order(sampler) != [sample.index for sample in first]
    assert all(sample[1:] == (1, 1) for sample in sampler)
    assert order(GroupSampler(Items(FLAGS), 2, seed=2)) != [sample.index for sample in first]


def test_offset_resumes_inside_an_epoch_once():
    sampler = GroupSampler(Items(FLAGS), 2, seed=1, rank=1, world_size=2)
    sampler.set_epoch(3)
    whole = list(sampler)
    sampler.set_offset(3)
    assert list(sampler) == whole[6:]
    assert list(sampler) == whole
    assert len(sampler) == len(whole)
    sampler.set_offset(len(whole) // 2)
    assert list(sampler) == []
    for bad in (-1, len(whole) // 2 + 1):
        with pytest.raises(ValueError, match='offset must be between 0 and'):
            sampler.set_offset(bad)


def test_infinite_goes_on_with_the_next_epoch():
    sampler = GroupSampler(Items(FLAGS), 2, seed=1, infinite=True)
    sampler.set_offset(2)
    endless = iter(sampler)
    count = len(sampler)
    drawn = [next(endless) for _ in range(2 * count)]
    assert [sample.epoch for sample in drawn] == [0] * (count - 4) + [1] * count + [2] * 4
    plain = GroupSampler(Items(FLAGS), 2, seed=1)
    plain.set_epoch(1)
    assert drawn[count - 4 : 2 * count - 4] == list(plain)


def test_without_shuffling_file_order_is_kept():
    sampler = GroupSampler(Items([1, 0, 1, 0]), 2, seed=0, shuffle=False)
    assert order(sampler) == [1, 3, 0, 2]


def test_group_smaller_than_a_batch_is_repeated():
    sampler = GroupSampler(Items([1, 1, 1, 1, 0]), 4, seed=0)
    batches = sorted(sampler.batches(0).tolist(), key=set)
    assert [4, 4, 4, 4] in batches
    assert len(sampler) == 8


def test_bad_arguments():
    with pytest.raises(ValueError, match='empty'):
        GroupSampler(Items())
    with pytest.raises(ValueError, match='batch_size'):
        GroupSampler(Items([1]), 0)
    with pytest.raises(ValueError, match='drop_last'):
        VideoBatchSampler(Items(slices=[(0, 2)]), 1, drop_last=True)
    with pytest.raises(ValueError, match='batch_size'):
        VideoBatchSampler(Items(slices=[(0, 2)]), 0)


def test_sample_index_defaults():
    assert SampleIndex(3) == (3, 0, None)


@pytest.mark.parametrize('world_size', [1, 2, 3, 7])
@pytest.mark.parametrize('batch_size', [1, 4, 100])
def test_videos_never_split(batch_size, world_size):
    lengths = [5, 1, 9, 4, 4]
    ends = np.cumsum(lengths).tolist()
    dataset = Items(slices=zip([0, *ends], ends))
    video_of = np.repeat(range(5), lengths)
    owners, seen = {}, []
    for rank in range(world_size):
        plain = DATA_SAMPLERS.build(
            {'type': 'VideoSampler', 'dataset': dataset, 'seed': 0, 'rank': rank, 'world_size': world_size}
        )
        sampler = VideoBatchSampler(plain, batch_size, rank=rank, world_size=world_size)
        batches = list(sampler)
        assert len(batches) == len(sampler)
        assert [index for batch in batches for index in batch] == list(plain)
        assert len(list(plain)) == len(plain)
        for batch in batches:
            assert batch == list(range(batch[0], batch[-1] + 1))
            assert len(batch) <= batch_size
            (video,) = set(video_of[batch].tolist())
            assert owners.setdefault(video, rank) == rank
        seen += [index for batch in batches for index in batch]
    assert sorted(seen) == list(range(sum(lengths)))


def test_batches_are_filled_with_videos_of_the_same_size():
    dataset = Items(slices=[(0, 3), (3, 5), (5, 5), (5, 6), (6, 8)])
    dataset.video_sizes = [(4, 8), (4, 8), (4, 8), (8, 4), (4, 8)]
    sampler = VideoBatchSampler(dataset, 4)
    assert list(sampler) == [[0, 1, 2, 3], [4], [5], [6, 7]] and len(sampler) == 4
    parts = [list(VideoBatchSampler(dataset, 4, rank=rank, world_size=2)) for rank in (0, 1)]
    assert parts == [[[0, 1, 2], [5]], [[3, 4, 6, 7]]]


def test_frames_are_balanced_over_ranks():
    rng = np.random.default_rng(0)
    lengths = rng.integers(5, 37, 100).tolist()
    shares = split_videos(lengths, 4)
    loads = [sum(lengths[video] for video in share) for share in shares]
    assert max(loads) - min(loads) <= max(lengths)
    assert sorted(video for share in shares for video in share) == list(range(100))


def test_batch_sampler_reads_the_data_set_of_any_sampler():
    dataset = Items(slices=[(0, 3), (3, 5)])
    sampler = SimpleNamespace(dataset=dataset)
    assert list(VideoBatchSampler(sampler, 2)) == [[0, 1], [2], [3, 4]]
    assert list(VideoSampler(dataset)) == [0, 1, 2, 3, 4]
