import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deadpan.data.containers.unpickling import read_pickle
from deadpan.data.corpora.corpus import standard_folds
from deadpan.data.formats.csd.dataset import csd_dataset
from deadpan.data.formats.mult import mult_dataset
from deadpan.errors import DataError
from deadpan.types import SPLITS

from ....refusals import refusal_of
from .computational_sequences import in_a_row, write_csd

ROOTS = {
    "text": "glove_vectors",
    "audio": "COVAREP",
    "vision": "FACET_4.2",
    "labels": "Opinion Segment Labels",
}


def write(folder, *, words=None, **data):
    """A file per modality: two segments of a video, three words, six frames of one second."""
    rows = {
        "text": {"v": (np.eye(3), in_a_row(0, 2, 4, 6))},
        "audio": {"v": (np.arange(12.0).reshape(6, 2), in_a_row(*range(7)))},
        "vision": {"v": (np.ones((6, 1)), in_a_row(*range(7)))},
        "labels": {"v": ([[1.5], [-2]], [[3, 6], [0, 3]])},
        **data,
    }
    for role, root in ROOTS.items():
        if rows[role] is not None:
            write_csd(folder / f"{role}.csd", root, rows[role], compression="gzip")
    if words is not None:
        write_csd(folder / "words.csd", "words", words)


def clips_of(folder, **options):
    dataset = csd_dataset(folder, **options)
    return {clip.id: clip for split in SPLITS for clip in dataset[split]}


def refusal(folder, **options):
    return refusal_of(str(folder), csd_dataset, folder, **options)


def test_segments_become_clips(tmp_path):
    write(tmp_path)
    dataset = csd_dataset(tmp_path)
    assert (dataset.task, dataset.labels) == ("regression", ("sentiment",))
    assert dataset.widths == {"text": 3, "audio": 2, "vision": 1}
    assert dataset.layout == "computational sequences of CMU-MultimodalSDK"
    assert "splits" in dataset.warnings[0]
    clips = clips_of(tmp_path)
    assert sorted(clips) == ["v_0", "v_1"]  # in order of time, whatever the order of the file
    first, second = clips["v_0"], clips["v_1"]
    assert (first.group, first.label.tolist(), second.label.tolist()) == ("v", [-2], [1.5])
    # The second word straddles the border at 3 s: it belongs to both, cut to each.
    assert first.sequences["text"].tolist() == np.eye(3)[:2].tolist()
    assert first.times["text"].tolist() == [[0, 2], [2, 3]]
    assert second.sequences["text"].tolist() == np.eye(3)[1:].tolist()
    assert second.times["text"].tolist() == [[0, 1], [1, 3]]
    assert second.sequences["audio"].tolist() == [[6, 7], [8, 9], [10, 11]]
    assert second.times["audio"].tolist() == [[0, 1], [1, 2], [2, 3]]


def test_aligned_to_words(tmp_path):
    write(tmp_path)
    first, second = (clips_of(tmp_path, align=True)[name] for name in ("v_0", "v_1"))
    # As the SDK does, a word at the border has the mean of all its frames, 2 to 4 s.
    assert first.sequences["audio"].tolist() == [[1, 2], [5, 6]]
    assert second.sequences["audio"].tolist() == [[5, 6], [9, 10]]
    assert first.times["audio"].tolist() == first.times["text"].tolist() == [[0, 2], [2, 3]]
    assert clips_of(tmp_path, align=True, collapse="max")["v_0"].sequences["audio"][0].tolist() == [
        2,
        3,
    ]


def test_words_without_frames_are_zeros_and_counted(tmp_path):
    write(tmp_path, audio={"v": ([[1.0], [3.0]], in_a_row(0, 1, 2))})
    dataset = csd_dataset(tmp_path, align=True)
    first, second = (clips_of(tmp_path, align=True)[name] for name in ("v_0", "v_1"))
    assert first.sequences["audio"].tolist() == [[2], [0]]
    assert "audio" not in second.sequences  # no word of it has a frame
    assert dataset.repairs == {"audio: words without a step set to 0": 1}
    assert "1 clips have no audio" in dataset.warnings


def test_pieces_are_matched_by_their_number(tmp_path):
    # As the SDK writes aligned data; the pieces overlap in time and yet do not mix.
    spans = {"v[4]": [[0, 2]], "v[7]": [[1, 3]]}
    labels = {key: ([[i]], span) for i, (key, span) in enumerate(spans.items())}
    text = {key: ([[i + 1.0]], span) for i, (key, span) in enumerate(spans.items())}
    write(tmp_path, labels=labels, text=text)
    clips = clips_of(tmp_path)
    assert sorted(clips) == ["v_4", "v_7"]
    assert [clips[name].sequences["text"].tolist() for name in ("v_4", "v_7")] == [[[1]], [[2]]]
    assert len(clips["v_7"].sequences["audio"]) == 2  # of the whole video, by time


