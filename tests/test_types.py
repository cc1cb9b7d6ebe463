import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deadpan.types import AUDIO, MODALITIES, TEXT, VISION, Batch, Output, in_order


def test_text_audio_vision_then_the_alphabet():
    assert in_order(["vision", "zeta", "audio", "eeg", "text"]) == (
        TEXT,
        AUDIO,
        VISION,
        "eeg",
        "zeta",
    )
    assert in_order([]) == ()


@given(st.lists(st.sampled_from([*MODALITIES, "eeg", "gaze"])))
def test_order_depends_on_names_alone(names):
    ordered = in_order(names)
    assert ordered == in_order(reversed(names)) == in_order(ordered)
    assert sorted(ordered) == sorted(set(names))


def test_a_batch_counts_its_clips_and_moves_as_one():
    batch = Batch(
        ids=("a", "b"),
        sequences={TEXT: torch.zeros(2, 3, 4)},
        masks={TEXT: torch.ones(2, 3, dtype=torch.bool)},
        labels=torch.zeros(2, 1),
    )
    assert len(batch) == 2
    moved = batch.to(torch.device("meta"))
    assert moved.ids == batch.ids
    tensors = [*moved.sequences.values(), *moved.masks.values(), moved.labels]
    assert {x.device.type for x in tensors} == {"meta"}
    assert [x.shape for x in tensors] == [(2, 3, 4), (2, 3), (2, 1)]


def test_outputs_do_not_share_their_losses():
    first, second = (Output(prediction=torch.zeros(1, 1)) for _ in range(2))
    assert (first.losses, first.gate) == ({}, None)
    assert first.losses is not second.losses


@pytest.mark.parametrize("field", ["ids", "sequences", "masks", "labels"])
def test_a_batch_has_no_defaults(field):
    given_fields = {
        "ids": (),
        "sequences": {},
        "masks": {},
        "labels": torch.zeros(0, 1),
    }
    with pytest.raises(TypeError, match=field):
        Batch(**{name: value for name, value in given_fields.items() if name != field})
