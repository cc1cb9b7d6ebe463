"""Data sets of every shape there can be, and what it means that two are the same."""

import dataclasses
from contextlib import contextmanager

import jaxtyping
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from deadpan.data.dataset import Clip, Dataset, Padding, Truth
from deadpan.types import SPLITS

NAMES = st.sampled_from(
    ["text", "audio", "vision", "brain", "a b/c", "times.text", "é", '"\n\\', ""]
)
TEXTS = st.text(max_size=8)
# Beyond this a deviation is no float32 any more, in training as in a store.
FEATURES = st.floats(-(2.0**100), 2.0**100, width=32)
SECONDS = st.floats(0, 1e4, width=16)


def labels(task, count):
    one_hot = st.sampled_from(list(np.eye(count, dtype=np.float32)))
    number = {"regression": st.floats(-3, 3, width=32), "scores": FEATURES}.get(task, st.just(0.0))
    return {"classes": one_hot}.get(
        task,
        arrays(
            np.float32, count, elements=st.sampled_from([0, 1]) if task == "emotions" else number
        ),
    )


def per(names, values):
    return st.dictionaries(st.sampled_from(names), values) if names else st.just({})


@st.composite
def clips(draw, task, widths, count, dtypes):
    def rows(width, dtype, elements):
        shape = (draw(st.integers(0, 4)), width)
        return draw(arrays(dtype, shape, elements=elements))

    names = list(widths)
    sequences = {m: rows(widths[m], np.float32, FEATURES) for m in names if draw(st.booleans())}
    truth = st.fixed_dictionaries(
        {
            "kind": TEXTS,
            "score": st.floats(-1, 1),
            "tendencies": per(names, st.floats(-1, 1)),
            "salient": per(names, st.lists(st.integers(0, 9), max_size=3).map(tuple)),
        }
    )
    return {
        "id": draw(TEXTS),
        "sequences": sequences,
        "label": draw(labels(task, count)),
        "group": draw(st.none() | TEXTS),
        "words": tuple(draw(st.lists(TEXTS, max_size=3))),
        "transcript": draw(TEXTS),
        "times": {
            m: draw(arrays(dtypes[m], (len(x), 2), elements=SECONDS))
            for m, x in sequences.items()
            if m in dtypes and draw(st.booleans())
        },
        "truth": draw(st.none() | truth),
    }


@st.composite
def fields(draw):
    """Of data sets of all tasks; any modality, split, truth, time or word may be missing."""
    task = draw(st.sampled_from(["regression", "emotions", "classes", "scores"]))
    count = 1 if task == "regression" else draw(st.integers(1, 3))
    widths = draw(st.dictionaries(NAMES, st.integers(1, 3), max_size=5))
    dtypes = draw(per(list(widths), st.sampled_from([np.float32, np.float64, np.float16])))
    several = st.lists(clips(task, widths, count, dtypes), max_size=3)
    padding = st.tuples(st.sampled_from(["left", "right", "both", "none"]), st.floats(0, 1))
    return {
        "name": draw(TEXTS),
        "task": task,
        "labels": tuple(draw(st.lists(TEXTS, min_size=count, max_size=count))),
        "widths": widths,
        "splits": draw(st.dictionaries(st.sampled_from(SPLITS), several)),
        "layout": draw(TEXTS),
        "padding": draw(per(list(widths), padding)),
        "repairs": draw(st.dictionaries(TEXTS, st.integers(0, 2**40))),
        "warnings": tuple(draw(st.lists(TEXTS, max_size=2))),
    }


def build_dataset(values):
    """The data set of drawn fields: here, as hypothesis lets nobody use chance while it draws."""
    splits = {
        name: [
            Clip(**{**clip, "id": f"{i} {clip['id']}", "truth": truth and Truth(**truth)})
            for i, clip in enumerate(several)
            for truth in [clip["truth"]]
        ]
        for name, several in values["splits"].items()
    }
    padding = {name: Padding(side=x[0], share=x[1]) for name, x in values["padding"].items()}
    return Dataset(**{**values, "splits": splits, "padding": padding})


def toy(**changes):
    """Four clips with a little of everything."""

    def clip(index, **more):
        text = np.arange(6, dtype=np.float32).reshape(2, 3) + index
        return Clip(
            id=f"v{index}_1",
            sequences={"text": text, "audio": text[:1, :2]} if index else {"audio": text[:, :2]},
            label=np.array([index / 2], np.float32),
            group=f"v{index}",
            words=("so", "good") if index else (),
            times={"text": np.array([[0, 0.5], [0.5, 1]])} if index else {},
            **more,
        )

    truth = Truth(kind="sarcasm", score=-0.5, tendencies={"text": 0.5}, salient={"text": (0, 1)})
    values = {
        "name": "toy",
        "task": "regression",
        "labels": ("sentiment",),
        "widths": {"text": 3, "audio": 2},
        "splits": {"train": [clip(0), clip(1, truth=truth)], "valid": [clip(2)], "test": [clip(3)]},
        "layout": "a toy",
        "padding": {"text": Padding(side="left", share=0.25)},
        "repairs": {"audio: -inf set to 0": 2},
        "warnings": ("beware",),
    }
    return Dataset(**{**values, **changes})


@contextmanager
def unchecked():
    """Without the type checker, which takes a clip at random and hides why it is refused."""
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)


def assert_same(one, other):
    """Equal field by field, arrays in type, shape and bytes."""
    assert list(one.widths.items()) == list(other.widths.items())
    assert list(one.splits) == list(other.splits)
    for name, field in plain(one).items():
        assert plain(other)[name] == field
    for split in one.splits:
        assert len(one[split]) == len(other[split])
        for a, b in zip(one[split], other[split], strict=True):
            assert plain(a) == plain(b)


def plain(value):
    """Fields as values that can be compared; without the clips of a data set."""
    fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    fields.pop("splits", None)
    return {name: flat(field) for name, field in fields.items()}


def flat(field):
    if isinstance(field, np.ndarray):
        return field.dtype, field.shape, field.tobytes()
    return {k: flat(x) for k, x in field.items()} if isinstance(field, dict) else field
