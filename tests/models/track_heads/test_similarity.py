"""One similarity: the track head's, in training and in testing, in float32."""

import copy

import pytest
import torch
from mmengine.model import BaseModule
from mmengine.structures import InstanceData
from torch.nn import functional as F

from mmdet.models.match_logits import in_float32
from mmdet.models.track_heads import TrackHead
from mmdet.models.trackers import MaskTrackTracker
from mmdet.registry import MODELS, TASK_UTILS
from tests.model_configs import tiny_cfg
from tests.models.tiny import training_batch

BOXES = [[5, 5, 40, 40], [50, 20, 85, 55]]
PAIR = ((BOXES, [1, 2]), (BOXES[::-1], [2, 3]))
SAME, LONG = [1.0, 0.0], [30.0, 40.0]  # LONG has the larger dot product with SAME, SAME the larger cosine


class CosineTrackHead(TrackHead):
    """Compares directions."""

    def similarity(self, embeddings, ref_embeddings):
        return super().similarity(20 * F.normalize(embeddings, dim=1), F.normalize(ref_embeddings, dim=1))


def identify(model, embeddings):
    """Identities that the model's tracker gives to equal boxes with these embeddings."""
    count = len(embeddings)
    boxes, scores = torch.tensor([[0.0, 0, 9, 9]] * count), torch.full((count,), 0.9)
    return model.tracker.track('a', 0, boxes, scores, torch.zeros(count, dtype=torch.int64), embeddings)


@pytest.fixture
def cosine_model():
    MODELS.register_module(module=CosineTrackHead, force=True)
    cfg = tiny_cfg()
    cfg['track_head']['type'] = 'CosineTrackHead'
    yield MODELS.build(cfg)
    MODELS.module_dict.pop('CosineTrackHead')


def identity_head(kind, length):
    """A track head whose embeddings are its input."""
    head = kind(num_fcs=1, in_channels=length, roi_feat_size=1, fc_out_channels=length)
    with torch.no_grad():
        head.fcs[0].weight.copy_(torch.eye(length))
        head.fcs[0].bias.zero_()
    return head


def test_a_similarity_without_the_column_for_new_objects_is_refused():
    with pytest.raises(ValueError, match=r'\(n, m \+ 1\) = \(2, 4\) logits with column 0 .*, got \(2, 3\)'):
        in_float32(lambda a, b: a @ b.t(), torch.ones(2, 5), torch.ones(3, 5))


def test_any_tracker_gets_the_similarity_in_float32():
    class Own:
        similarity = None

        def reset(self, video_id=None):
            pass

    TASK_UTILS.register_module(module=Own, force=True)
    try:
        model = MODELS.build(tiny_cfg(tracker=dict(type='Own')))
    finally:
        TASK_UTILS.module_dict.pop('Own')
    with torch.autocast('cpu', torch.bfloat16):
        assert model.tracker.similarity(torch.ones(2, 32), torch.ones(1, 32)).dtype == torch.float32


@pytest.mark.parametrize(
    'ids, got',
    [
        (torch.zeros(2), r'torch\.float32 \(2,\)'),
        ([0, 1], r'list \(\)'),
        (torch.tensor([1]), r'int64 \(1,\)'),
    ],
)
def test_identities_of_another_form_are_refused(ids, got):
    model = MODELS.build(tiny_cfg())
    model.tracker.track = lambda *_: ids
    found = InstanceData(
        bboxes=torch.rand(2, 4), scores=torch.rand(2), labels=torch.zeros(2, dtype=torch.int64)
    )
    with pytest.raises(ValueError, match=rf'track must return \(2,\) int64 identities, got .*{got}'):
        model.identify([found], [dict(video_id=1, frame_id=0)])


def test_an_overridden_similarity_changes_the_loss():
    features = torch.tensor([SAME])[..., None, None], torch.tensor([SAME, LONG])[..., None, None]
    for kind, want in ((TrackHead, [0.0, 1.0, 30.0]), (CosineTrackHead, [0.0, 20.0, 12.0])):
        head = identity_head(kind, 2)
        logits = head(*features, [1], [2])
        assert logits[0].tolist() == [want]
        loss = head.loss(logits, [torch.tensor([1])])['loss_match']
        torch.testing.assert_close(loss, -torch.tensor(want).log_softmax(0)[1])
        head.loss_weight = 0.25
        torch.testing.assert_close(head.loss(logits, [torch.tensor([1])])['loss_match'], 0.25 * loss)


