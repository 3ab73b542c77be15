"""Random numbers that belong to an image, not to a process."""

import numpy as np


def image_generator(data_sample, stream=1):
    """The generator that every draw for one training image comes from.

    Its seed is ``sample_seed`` of the image's metainfo, which follows from (seed, epoch, index); so the draws
    do not depend on workers, ranks, or where a run was cut.

    Args:
        data_sample (DetDataSample): one image.
        stream (int): draws of different stages must not repeat each other: 0 for the RPN, 1 for the box head.

    Returns:
        numpy.random.Generator | None: None if the image carries no seed; samplers then use numpy's own.
    """
    seed = data_sample.metainfo.get('sample_seed')
    return None if seed is None else np.random.default_rng((int(seed), stream))