def test_pieces_of_a_stream_are_joined_for_whole_videos(tmp_path):
    text = {f"v[{i}]": ([[float(i)]], [[i / 2, i / 2 + 0.5]]) for i in range(12)}
    write(tmp_path, text=text)
    assert clips_of(tmp_path)["v_1"].sequences["text"].ravel().tolist() == [6, 7, 8, 9, 10, 11]


def test_words_are_kept_where_they_are_those_of_the_text(tmp_path):
    said = [["I"], ["sp"], ["do"], ["sp"], ["not"]]
    write(tmp_path, words={"v": (said, [[0, 2], [2, 2.5], [2, 4], [3, 3.5], [4, 6]])})
    dataset = csd_dataset(tmp_path)
    clips = clips_of(tmp_path)
    assert (clips["v_0"].words, clips["v_1"].words) == (("I", "do"), ("do", "not"))
    assert dataset.repairs == {"words: pauses ('sp') left out": 2}
    write(tmp_path, words={"v": ([["I"], ["do"], ["not"]], [[0, 2], [2, 4], [4.1, 6]])})
    clips = clips_of(tmp_path)
    assert (clips["v_0"].words, clips["v_1"].words) == (("I", "do"), ())
    assert "1 clips have words that are not those of the text: left out" in (
        csd_dataset(tmp_path).warnings
    )
    (tmp_path / "text.csd").unlink()
    assert clips_of(tmp_path)["v_0"].words == ()


def test_what_a_clip_lacks_is_counted(tmp_path):
    labels = {"v": ([[1], [2]], [[0, 3], [6, 9]]), "w": ([[0], [1]], [[0, 1], [1, 1]])}
    write(tmp_path, labels=labels)
    dataset = csd_dataset(tmp_path)
    clips = clips_of(tmp_path)
    assert sorted(clips) == ["v_0", "v_1", "w_0"]
    assert (clips["v_1"].sequences, clips["w_0"].sequences) == ({}, {})
    assert "1 segments are no longer than 1e-05 s; they were left out" in dataset.warnings
    for modality in ("text", "audio", "vision"):
        assert f"2 clips have no {modality}" in dataset.warnings


def test_features_that_are_not_finite_are_counted(tmp_path):
    audio = np.ones((6, 3))
    audio[0], audio[5, 0] = (-np.inf, np.nan, 1e300), np.inf
    audio.view(np.uint64)[0, 1] = 0x7FF4 << 48  # a NaN of the kind that signals
    write(tmp_path, audio={"v": (audio, in_a_row(*range(7)))})
    assert csd_dataset(tmp_path).repairs == {
        "audio: -inf set to 0": 1,
        "audio: +inf set to 0": 2,
        "audio: NaN set to 0": 1,
    }


steps = st.lists(st.integers(1, 8), min_size=1, max_size=9)


@given(segments=steps, lengths=st.lists(steps, min_size=3, max_size=3), seed=st.integers(0, 99))
def test_any_steps_come_back_in_their_segments(segments, lengths, seed, tmp_path_factory):
    # Segments and steps of whole quarters of a second, one after another from 0.
    folder = tmp_path_factory.mktemp("csd")
    rng = np.random.default_rng(seed)
    spans = in_a_row(*np.cumsum([0, *segments])) / 4
    labels = rng.integers(-3, 4, (len(spans), 1))
    streams = {}
    for modality, durations in zip(("text", "audio", "vision"), lengths, strict=True):
        intervals = in_a_row(*np.cumsum([0, *durations])) / 4
        streams[modality] = rng.normal(size=(len(intervals), 2)).astype(np.float32), intervals
    write(folder, labels={"v": (labels, spans)}, **{m: {"v": pair} for m, pair in streams.items()})
    clips = clips_of(folder)
    assert len(clips) == len(spans)
    for index, (start, end) in enumerate(spans):
        clip = clips[f"v_{index}"]
        assert clip.label == labels[index]
        for modality, (features, intervals) in streams.items():
            within = (intervals[:, 0] < end) & (intervals[:, 1] > start)
            if not within.any():
                assert modality not in clip.sequences
                continue
            np.testing.assert_array_equal(clip.sequences[modality], features[within])
            wanted = np.clip(intervals[within], start, end) - start
            np.testing.assert_array_equal(clip.times[modality], wanted)


