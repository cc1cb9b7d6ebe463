from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import deadpan
from deadpan.data.dataset import fingerprint
from deadpan.data.formats.own.dataset import own_dataset
from deadpan.data.formats.own.feature_files import SUFFIXES
from deadpan.data.formats.own.folders import FeatureFolder
from deadpan.data.normalization import fit_normalizer
from deadpan.data.store.reading import store_dataset
from deadpan.data.store.writing import write_store
from deadpan.errors import DataError
from deadpan.types import SPLITS

from ....refusals import refusal_of

MMSA = "video_id,clip_id,text,label,mode\n"


@pytest.fixture
def home(tmp_path):
    """Three clips with a voice and a face."""
    folder = tmp_path / "mydata"
    for name in ("audio", "face"):
        (folder / name).mkdir(parents=True)
    table(folder, "id,label,split\na,-1.5,train\nb,0.5,valid\nc,2,test\n")
    for index, clip in enumerate("abc"):
        np.save(folder / "audio" / f"{clip}.npy", np.full((index + 1, 2), index, np.float32))
        (folder / "face" / f"{clip}.csv").write_text(f"start,end,smile\n0,0.5,{index}\n")
    return folder


def table(folder, content):
    (folder / "labels.csv").write_text(content, encoding="utf-8")


def refusal(path, **options):
    return refusal_of("", own_dataset, path, **options)


def clips_of(dataset):
    return {clip.id: clip for split in SPLITS for clip in dataset[split]}


def test_a_folder_of_files_is_a_data_set(home):
    dataset = own_dataset(home)
    assert (dataset.name, dataset.task, dataset.labels) == ("mydata", "regression", ("sentiment",))
    assert dataset.widths == {"audio": 2, "face": 1}
    assert [[clip.id for clip in dataset[name]] for name in SPLITS] == [["a"], ["b"], ["c"]]
    assert (dataset.repairs, dataset.warnings) == ({}, ())
    clip = dataset["test"][0]
    np.testing.assert_array_equal(clip.sequences["audio"], np.full((3, 2), 2, np.float32))
    assert clip.sequences["audio"].dtype == clip.sequences["face"].dtype == np.float32
    np.testing.assert_array_equal(clip.sequences["face"], [[2]])
    assert clip.times.keys() == {"face"}
    assert clip.times["face"].tolist() == [[0, 0.5]]
    assert clip.label.tolist() == [2]


def test_the_table_in_it_is_the_same_data_set(home):
    assert fingerprint(own_dataset(home / "labels.csv")) == fingerprint(own_dataset(home))


def test_the_folder_one_stands_in_names_the_data_set(home, monkeypatch):
    from pathlib import Path

    monkeypatch.chdir(home)
    assert own_dataset(Path()).name == "mydata"
    monkeypatch.chdir(home / "audio")
    assert own_dataset(Path("..")).name == "mydata"


def test_what_clips_lack_is_counted(home):
    (home / "audio" / "a.npy").unlink()
    np.save(home / "audio" / "b.npy", np.zeros((0, 2)))
    np.save(home / "audio" / "z.npy", np.zeros((1, 2)))
    (home / "face" / "b.csv").write_text("start,end,smile\n0,0.5,\n0.5,1,nan\n1,2,-inf\n")
    (home / "notes").mkdir()
    dataset = own_dataset(home)
    assert [list(clip.sequences) for clip in clips_of(dataset).values()] == [
        ["face"],
        ["face"],
        ["audio", "face"],
    ]
    assert dataset.repairs == {"face: NaN set to 0": 2, "face: -inf set to 0": 1}
    assert dataset.warnings == (
        f"folder 'notes' has no files of {', '.join(SUFFIXES)}: it was ignored",
        "1 clips have no file in 'audio' (first: 'a'): they lack audio",
        "1 files in 'audio' have no step (first: 'b.npy'): their clips lack audio",
        "1 files in 'audio' are of no clip in labels.csv (first: 'z.npy'): they were ignored",
    )


def test_transcripts_and_word_vectors_are_the_modality_text(home):
    table(home, "id,text,label,split\na,Good film,1.5,train\nb,...,-1,valid\nc,odd,0,test\n")
    (home / "glove.txt").write_text("good 1 2\nfilm 3 4\n")
    dataset = own_dataset(home, vectors=home / "glove.txt")
    assert dataset.widths == {"text": 2, "audio": 2, "face": 1}
    clips = clips_of(dataset)
    assert clips["a"].words == ("good", "film")
    assert clips["a"].transcript == "Good film"
    assert clips["a"].sequences["text"].tolist() == [[1, 2], [3, 4]]
    assert clips["b"].words == ()
    assert "text" not in clips["b"].sequences
    assert dataset.repairs == {"text: words without a vector set to 0": 1}
    assert dataset.unscaled == {"text": "word vectors"}
    assert dataset.warnings == ("1 clips have a transcript without words: they lack text",)


