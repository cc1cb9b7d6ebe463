import json
import pickle
import zipfile

import h5py
import numpy as np
import pytest

import deadpan

from ...refusals import refusal_of

FEATURES = np.ones((5, 3), np.float32)
MULT = {
    split: {
        "text": np.ones((2, 3, 4), np.float32),
        "labels": np.ones((2, 1, 1), np.float32),
        "id": [f"{split}{i}_1" for i in range(2)],
    }
    for split in ("train", "valid", "test")
}


@pytest.fixture
def tmp_path(tmp_path):
    """A folder that has no files of other tests beside it."""
    inner = tmp_path / "empty" / "inner"
    inner.mkdir(parents=True)
    return inner


def reason(path):
    return refusal_of(f"{path}", deadpan.load, path)


def own(home, header="id,label", names=("labels.csv",)):
    (home / "audio").mkdir(parents=True)
    for clip in ("a", "b", "c"):
        np.save(home / "audio" / f"{clip}.npy", FEATURES)
    for name in names:
        (home / name).write_text(f"{header}\na,1.5\nb,-1.5\nc,0.5\n")
    return home


def test_an_empty_folder_is_called_so(tmp_path):
    assert "is an empty folder" in reason(tmp_path)


def test_a_table_without_an_id_names_its_columns(tmp_path):
    text = reason(own(tmp_path / "own", header="file_name,mood"))
    assert "labels.csv" in text
    assert "has columns file_name, mood: wanted id, label" in text
    (tmp_path / "alone.csv").write_text("file_name,mood\na,happy\nb,sad\n")
    assert "has columns file_name, mood: wanted id, label" in reason(tmp_path / "alone.csv")


def test_two_tables_ask_for_one(tmp_path):
    home = own(tmp_path, names=("a.csv", "b.csv"))
    text = reason(home)
    assert "has 2 tables: a.csv, b.csv; give one of them" in text
    assert deadpan.load(home / "b.csv").widths == {"audio": 3}


def test_tables_of_meld_ask_for_one(tmp_path):
    for split in ("train", "dev", "test"):
        (tmp_path / f"{split}_sent_emo.csv").write_text("Utterance,Emotion\nHi,joy\n")
    names = "dev_sent_emo.csv, test_sent_emo.csv, train_sent_emo.csv"
    assert f"holds 3 tables: {names}; give one of them" in reason(tmp_path)


def test_one_clip_table_beside_another_csv_is_taken(tmp_path):
    home = own(tmp_path)
    (home / "notes.csv").write_text("what,when\nx,y\n")
    assert deadpan.load(home).widths == deadpan.load(home / "labels.csv").widths


def test_features_without_a_table_ask_for_one(tmp_path):
    text = reason(own(tmp_path, names=()))
    assert "holds features (audio) and no table of clips; add labels.csv" in text


def test_a_folder_of_one_modality_leads_to_the_folder_above(tmp_path):
    home = own(tmp_path)
    assert text_ends(reason(home / "audio"), f"give the folder {home.resolve()}")
    assert text_ends(reason(home / "audio" / "a.npy"), f"give the folder {home.resolve()}")


def text_ends(text, end):
    return text.endswith(end)


def test_an_unpacked_archive_leads_to_the_folder_within(tmp_path):
    inner = own(tmp_path / "mydata-1.0" / "mydata")
    assert f"give {inner}" in reason(tmp_path)


def test_an_unpacked_archive_with_a_pickle_leads_to_it(tmp_path):
    inner = tmp_path / "mosi-1.0" / "data"
    inner.mkdir(parents=True)
    (inner / "mosi.pkl").write_bytes(pickle.dumps(MULT))
    text = reason(tmp_path)
    assert "holds one folder, mosi-1.0, which holds one folder, data, which holds a pickle" in text
    assert text.endswith(f"give {inner / 'mosi.pkl'}")


def test_a_folder_with_a_pickle_leads_to_it(tmp_path):
    (tmp_path / "mosi.pkl").write_bytes(pickle.dumps(MULT))
    (tmp_path / "README.md").write_text("MOSI\n")
    assert f"holds a pickle; give {tmp_path / 'mosi.pkl'}" in reason(tmp_path)
    (tmp_path / "mosei.pkl").write_bytes(pickle.dumps(MULT))
    assert "holds several: mosei.pkl, mosi.pkl; give one of them" in reason(tmp_path)