def test_an_overridden_similarity_changes_the_loss_of_the_detector(cosine_model):
    plain = MODELS.build(tiny_cfg())
    plain.init_weights()
    cosine_model.load_state_dict(plain.state_dict())
    losses = []
    for model in (plain, cosine_model):
        batch = model.data_preprocessor(training_batch(PAIR), True)
        losses.append(model(**batch, mode='loss')['loss_match'].item())
    assert losses[0] != losses[1]


def test_a_nan_embedding_reaches_the_loss():
    """Testing goes on with a NaN; training must not, so that the guard of the runner sees it."""
    head = identity_head(TrackHead, 2)
    features = torch.tensor([[float('nan'), 0.0]])[..., None, None]
    logits = head(features, features, [1], [1])
    assert head.loss(logits, [torch.tensor([1])])['loss_match'].isnan()


def test_an_overridden_similarity_changes_identities_in_testing(cosine_model):
    plain = MODELS.build(tiny_cfg())
    remembered, seen = torch.tensor([SAME, LONG]), torch.tensor([SAME])
    for model, identity in ((plain, 1), (cosine_model, 0)):
        assert identify(model, remembered).tolist() == [0, 1]
        assert identify(model, seen).tolist() == [identity]


def test_a_copied_model_tracks_by_its_own_head(cosine_model):
    """Weight averaging copies models; the copy must not compare by the head of the original."""
    copied = copy.deepcopy(cosine_model)
    assert copied.tracker.similarity.args[0].__self__ is copied.track_head is not cosine_model.track_head


def test_a_head_without_similarity_is_refused():
    class PlainHead(BaseModule):
        in_channels, roi_feat_size = 32, 7

    with pytest.raises(AttributeError, match="'PlainHead' object has no attribute 'similarity'"):
        MODELS.build(tiny_cfg(track_head=dict(type=PlainHead)))


def test_a_tracker_keeps_a_similarity_of_its_own():
    class OwnTracker(MaskTrackTracker):
        def similarity(self, embeddings, ref_embeddings):
            return torch.tensor([[0.0, 5.0, 0.0]]).expand(len(embeddings), 3)

    model = MODELS.build(tiny_cfg(tracker=dict(type=OwnTracker)))
    identify(model, torch.tensor([SAME, LONG]))
    assert identify(model, torch.tensor([LONG])).tolist() == [0]


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_long_embeddings_give_finite_logits_under_autocast(dtype):
    """1024 numbers of rms 9 have dot products above 65,504, the largest number of float16."""
    head = identity_head(TrackHead, 1024)
    features = torch.full((2, 1024, 1, 1), 9.0)
    with torch.autocast('cpu', dtype=dtype):
        logits = head(features, features, [2], [2])
        loss = head.loss(logits, [torch.tensor([1, 2])])['loss_match']
    assert logits[0].dtype == torch.float32
    assert logits[0][0].tolist() == [0.0, 82944.0, 82944.0]
    assert torch.isfinite(loss)
    loss.backward()
    assert torch.isfinite(head.fcs[0].weight.grad).all()


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_a_tracker_matches_half_precision_embeddings_in_float32(dtype):
    tracker = MaskTrackTracker(match_coeff=None)
    seen = {}

    def similarity(embeddings, ref_embeddings):
        seen.update(dtypes={embeddings.dtype, ref_embeddings.dtype}, logits=embeddings @ ref_embeddings.t())
        return F.pad(seen['logits'], (1, 0))

    tracker.similarity = similarity
    boxes, scores, labels = torch.zeros((2, 4)), torch.ones(2), torch.zeros(2, dtype=torch.int64)
    embeddings = torch.stack([torch.full((1024,), 9.0), torch.full((1024,), -9.0)]).to(dtype)
    with torch.autocast('cpu', dtype=dtype):
        for _ in range(2):
            ids = tracker.track('a', 0, boxes, scores, labels, embeddings)
    assert ids.tolist() == [0, 1]
    assert seen['dtypes'] == {torch.float32}
    assert seen['logits'].tolist() == [[82944.0, -82944.0], [-82944.0, 82944.0]]