def test_the_name_of_a_modality_does_not_decide_how_it_is_scaled(home):
    (home / "audio").rename(home / "text")
    dataset = own_dataset(home)
    assert dataset.widths.keys() == {"text", "face"}
    assert dataset.unscaled == {}
    normalizer = fit_normalizer(
        dataset["train"], dataset.widths, "standard", unscaled=dataset.unscaled
    )
    assert normalizer.centers.keys() == {"text", "face"}


def test_an_option_names_what_is_not_scaled_and_inspect_says_so(home):
    (home / "audio").rename(home / "text")
    for names, unscaled in (("text", ["text"]), ("face, text", ["face", "text"])):
        facts = deadpan.inspect(home, unscaled=names)
        assert facts["unscaled"] == dict.fromkeys(unscaled, "data_options.unscaled")
    write_store(own_dataset(home, unscaled="face"), home / "store", source={})
    assert store_dataset(home / "store").unscaled == {"face": "data_options.unscaled"}
    (home / "text").rename(home / "audio")
    table(home, "id,text,label,split\na,Good film,1.5,train\nb,odd,-1,valid\n")
    (home / "glove.txt").write_text("good 1 2\nfilm 3 4\n")
    dataset = own_dataset(home, vectors=home / "glove.txt", unscaled="text,audio")
    assert dataset.unscaled == {"text": "word vectors", "audio": "data_options.unscaled"}


def test_what_is_not_scaled_must_be_a_modality(home):
    told = "unscaled: unknown modality 'fac'; did you mean 'face'? known: audio, face"
    assert told in refusal(home, unscaled="fac")


def test_a_folder_whose_name_no_model_takes_is_refused(home):
    (home / "audio").rename(home / "values")
    assert "values: no model takes a modality named 'values'; rename it" in refusal(home)


def test_transcripts_without_vectors_are_told(home):
    table(home, "id,text,label,split\na,Good film,1.5,train\n")
    assert own_dataset(home).warnings[-1] == (
        "the column text was not used; give --data_options.vectors glove.txt"
    )


def test_text_from_two_places_is_refused(home):
    (home / "glove.txt").write_text("good 1 2\n")
    vectors = home / "glove.txt"
    assert "labels.csv: no column text for the vectors" in refusal(home, vectors=vectors)
    table(home, "id,text,label\na,good,1.5\n")
    (home / "face").rename(home / "text")
    assert "text is in the folder text and in the vectors" in refusal(home, vectors=vectors)
    assert own_dataset(home).widths == {"text": 1, "audio": 2}


def test_no_features_at_all_tells_both_ways(tmp_path):
    table(tmp_path, "id,label\na,1\n")
    assert refusal(tmp_path) == (
        f"{tmp_path / 'labels.csv'}: no folder of features beside it; put a file per clip into a "
        f"folder per modality, such as audio/ID.npy"
    )
    table(tmp_path, "id,text,label\na,hm,1\n")
    (tmp_path / "audio").mkdir()
    (tmp_path / "audio" / "a.txt").touch()
    assert refusal(tmp_path) == (
        f"{tmp_path / 'labels.csv'}: no folder of features beside it (folder 'audio' has no files "
        f"of {', '.join(SUFFIXES)}), so its text needs the option 'vectors'; give "
        f"--data_options.vectors glove.txt, make a store of it with 'deadpan encode', or put a "
        f"file per clip into a folder per modality, such as audio/ID.npy"
    )


def test_mmsa_tables_may_have_features_beside_them(tmp_path):
    table(tmp_path, MMSA + "v,1,good,1,train\nw,2,odd,-0.5,test\n")
    (tmp_path / "audio").mkdir()
    np.save(tmp_path / "audio" / "v_1.npy", np.ones((1, 3)))
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "scores.csv").write_text("1,2\n")
    (tmp_path / "glove.txt").write_text("good 1 2\n")
    path, vectors = tmp_path / "labels.csv", tmp_path / "glove.txt"
    dataset = own_dataset(path, vectors=vectors)
    assert (dataset.name, dataset.layout) == ("labels", "a clip table in MMSA's convention")
    assert dataset.widths == {"text": 2, "audio": 3}
    clip = dataset["train"][0]
    assert (clip.id, clip.group, list(clip.sequences)) == ("v_1", "v", ["text", "audio"])
    assert dataset.warnings == (
        "folder 'results' has no file named by an id: it was ignored",
        "1 clips have no file in 'audio' (first: 'w_2'): they lack audio",
    )
    # Without vectors, a folder that fits nothing may be all there is: a typo in names is likely.
    assert "results: no file is named by an id" in refusal(path)