def test_aligned_mosi_is_the_pickle(shared, tmp_path):
    path = shared / "data" / "mosi" / "mosi229_aligned.pkl"
    wanted = {
        clip.id: (split, clip)
        for split, clips in mult_dataset(path, read_pickle(path)).splits.items()
        for clip in clips
    }
    rng = np.random.default_rng(0)
    streams = {role: {} for role in ROOTS}
    at = dict.fromkeys((clip.group for _, clip in wanted.values()), 0.0)
    for _, clip in wanted.values():
        # A word lasts from 0.1 to 0.9 s and has 1 to 5 frames, each with the word's vector.
        count = len(clip.sequences["text"])
        edges = at[clip.group] + np.cumsum([0.1, *rng.uniform(0.1, 0.9, count)])
        at[clip.group] = edges[-1]
        key = f"{clip.group}[{clip.id.rpartition('_')[2]}]"
        streams["text"][key] = clip.sequences["text"], in_a_row(*edges)
        streams["labels"][key] = clip.label[None], edges[[0, -1]][None]
        for modality in ("audio", "vision"):
            frames = rng.integers(1, 6, count)
            between = [
                np.linspace(a, b, n + 1)
                for a, b, n in zip(edges[:-1], edges[1:], frames, strict=True)
            ]
            intervals = np.concatenate([in_a_row(*times) for times in between])
            streams[modality][key] = np.repeat(clip.sequences[modality], frames, 0), intervals
    for role, root in ROOTS.items():
        write_csd(tmp_path / f"{role}.csd", root, streams[role])
    dataset = csd_dataset(tmp_path, align=True)
    got = {clip.id: (split, clip) for split in SPLITS for clip in dataset[split]}
    assert set(got) == set(wanted)
    assert len(got) == 229
    assert dataset.repairs == {}
    folds = standard_folds("MOSI")
    for name, (_, clip) in wanted.items():
        split, mine = got[name]
        assert mine.group in folds[split]
        np.testing.assert_array_equal(mine.label, clip.label)
        for modality, x in clip.sequences.items():
            np.testing.assert_array_equal(mine.sequences[modality], x)


def test_splits_are_the_standard_folds(tmp_path):
    folds = standard_folds("MOSI")
    videos = {split: sorted(folds[split])[:3] for split in SPLITS}
    known = [video for names in videos.values() for video in names]
    labels = {video: ([[1]], [[0, 1]]) for video in [*known, "elsewhere"]}
    write(tmp_path, labels=labels)
    dataset = csd_dataset(tmp_path)
    assert {s: [c.group for c in dataset[s]] for s in SPLITS} == videos
    assert "1 clips are of videos in no fold; they were left out" in dataset.warnings
    assert not any("made by" in text for text in dataset.warnings)
    assert "none of its videos is in the folds of MOSEI" in refusal(tmp_path, corpus="MOSEI")
    text = refusal(tmp_path, corpus="MOSY")
    assert "unknown corpus with standard folds 'MOSY'; did you mean 'MOSI'?" in text


def test_labels_of_mosei(tmp_path):
    labels = np.array([[2.0, 0, 1, 0, 3, 0, 0], [-1, 0, 0, 0, 0, 0, 2]])
    write(tmp_path, labels={"v": (labels, [[0, 3], [3, 6]])})
    dataset = csd_dataset(tmp_path)
    assert (dataset.task, dataset.labels) == ("regression", ("sentiment",))
    assert clips_of(tmp_path)["v_1"].label.tolist() == [-1]
    assert "sentiment was taken: for the others give --data_options.labels happy" in str(
        dataset.warnings
    )
    dataset = csd_dataset(tmp_path, task="scores")
    assert (dataset.task, dataset.labels[:2]) == ("scores", ("sentiment", "happy"))
    assert clips_of(tmp_path, task="scores")["v_1"].label.tolist() == labels[1].tolist()
    assert csd_dataset(tmp_path, labels="fear, sad").labels == ("fear", "sad")
    assert csd_dataset(tmp_path, labels="labels.csd", column="fear, sad").labels == ("fear", "sad")
    one = csd_dataset(tmp_path, column="sentiment")
    assert (one.task, one.labels) == ("regression", ("sentiment",))
    assert clips_of(tmp_path, column="fear")["v_1"].label.tolist() == [2]
    assert "unknown label 'sentimnt'; did you mean 'sentiment'?" in refusal(
        tmp_path, column="sentimnt"
    )
    write_csd(
        tmp_path / "labels.csd",
        "All Labels",
        {"v": (labels[:, :2], [[0, 3], [3, 6]])},
        dimensions=["anger", "joy"],
    )
    assert csd_dataset(tmp_path).labels == ("anger", "joy")