def test_one_file_of_a_folder_leads_to_the_folder(tmp_path):
    for split in ("train", "valid", "test"):
        for name in (f"y_{split}", f"text_{split}_emb"):
            with h5py.File(tmp_path / f"{name}.h5", "w") as file:
                file["d1"] = np.ones((2, 3, 4) if "text" in name else 2, np.float32)
    text = reason(tmp_path / "y_train.h5")
    assert "is one part of MFN's HDF5 files" in text
    assert text.endswith(f"give the folder {tmp_path.resolve()}")


def test_a_part_of_a_set_names_what_is_missing(tmp_path):
    clip = (([1], np.ones((1, 2)), np.ones((1, 2))), 0.0, "v[0]")
    for split in ("train", "dev"):
        (tmp_path / f"{split}.pkl").write_bytes(pickle.dumps([clip]))
    text = reason(tmp_path)
    assert "holds train.pkl, dev.pkl of MISA's folder of pickles, and lacks test.pkl" in text


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["covarep_features_sdk.pkl"], "of UR-FUNNY's folder, and lacks data_folds.pkl"),
        (["audio_features.p"], "of MUStARD's folder, and lacks sarcasm_data.json"),
        (["y_train.txt", "y_train.h5"], "of MFN's folder of HDF5 files, and lacks y_valid.h5"),
        (["config.yaml", "environment.json", "epochs.csv"], "is a run of deadpan and no data"),
        (["features/wavlm-UTT/a.npy"], "holds features/ as MERTools has it, and lacks label*.npz"),
    ],
)
def test_folders_with_files_of_a_format_or_of_ours_are_known(tmp_path, names, words):
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(pickle.dumps({"a": 1}))
    assert words in reason(tmp_path)


def test_a_scored_run_is_no_data_though_it_has_a_table_of_predictions(tmp_path):
    run = tmp_path / "runs" / "demo"
    run.mkdir(parents=True)
    for name in ("config.yaml", "environment.json"):
        (run / name).touch()
    (run / "predictions.csv").write_text("split,id,prediction_sentiment,label_sentiment\n")
    assert "is a run of deadpan and no data" in reason(run)
    assert "holds one folder, demo, which is a run of deadpan and no data" in reason(run.parent)


def test_a_spreadsheet_has_no_columns_to_name(tmp_path):
    with zipfile.ZipFile(tmp_path / "labels.xlsx", "w") as archive:
        archive.writestr("xl/workbook.xml", "x")
    assert "columns" not in reason(tmp_path)


def test_features_of_one_clip_are_no_data_set(tmp_path):
    path = tmp_path / "clip.csv"
    rows = "".join(f"{i},{i * 0.04},0.98,1,0.5\n" for i in range(9))
    path.write_text("frame,timestamp,confidence,success,AU01_r\n" + rows)
    assert "is a table of features and of no clips" in reason(path)
    assert reason(path).endswith("if its rows are clips, give --data_options.id COLUMN")
    np.save(tmp_path / "clip.npy", FEATURES)
    assert "is one array of numpy" in reason(tmp_path / "clip.npy")
    np.savez(tmp_path / "clip.npz", a=FEATURES, b=FEATURES)
    assert "is an archive of numpy (.npz) that holds a, b" in reason(tmp_path / "clip.npz")
    path.unlink()
    assert "holds files of features and no table of clips" in reason(tmp_path)


def test_a_folder_of_tables_of_features_is_no_choice_of_tables(tmp_path):
    for clip in "abc":
        rows = "".join(f"{i}\t0.5\t-1.5\n" for i in range(5))
        (tmp_path / f"{clip}.tsv").write_text("frame\tAU01\tAU02\n" + rows)
    assert "holds files of features and no table of clips" in reason(tmp_path)


@pytest.mark.parametrize("pad", range(3))
def test_a_long_table_of_any_script_is_a_table(tmp_path, pad):
    text = "name,words\n" + "x" * pad + "".join(f"{i},好好好好\n" for i in range(9000))
    (tmp_path / "table.csv").write_text(text, encoding="utf-8")
    assert "has columns name, words: wanted id, label" in reason(tmp_path / "table.csv")