def make(folder, ids, column="", groups=None):
    """One feature for each clip, no splits."""
    groups = groups or [""] * len(ids)
    (folder / "face").mkdir(exist_ok=True)
    rows = [f"{clip},{i + 0.5},{g}" for i, (clip, g) in enumerate(zip(ids, groups, strict=True))]
    table(folder, f"id,label,{column}\n" + "\n".join(rows))
    for clip in ids:
        np.save(folder / "face" / f"{clip}.npy", np.ones(1))
    return own_dataset(folder)


@pytest.mark.parametrize("column", ["group", "speaker", "video", "video_id"])
def test_splits_are_made_by_the_group_that_is_told(column, tmp_path):
    ids = [f"happy_{i}" for i in range(40)]
    groups = [f"speaker {i % 8}" for i in range(40)]
    dataset = make(tmp_path, ids, column, groups)
    assert {clip.group for clip in dataset["train"]} | {"speaker 0"} <= set(groups)
    found = [{clip.group for clip in dataset[name]} for name in SPLITS]
    assert all(found)
    assert sum(map(len, found)) == 8
    assert dataset.warnings == (
        "the file has no splits; they were made by video or speaker, 60 / 20 / 20 %",
    )


def test_many_videos_are_told_from_ids(tmp_path):
    dataset = make(tmp_path, [f"v{i % 10}_{i}" for i in range(40)])
    assert {clip.group for clip in clips_of(dataset).values()} == {f"v{i}" for i in range(10)}
    assert len(dataset.warnings) == 1


def test_a_few_beginnings_of_ids_are_no_videos(tmp_path):
    dataset = make(tmp_path, [f"{'happy' if i % 2 else 'sad'}_{i}" for i in range(40)])
    sizes = [len(dataset[name]) for name in SPLITS]
    assert sum(sizes) == 40
    assert 22 <= sizes[0] <= 26
    assert all(clip.group is None for clip in clips_of(dataset).values())
    assert "no column group: splits may share a video or speaker" in dataset.warnings


def test_splits_have_the_names_of_every_tool(home):
    table(home, "id,label,Split\na,-1.5,TRAIN\nb,0.5, Dev\nc,2,testing\n")
    dataset = own_dataset(home)
    assert [[clip.id for clip in dataset[name]] for name in SPLITS] == [["a"], ["b"], ["c"]]
    table(home, "id,label,mode\na,-1.5,train\nb,0.5,val\nc,2,validation\n")
    assert [clip.id for clip in own_dataset(home)["valid"]] == ["b", "c"]


def test_a_spreadsheet_of_other_columns_is_read_with_their_names(home):
    openpyxl = pytest.importorskip("openpyxl")
    (home / "labels.csv").unlink()
    book = openpyxl.Workbook()
    for row in (["Film", "Mood", "Who", "Set"], ["a", 1.5, "x", "train"], ["b", -1, "y", "dev"]):
        book.active.append(row)
    book.save(home / "clips.xlsx")
    assert f"{home / 'clips.xlsx'}: has columns Film, Mood, Who, Set: wanted id" in refusal(home)
    names = {"id": "film", "label": "Mood", "group": "Who", "split": "Set"}
    clips = clips_of(deadpan.load(home, **names))
    assert {clip.id: (clip.group, clip.label.tolist()) for clip in clips.values()} == {
        "a": ("x", [1.5]),
        "b": ("y", [-1]),
    }


def test_splits_told_for_some_and_a_group_that_is_empty_are_refused(tmp_path, home):
    table(home, "id,label,split\na,-1.5,train\nb,0.5,\nc,2,test\n")
    assert "1 of 3 clips have no split (first: 'b')" in refusal(home)
    table(home, "id,label,split\na,-1.5,train\nb,0.5,vaild\n")
    assert "labels.csv: line 3: unknown split 'vaild'; did you mean 'valid'" in refusal(home)
    table(home, "id,label,speaker\na,-1.5,x\nb,0.5,\n")
    assert "labels.csv: line 3: no speaker; give one to every clip" in refusal(home)
    table(home, "id,speaker\na,x\nb,\nc,x\n")  # to predict
    assert [clip.group for clip in clips_of(own_dataset(home)).values()] == ["x", None, "x"]


