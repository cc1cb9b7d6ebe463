import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from deadpan.data.dataset import Clip, Dataset
from deadpan.data.normalization import LIMIT, fit_normalizer
from deadpan.errors import DataError


def clip(**sequences):
    arrays_ = {m: np.array(x, np.float32).reshape(len(x), -1) for m, x in sequences.items()}
    return Clip(id="c", sequences=arrays_, label=np.zeros(1, np.float32))


def scaled(normalizer, one):
    widths = {m: x.shape[1] for m, x in one.sequences.items()}
    toy = Dataset(
        name="toy", task="regression", labels=("s",), widths=widths, splits={"test": [one]}
    )
    return {m: x.ravel().tolist() for m, x in normalizer(toy)["test"][0].sequences.items()}


def test_robust_is_median_and_quartiles():
    # Sorted 0 2 4 6 100: quartiles 2 and 6, median 4; the outlier moves neither.
    normalizer = fit_normalizer([clip(audio=[100, 0, 4, 2, 6])], {"audio": 1}, "robust")
    assert normalizer.centers["audio"].tolist() == [4]
    assert normalizer.scales["audio"].tolist() == pytest.approx([4 / 1.349])
    assert scaled(normalizer, clip(audio=[4, 6]))["audio"] == pytest.approx([0, 2 * 1.349 / 4])


def test_standard_is_mean_and_deviation():
    normalizer = fit_normalizer([clip(audio=[1, 3]), clip(audio=[1, 3])], {"audio": 1}, "standard")
    assert scaled(normalizer, clip(audio=[2, 4]))["audio"] == [0, 2]


def test_none_changes_nothing():
    normalizer = fit_normalizer([clip(audio=[1, 3])], {"audio": 1}, "none")
    assert scaled(normalizer, clip(audio=[1e6, -3]))["audio"] == [1e6, -3]


def test_all_steps_of_all_clips_count_alike():
    normalizer = fit_normalizer([clip(audio=[0]), clip(audio=[4, 4, 4])], {"audio": 1}, "standard")
    assert normalizer.centers["audio"].tolist() == [3]


def test_where_the_quartiles_coincide_the_deviation_scales():
    # Zero in 4 of 5 steps, as action units are: deviation of 0 0 0 0 5 is 2.
    normalizer = fit_normalizer([clip(vision=[0, 0, 0, 0, 5])], {"vision": 1}, "robust")
    assert normalizer.scales["vision"].tolist() == [2]
    assert scaled(normalizer, clip(vision=[5]))["vision"] == [2.5]


@pytest.mark.parametrize("method", ["robust", "standard"])
def test_a_constant_feature_becomes_zero(method):
    normalizer = fit_normalizer([clip(audio=[7, 7, 7])], {"audio": 1}, method)
    assert scaled(normalizer, clip(audio=[7, 8]))["audio"] == [0, 1]


@pytest.mark.parametrize("name", ["text", "audio"])
def test_what_is_unscaled_is_left_alone_whatever_its_name(name):
    clips, widths = [clip(text=[1, 100], audio=[1, 2])], {"text": 1, "audio": 1}
    normalizer = fit_normalizer(clips, widths, "robust", unscaled=[name])
    assert set(normalizer.centers) == set(normalizer.scales) == widths.keys() - {name}
    assert scaled(normalizer, clip(**{name: [50, 1e6]}))[name] == [50, 1e6]
    assert set(fit_normalizer(clips, widths, "robust").centers) == widths.keys()


@pytest.mark.parametrize("method", ["robust", "standard"])
def test_outliers_are_cut_on_both_sides(method):
    normalizer = fit_normalizer([clip(audio=[0, 1, 2, 3, 4])], {"audio": 1}, method)
    assert scaled(normalizer, clip(audio=[1e9, -1e9]))["audio"] == [LIMIT, -LIMIT]


def test_features_are_scaled_each_by_itself():
    x = np.array([[0, 10], [2, 10], [4, 40]], np.float32)
    normalizer = fit_normalizer([clip(audio=x)], {"audio": 2}, "robust")
    assert normalizer.centers["audio"].tolist() == [2, 10]
    assert normalizer.scales["audio"].tolist() == pytest.approx([2 / 1.349, 15 / 1.349])


def test_a_modality_no_training_clip_has_stays_as_it_is():
    normalizer = fit_normalizer([clip(audio=[1, 2])], {"audio": 1, "vision": 1}, "robust")
    assert scaled(normalizer, clip(vision=[9]))["vision"] == [9]