def named(home, text, encoding="utf-8", name="table.csv"):
    """A table beside a folder of features of the clips 1, 2 and 3."""
    (home / "audio").mkdir(exist_ok=True)
    for clip in "123":
        np.save(home / "audio" / f"{clip}.npy", FEATURES)
    (home / name).write_text(text, encoding=encoding)
    return home / name


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("sample,rating\n1,2.5\n2,1\n3,0\n", {"encoding": "utf-8"}),
        ("sample,rating\n1,good\n2,bad\n3,bad\n", {"encoding": "utf-16"}),
        ('sample,rating,notes\n1,2.5,"a\nb"\n2,1,c\n3,0,d\n', {"encoding": "utf-8"}),
        ('[{"sample": 1, "rating": 2.5}, {"sample": 2, "rating": 1}, {"sample": 3, "rating": 0}]',
         {"name": "table.json"}),
    ],
)  # fmt: skip
def test_a_table_whose_columns_the_user_names_is_read(tmp_path, text, options):
    table = named(tmp_path, text, **options)
    dataset = deadpan.load(table, id="sample", label="rating")
    assert sum(map(len, dataset.splits.values())) == 3
    assert deadpan.load(tmp_path, id="sample", label="rating").widths == dataset.widths


def test_a_spreadsheet_beside_a_folder_makes_it_no_part_of_anything(tmp_path):
    meld = tmp_path / "meld"
    meld.mkdir()
    for split in ("train", "dev"):
        (meld / f"{split}.csv").write_text("Utterance,Emotion\nHi,joy\n")
    (tmp_path / "budget.parquet").write_bytes(b"PAR1" + bytes(20))
    assert "holds 2 tables: dev.csv, train.csv; give one of them" in reason(meld)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("notes.xlsx", b"PK\x03\x04xl/workbook.xml"),
        ("config.json", b'{"mode": "train", "label": "M"}'),
    ],
)
def test_notes_and_settings_beside_a_pickle_are_no_clip_table(tmp_path, name, content):
    (tmp_path / "mosi.pkl").write_bytes(pickle.dumps(MULT))
    (tmp_path / name).write_bytes(content)
    assert f"holds a pickle; give {tmp_path / 'mosi.pkl'}" in reason(tmp_path)


def test_a_folder_of_hugging_face_is_known_by_its_settings(tmp_path):
    (tmp_path / "state.json").write_text('{"_split": "train"}')
    (tmp_path / "dataset_info.json").write_text('{"features": {"id": {}, "label": {}}}')
    (tmp_path / "data-00000-of-00001.arrow").write_bytes(b"\xff\xff\xff\xff")
    assert "is a folder of Hugging Face datasets" in reason(tmp_path)


def test_json_beside_features_is_a_clip_table(tmp_path):
    table = [{"id": str(i), "label": i - 2.5} for i in range(1, 4)]
    named(tmp_path, json.dumps(table), name="labels.json")
    assert deadpan.load(tmp_path).widths == {"audio": 3}


def test_one_pickle_of_any_format_may_be_called_train(tmp_path):
    (tmp_path / "train.pkl").write_bytes(pickle.dumps(MULT))
    assert f"holds a pickle; give {tmp_path / 'train.pkl'}" in reason(tmp_path)


def test_only_what_a_format_needs_is_missing(tmp_path):
    (tmp_path / "audio_features.p").write_bytes(pickle.dumps({"a": 1}))
    assert "and lacks sarcasm_data.json; add what is missing" in reason(tmp_path)


def test_hdf5_of_another_kind_tells_what_it_holds(tmp_path):
    with h5py.File(tmp_path / "features.h5", "w") as file:
        file["clip1"] = FEATURES
    assert "is an HDF5 file of no known format (holds clip1)" in reason(tmp_path / "features.h5")


def test_text_and_bytes_that_are_nothing_name_what_is_read(tmp_path):
    (tmp_path / "notes.txt").write_text("just some words\nof no table\n")
    assert "begins like text: 'just some words" in reason(tmp_path / "notes.txt")
    (tmp_path / "noise").write_bytes(b"\x01\x02\x03\x04" * 9)
    assert "give a pickle of MulT, MMSA" in reason(tmp_path / "noise")


def test_a_folder_of_recordings_is_called_so(tmp_path):
    (tmp_path / "clip.wav").write_bytes(b"RIFF\x00\x00\x00\x00WAVEfmt ")
    assert "holds recordings" in reason(tmp_path)