def test_labels_and_task_may_be_chosen(home):
    table(home, "id,mood,joy,split\na,low,1,train\nb,high,0,valid\nc,low,1,test\n")
    assert own_dataset(home, labels="mood").labels == ("high", "low")
    assert own_dataset(home, labels="joy", task="emotions").task == "emotions"
    assert "--data_options.label NAME" in refusal(home)
    assert "got label and labels, which are one option" in refusal(home, label="joy", labels="joy")


def test_a_folder_without_a_table(tmp_path):
    assert "has no clip table; give it one" in refusal(tmp_path)


@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 4),
    modalities=st.lists(
        st.sampled_from(["text", "audio", "vision", "gaze", "ECG-2", "姿勢"]),
        min_size=1,
        max_size=4,
        unique=True,
    ),
    data=st.data(),
)
def test_ragged_data_comes_back_from_files_of_any_kind(
    seed, count, modalities, data, tmp_path_factory
):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    folder = tmp_path_factory.mktemp("own")
    random = np.random.default_rng(seed)
    # The first clip has every modality: no folder is without a file.
    wanted = {f"clip.{i}": {} for i in range(count)}
    for modality in modalities:
        width = data.draw(st.integers(1, 4))
        for i, has in enumerate(wanted.values()):
            if steps := data.draw(st.integers(not i, 5)):
                has[modality] = random.normal(size=(steps, width)).astype(np.float32)
    table(folder, "id,label,split\n" + "".join(f"{clip},0.5,train\n" for clip in wanted))
    for clip, has in wanted.items():
        for modality, values in has.items():
            (folder / modality).mkdir(exist_ok=True)
            kind = data.draw(st.sampled_from([".npy", ".csv", ".parquet"]))
            path = folder / modality / f"{clip}{kind}"
            if kind == ".npy":
                np.save(path, values)
            elif kind == ".csv":
                path.write_text("\n".join(",".join(map(repr, row)) for row in values.tolist()))
            else:
                columns = {f"f{place}": column for place, column in enumerate(values.T)}
                parquet.write_table(pyarrow.table(columns), path)
    dataset = own_dataset(folder)
    assert set(dataset.widths) == set(modalities)
    assert dataset.repairs == {}
    for clip in dataset["train"]:
        assert clip.sequences.keys() == wanted[clip.id].keys()
        for modality, values in wanted[clip.id].items():
            np.testing.assert_array_equal(clip.sequences[modality], values)


def test_one_s_own_copy_of_mosi_is_what_the_pickle_holds(shared, tmp_path):
    """The aligned pickle written as files beside its table comes back clip by clip."""
    path = shared / "data" / "mosi" / "mosi229_aligned.pkl"
    pickled = deadpan.load(path)
    rows = ["id,label,split,group"]
    for name in SPLITS:
        for clip in pickled[name]:
            rows.append(f"{clip.id},{float(clip.label[0])!r},{name},{clip.group}")
            for modality, values in clip.sequences.items():
                (tmp_path / modality).mkdir(exist_ok=True)
                np.save(tmp_path / modality / f"{clip.id}.npy", values)
    table(tmp_path, "\n".join(rows))
    assert fingerprint(own_dataset(tmp_path)) == fingerprint(pickled)


def test_an_id_stays_as_it_is_and_a_group_loses_its_blanks(tmp_path, home):
    table(home, "id,label,group\nvid[3],-1.5,s0 \nvid_3,0.5,s0\nother,1, s1\n")
    for name in ("vid[3]", "vid_3", "other"):
        np.save(home / "audio" / f"{name}.npy", np.ones((2, 2), np.float32))
        np.save(home / "face" / f"{name}.npy", np.ones((2, 1), np.float32))
    found = clips_of(own_dataset(home))
    assert {name: clip.group for name, clip in found.items()} == {
        "vid[3]": "s0",
        "vid_3": "s0",
        "other": "s1",
    }


def test_stars_have_no_sign(tmp_path, home):
    table(home, "id,sentiment\na,1\nb,4\nc,5\n")
    dataset = own_dataset(home, labels="sentiment")
    assert (dataset.task, dataset.labels) == ("scores", ("rating",))


VECTORS = "good 1 2\nnot 3 4\nfilm 5 6\ndon't 7 8\n"


