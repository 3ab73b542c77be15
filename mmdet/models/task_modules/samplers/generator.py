"""Random numbers that depend on the image, not on the process."""

import numpy as np


def image_generator(data_sample, stream=1):
    """Random generator for one training image.

    Its seed is ``sample_seed`` of the image's metainfo, which follows from (seed, epoch, index); so draws do
    not depend on workers, ranks, or where a run was interrupted (docs/conventions.md, "Random choices").

    Args:
        data_sample (DetDataSample): one image.
        stream (int): 0 for the RPN, 1 for the box head, so that their draws differ.

    Returns:
        numpy.random.Generator | None: None if the image has no seed; samplers then use numpy's global state.
    """
    seed = data_sample.metainfo.get('sample_seed')
    return None if seed is None else np.random.default_rng((int(seed), stream))