def test_files_are_told_by_name_or_description(tmp_path):
    write(tmp_path, vision=None)
    data = {"v": (np.ones((6, 2)), in_a_row(*range(7)))}
    write_csd(tmp_path / "a.csd", "stream 1", data, description="OpenFace of every frame")
    write_csd(tmp_path / "b.csd", "gaze", data, description="")
    write_csd(tmp_path / "c.csd", "phones", {"v": ([["AH0"]], [[0, 1]])})
    dataset = csd_dataset(tmp_path)
    assert list(dataset.widths) == ["text", "audio", "vision", "gaze"]
    assert "files that were not used: c.csd" in dataset.warnings
    assert list(csd_dataset(tmp_path, vision="b.csd").widths) == ["text", "audio", "vision"]


def test_two_files_for_one_modality_need_a_choice(tmp_path):
    write(tmp_path)
    shutil.copy(tmp_path / "audio.csd", tmp_path / "other.csd")
    text = refusal(tmp_path)
    assert "audio.csd and other.csd both hold audio; give --data_options.audio FILE" in text
    for name in ("other.csd", "other"):
        assert "files that were not used: audio.csd" in csd_dataset(tmp_path, audio=name).warnings
    text = refusal(tmp_path, audio="othr.csd")
    assert "unknown computational sequence 'othr.csd'; did you mean 'other.csd'?" in text
    write_csd(tmp_path / "words.csd", "words", {"v": ([["a"]], [[0, 1]])})
    text = refusal(tmp_path, text="words.csd")
    assert "words.csd: holds texts; wanted a sequence of numbers" in text


def test_two_files_of_words_are_not_used(tmp_path):
    write(tmp_path, words={"v": ([["a"], ["b"], ["c"]], in_a_row(0, 2, 4, 6))})
    assert clips_of(tmp_path)["v_0"].words == ("a", "b")
    shutil.copy(tmp_path / "words.csd", tmp_path / "more.csd")
    assert clips_of(tmp_path)["v_0"].words == ()
    assert "files that were not used: more.csd, words.csd" in csd_dataset(tmp_path).warnings


def test_what_is_no_data_set_is_told(tmp_path):
    assert "holds no .csd file; give a folder of them" in refusal(tmp_path)
    assert "cannot be opened (No such file" in refusal(tmp_path / "absent")
    write(tmp_path)
    assert "audio.csd: is one computational sequence, and a data set is several" in (
        refusal(tmp_path / "audio.csd")
    )
    assert "unknown way to collapse 'men'; did you mean 'mean'?" in str(
        pytest.raises(DataError, csd_dataset, tmp_path, align=True, collapse="men").value
    )
    (tmp_path / "text.csd").unlink()
    assert "align needs word vectors" in refusal(tmp_path, align=True)
    (tmp_path / "labels.csd").unlink()
    text = refusal(tmp_path)
    assert "no .csd file holds labels (found audio.csd (COVAREP), vision.csd (FACET_4.2))" in text
    assert "--data_options.labels FILE" in text
    write(tmp_path, text=None, audio=None, vision=None)
    for name in ("text", "audio", "vision"):
        (tmp_path / f"{name}.csd").unlink(missing_ok=True)
    assert "no .csd file holds features (found labels.csd" in refusal(tmp_path)


def test_labels_that_cannot_be_used_are_named(tmp_path):
    write(tmp_path, labels={"v": ([[np.nan], [2]], [[0, 3], [3, 6]])})
    assert "1 labels are NaN (first: v_0)" in refusal(tmp_path)
    write(tmp_path, labels={"v": ([[1]], [[3, 3]])})
    assert "labels.csd: has no segments; wanted one or more" in refusal(tmp_path)


def test_damage_names_the_file(tmp_path):
    write(tmp_path)
    content = (tmp_path / "vision.csd").read_bytes()
    (tmp_path / "vision.csd").write_bytes(content[: len(content) // 2])
    assert "vision.csd: " in refusal(tmp_path)
    (tmp_path / "vision.csd").write_bytes(b"<html>404</html>")
    assert "vision.csd: is no HDF5 file" in refusal(tmp_path)
    write(tmp_path, vision={"v": (np.ones((2, 1)), [[0, 1], [2, 1]])})
    assert "vision.csd: '/FACET_4.2/data/v/intervals': step 1 is from 2 to 1" in refusal(tmp_path)