def load_transcripts(folder, rows, vectors=VECTORS):
    (folder / "label.csv").write_text(MMSA + rows, encoding="utf-8")
    (folder / "vectors.txt").write_text(vectors, encoding="utf-8")
    return own_dataset(folder / "label.csv", vectors=folder / "vectors.txt")


def test_words_become_steps(tmp_path):
    dataset = load_transcripts(tmp_path, "v,1,NOT GOOD,-2.5,train\nw,1,film,1,valid\n")
    assert (dataset.name, dataset.task, dataset.labels) == ("label", "regression", ("sentiment",))
    assert dataset.widths == {"text": 2}
    assert [len(dataset[name]) for name in ("train", "valid", "test")] == [1, 1, 0]
    (clip,) = dataset["train"]
    assert (clip.id, clip.group, clip.words) == ("v_1", "v", ("not", "good"))
    np.testing.assert_array_equal(clip.sequences["text"], np.float32([[3, 4], [1, 2]]))
    assert clip.sequences["text"].dtype == np.float32
    np.testing.assert_array_equal(clip.label, np.float32([-2.5]))
    assert (dataset.repairs, dataset.warnings) == ({}, ())


def test_a_word_without_a_vector_keeps_its_step(tmp_path):
    dataset = load_transcripts(tmp_path, "v,1,wasnt good 3D,1,train\nv,2,hm,0,train\n")
    first, second = dataset["train"]
    assert first.words == ("wasnt", "good", "3d")
    np.testing.assert_array_equal(first.sequences["text"], [[0, 0], [1, 2], [0, 0]])
    np.testing.assert_array_equal(second.sequences["text"], [[0, 0]])
    assert dataset.repairs == {"text: words without a vector set to 0": 3}


def test_punctuation_is_no_word(tmp_path):
    text = '"Good -- not_good, ""film""... don\u2019t \'Film\' !"'
    dataset = load_transcripts(tmp_path, f"v,1,{text},1,train\n")
    words = ("good", "not", "good", "film", "don't", "film")
    assert dataset["train"][0].words == words
    assert dataset.repairs == {}


def test_a_transcript_without_words_is_a_clip_without_text(tmp_path):
    dataset = load_transcripts(tmp_path, "v,1,...,1,train\nv,2,good,1,train\n")
    assert dataset["train"][0].sequences == {}
    assert dataset["train"][0].words == ()
    assert dataset.warnings == ("1 clips have a transcript without words: they lack text",)


def test_splits_that_share_a_video_are_told(tmp_path):
    dataset = load_transcripts(tmp_path, "v,1,good,1,train\nv,2,good,1,test\n")
    assert len(dataset.warnings) == 1
    assert "'v'" in dataset.warnings[0]


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        ("v,1,good,1,trian\n", "line 2: unknown mode 'trian'; did you mean 'train'?"),
        (
            "v,1,good,1,train\nv,2,good,nan,train\n",
            "line 3: label is nan, as in 1 row of 2;",
        ),
        ("v,1,good,3.1,train\n", "line 2: label is 3.1; wanted a number in [-3, 3]"),
        ("v,1,good,-inf,train\n", "line 2: label is -inf"),
        ("v,1,good,1,train\nv,1,film,1,test\n", "line 3: clip 'v_1' is already on line 2"),
    ],
)
def test_rows_that_do_not_fit_are_named_by_their_line(rows, wanted, tmp_path):
    with pytest.raises(DataError) as caught:
        load_transcripts(tmp_path, rows)
    assert str(caught.value).startswith(f"{tmp_path / 'label.csv'}: {wanted}")


def test_vectors_of_another_vocabulary_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"vectors\.txt: has a vector for no word of .*label\.csv"):
        load_transcripts(tmp_path, "v,1,good,1,train\n", vectors="bon 1 2\n")


@pytest.fixture(scope="module")
def mosi(shared: Path):
    folder = shared / "data" / "mosi"
    return own_dataset(folder / "label.csv", vectors=folder / "glove.840B.300d.mosi-vocabulary.txt")


def test_mosi(mosi):
    assert [len(mosi[name]) for name in ("train", "valid", "test")] == [1284, 229, 686]
    assert mosi.widths == {"text": 300}
    assert mosi.repairs == {"text: words without a vector set to 0": 741}
    assert mosi.warnings == ()
    for clips in mosi.splits.values():
        for clip in clips:
            assert len(clip.sequences["text"]) == len(clip.words) > 0
            assert clip.sequences["text"].any(), "every clip has a word with a vector"