def test_only_what_it_is_given_is_learned_from_and_every_split_is_scaled():
    train, test = clip(audio=[0, 2]), clip(audio=[1000, 2000])
    toy = Dataset(
        name="toy",
        task="regression",
        labels=("s",),
        widths={"audio": 1},
        splits={"train": [train], "test": [test]},
    )
    normalizer = fit_normalizer(toy["train"], toy.widths, "standard")
    other = dataclasses.replace(toy, splits={"train": [train], "test": [clip(audio=[-5])]})
    assert normalizer.centers["audio"].tolist() == [1]
    assert normalizer(toy)["train"][0].sequences["audio"].ravel().tolist() == [-1, 1]
    assert normalizer(other)["train"][0].sequences["audio"].ravel().tolist() == [-1, 1]
    assert normalizer(toy)["test"][0].sequences["audio"].ravel().tolist() == [LIMIT, LIMIT]
    assert train.sequences["audio"].ravel().tolist() == [0, 2]  # the original stands


@given(
    arrays(
        np.float32,
        st.tuples(st.integers(1, 30), st.just(3)),
        elements=st.floats(-1e6, 1e6, width=32),
    ),
    st.sampled_from(["robust", "standard", "none"]),
)
def test_scales_are_positive_and_results_finite_float32(x, method):
    normalizer = fit_normalizer([clip(audio=x)], {"audio": 3}, method)
    assert all((scale > 0).all() for scale in normalizer.scales.values())
    toy = Dataset(
        name="toy",
        task="regression",
        labels=("s",),
        widths={"audio": 3},
        splits={"train": [clip(audio=x)]},
    )
    out = normalizer(toy)["train"][0].sequences["audio"]
    assert out.dtype == np.float32
    assert np.isfinite(out).all()
    assert method == "none" or np.abs(out).max() <= LIMIT


def of(group, **sequences):
    return dataclasses.replace(clip(**sequences), group=group)


def test_group_takes_each_speakers_own_median_first():
    high, low = of("a", audio=[101, 103]), of("b", audio=[1, 2, 3])
    normalizer = fit_normalizer([high, low], {"audio": 1}, "group", unscaled=["text"])
    # Centered: -1 1 and -1 0 1; sorted -1 -1 0 1 1: quartiles -1 and 1.
    assert normalizer.centers["audio"].tolist() == [0]
    assert normalizer.scales["audio"].tolist() == pytest.approx([2 / 1.349])
    stranger = of("c", audio=[50, 52], text=[9])
    found = scaled(normalizer, stranger)
    assert found["audio"] == pytest.approx([-1.349 / 2, 1.349 / 2])
    assert found["text"] == [9]


def test_group_needs_to_know_the_group():
    with pytest.raises(DataError, match="clip 'c': its speaker or video is not known; use"):
        fit_normalizer([clip(audio=[1, 2])], {"audio": 1}, "group")


def test_clips_that_share_a_sequence_share_what_it_is_scaled_to():
    one = clip(audio=[1, 3], vision=[1, 3])
    other = dataclasses.replace(one, id="d")
    alone = clip(audio=[1, 3], vision=[1, 3])
    normalizer = fit_normalizer([one], {"audio": 1, "vision": 1}, "standard")
    toy = Dataset(
        name="toy", task="regression", labels=("s",), widths={"audio": 1, "vision": 1},
        splits={"train": [one, alone], "test": [other]},
    )  # fmt: skip
    made = normalizer(toy)
    first, second, third = *made["train"], *made["test"]
    for name in ("audio", "vision"):
        assert first.sequences[name] is third.sequences[name]
        assert first.sequences[name] is not second.sequences[name]
        assert np.array_equal(first.sequences[name], second.sequences[name])
    assert one.sequences["audio"].tolist() == [[1], [3]]


def test_clips_of_a_group_that_share_a_sequence_share_what_it_is_centered_to():
    one = of("a", audio=[1, 3])
    clips = [one, dataclasses.replace(one, id="d"), dataclasses.replace(one, group="b")]
    toy = Dataset(
        name="toy", task="regression", labels=("s",), widths={"audio": 1},
        splits={"train": [*clips, of("b", audio=[5, 7, 9])]},
    )  # fmt: skip
    made = fit_normalizer(toy["train"], toy.widths, "group")(toy)["train"]
    same, again, other, _ = (x.sequences["audio"] for x in made)
    assert same is again
    assert same.ravel().tolist() != other.ravel().tolist()
