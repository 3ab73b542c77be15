"""The models that the goldens were recorded with."""

import numpy as np
import torch

from mmdet.registry import MODELS
from tests.model_configs import model_cfg, small_cfg

from .rules import fill_by_rule, load_json, load_npz, rule_tensor


def assert_same_proposals(got, want, atol):
    """Every box of one list is in the other: float noise may swap proposals of nearly equal scores.

    Args:
        got (InstanceData): bboxes and scores.
        want (np.ndarray): (k, 5) boxes and scores.
        atol (float): pixels.
    """
    assert len(got) == len(want)
    ours = np.asarray(got.bboxes)
    distance = np.abs(ours[:, None] - want[None, :, :4]).max(axis=2)
    assert distance.min(axis=0).max() <= atol
    assert distance.min(axis=1).max() <= atol
    np.testing.assert_allclose(got.scores, want[:, 4], rtol=1e-4, atol=1e-6)


def full_model():
    """The full model with the weights of the rule, and the gains that keep its activations in range."""
    return fill_by_rule(MODELS.build(model_cfg()), load_json('full_r50_train.json')['gains'])


def small_model():
    """The small trained model; its backbone convolutions follow the rule and are not stored."""
    model = MODELS.build(small_cfg())
    stored = load_npz('small_ckpt.npz')
    state = {
        key: torch.from_numpy(stored[key]) if key in stored else rule_tensor(key, tuple(shape))
        for key, shape, _ in load_json('small_state.json')
    }
    model.load_state_dict(state, strict=True)
    return model.eval()