def test_mosi_has_the_ids_and_labels_of_the_aligned_file(mosi, shared: Path):
    aligned = deadpan.load(shared / "data" / "mosi" / "mosi229_aligned.pkl")
    clips = {clip.id: clip for split in aligned.splits.values() for clip in split}
    assert {clip.id for clip in mosi["valid"]} == set(clips)
    for clip in mosi["valid"]:
        assert clip.group == clips[clip.id].group
        np.testing.assert_allclose(clip.label, clips[clip.id].label, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "content", "wanted"),
    [
        ("a.mat", b"MATLAB 5.0 MAT-file, Platform", "a.mat: is a MATLAB file; save each variable"),
        (
            "a.arff",
            b"% openSMILE\n@relation x\n",
            "a.arff: is ARFF, of Weka or openSMILE; its rows",
        ),
        ("data.mdb", b"x", "voice: is an LMDB database, which only the code"),
        (
            "a.npy",
            b"version https://git-lfs.github.com/spec/v1\n",
            "a.npy: is a pointer of git LFS",
        ),
    ],
)
def test_files_of_other_tools_come_with_the_way_out(name, content, wanted, home):
    (home / "voice").mkdir()
    (home / "voice" / name).write_bytes(content)
    assert wanted in refusal(home)


def test_recordings_named_by_ids_are_ignored(home):
    (home / "wav").mkdir()
    (home / "wav" / "a.wav").write_bytes(b"RIFF\0\0\0\0WAVE")
    assert own_dataset(home).warnings == (
        f"folder 'wav' has no files of {', '.join(SUFFIXES)}: it was ignored",
    )


def test_a_clip_is_found_by_a_part_of_its_path_and_a_clock_counts_from_the_first_step(tmp_path):
    (tmp_path / "face" / "ann").mkdir(parents=True)
    (tmp_path / "voice").mkdir()
    table(tmp_path, "id,label,split\na.mp4,1.5,train\nb.mp4,-1,valid\nc.mp4,0,test\n")
    for clip, start in {"a": 1.6e9, "b": 0, "c": 1.6e9 + 60}.items():
        rows = [f"{start + 0.04 * step:.2f},{step}" for step in range(10)]
        (tmp_path / "face" / "ann" / f"{clip}.csv").write_text("\n".join(["Time,AU01", *rows]))
        np.savez(
            tmp_path / "voice" / f"{clip}.npz", x=np.ones((2, 3)), times=[start + 0.1, start + 1]
        )
    dataset = own_dataset(tmp_path)
    assert dataset.warnings == (
        "2 clips have times that start far from 0 (first: 'a.mp4', at 1600000000 s): they were "
        "counted from the first step",
    )
    for clip in clips_of(dataset).values():
        np.testing.assert_allclose(clip.times["face"][[0, -1], 0], [0, 0.36], atol=1e-6)
        np.testing.assert_allclose(clip.times["voice"][:, 0], [0.1, 1], atol=1e-6)


def test_two_clocks_of_a_clip_are_both_counted_from_their_first_step(home):
    for name, start in (("gaze", 1.6e9), ("voice", 350.0)):
        (home / name).mkdir()
        np.savez(home / name / "a.npz", x=np.ones((2, 3)), times=[start, start + 1])
    clip = clips_of(own_dataset(home))["a"]
    for name in ("gaze", "voice"):
        np.testing.assert_allclose(clip.times[name], [[0, 1], [1, 2]])


def test_files_of_clips_are_looked_for_once_in_a_folder(home, monkeypatch):
    asked, files_of = [], FeatureFolder.files_of

    def count(folder, ids):
        asked.append(folder.path.name)
        return files_of(folder, ids)

    monkeypatch.setattr(FeatureFolder, "files_of", count)
    (home / "glove.txt").write_text("good 1 2\n")
    table(home, "id,label,text\na,1.5,good\nb,1,good\nc,2,good\n")
    own_dataset(home, vectors=home / "glove.txt")
    assert sorted(asked) == ["audio", "face"]


def test_runs_and_models_beside_the_table_are_ignored(home):
    (home / "runs" / "first").mkdir(parents=True)
    (home / "runs" / "first" / "predictions.csv").write_text("id,label\na,1\n")
    (home / "checkpoints").mkdir()
    (home / "checkpoints" / "best.pt").write_bytes(b"PK")
    assert own_dataset(home).warnings == (
        "folder 'checkpoints' has no file named by an id: it was ignored",
        "folder 'runs' has no file named by an id: it was ignored",
    )
