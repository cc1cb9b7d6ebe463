"""Files and folders of other tools, which deadpan does not read: what each is, and the way out."""

import re
import zipfile
from pathlib import Path

from deadpan.data.containers.files import first_bytes, printable_path

ARRAYS = (
    "in Python: pathlib.Path('data.pkl').write_bytes(pickle.dumps({split: {key: x.numpy() if "
    "hasattr(x, 'numpy') else x for key, x in values.items()} for split, values in "
    "LOADED.items()}))"
)
TORCH = ARRAYS.replace("LOADED", "torch.load('FILE', weights_only=True)")
TENSORS = ARRAYS.replace("LOADED", "pickle.loads(pathlib.Path('FILE').read_bytes())")
"""Weights_only refuses what pickle.dump wrote; ``pickle.loads`` runs what a pickle says."""
PANDAS = "in Python: pandas.read_pickle('FILE').to_csv('labels.csv', index=False)"
PICKLED_BY = {
    "torch": "holds tensors of torch; if you trust the file, save arrays of numpy, " + TENSORS,
    "pandas": f"holds a table of pandas; save it as CSV, {PANDAS}",
    "scipy": "holds a sparse matrix of scipy; save x.toarray() in its place",
}
"""What a pickle holds that asks for a name of a package, and how to save it as plain arrays."""

STARTS: tuple[tuple[bytes, str], ...] = (
    (
        b"version https://git-lfs",
        "is a pointer of git LFS and not the file; run git lfs pull where it was cloned",
    ),
    (b"\x1f\x8b", "is packed by gzip; unpack it: tar -xzf FILE, or gunzip FILE if it is no .tar"),
    (b"BZh", "is packed by bzip2; unpack it: tar -xjf FILE, or bunzip2 FILE if it is no .tar"),
    (b"\xfd7zXZ\x00", "is packed by xz; unpack it: tar -xJf FILE, or unxz FILE if it is no .tar"),
    (b"\x28\xb5\x2f\xfd", "is packed by zstd; unpack it: unzstd FILE"),
    (b"7z\xbc\xaf\x27\x1c", "is a 7-Zip archive; unpack it: 7z x FILE"),
    (b"Rar!\x1a\x07", "is a RAR archive; unpack it: unrar x FILE"),
    (
        b"MATLAB 5.0 MAT-file",
        "is a MATLAB file; save each variable as .npy, in Python: "
        "numpy.save('ID.npy', scipy.io.loadmat('FILE')['VARIABLE'])",
    ),
    (
        b"MATLAB 7.3 MAT-file",
        "is a MATLAB file (7.3); save each variable as .npy, in Python: "
        "numpy.save('ID.npy', h5py.File('FILE')['VARIABLE'][:].T)",
    ),
    (
        b"ARROW1",
        "is an Arrow file; save it as Parquet, in Python: "
        "pyarrow.parquet.write_table(pyarrow.feather.read_table('FILE'), 'labels.parquet')",
    ),
    (b"SQLite format 3\x00", "is an SQLite database; export its table as CSV"),
    (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", f"is a file of torch; save arrays, {TORCH}"),
    (b"OggS", "is a recording; give features that were extracted from it"),
    (b"ID3", "is a recording; give features that were extracted from it"),
    (b"fLaC", "is a recording; give features that were extracted from it"),
    (b"\x1aE\xdf\xa3", "is a recording; give features that were extracted from it"),
    (b"\x89PNG\r\n", "is a picture (PNG); give features that were extracted from it"),
    (b"\xff\xd8\xff", "is a picture (JPEG); give features that were extracted from it"),
    (b"%PDF-", "is a PDF document; give the data that it describes"),
)
"""How files of other tools begin, and a sentence for each."""

HUGGING_FACE = (
    "is a folder of Hugging Face datasets; save its columns as a clip table, in Python: "
    "datasets.load_from_disk('FOLDER')['train'].to_csv('labels.csv') (without ['train'] if it "
    "has no splits), and features as audio/ID.npy beside it"
)
LMDB = (
    "is an LMDB database, which only the code that wrote it can read; let that write each clip "
    "with numpy.save('audio/ID.npy', x) beside a labels.csv"
)
ARFF = (
    "is ARFF, of Weka or openSMILE; its rows as CSV: sed '1,/@data/Id' FILE > ID.csv (openSMILE "
    "writes CSV itself with -csvoutput)"
)
WEB_PAGE = (
    "is a web page and no data, as a download without its login or confirmation gives; download it "
    "in a browser"
)


def foreign_format(path: Path) -> str:
    """Describe a file or folder of another tool and its conversion; "" if it is none.

    The sentence has no subject: ``is a MATLAB file; save ...``. A zip archive of numpy (``.npz``)
    is not foreign. Never raises.
    """
    if path.is_dir():
        return _foreign_folder(path)
    head = first_bytes(path, 4096)
    if sentence := next((text for start, text in STARTS if head.startswith(start)), ""):
        return sentence.replace("FILE", printable_path(path.name))
    return _foreign_content(path, head).replace("FILE", printable_path(path.name))


def _foreign_folder(path: Path) -> str:
    def holds(*names: str) -> bool:
        return any((path / name).is_file() for name in names)

    try:
        if holds("dataset_dict.json") or (holds("state.json") and any(path.glob("*.arrow"))):
            return HUGGING_FACE.replace("FOLDER", printable_path(path.name))
        return LMDB if holds("data.mdb") else ""
    except OSError:
        return ""


def _foreign_content(path: Path, head: bytes) -> str:
    """The same of files that another part than their first bytes tells."""
    text = head.decode("utf-8", errors="replace").lstrip("\ufeff \t\r\n")
    if head[16:20] == b"\xde\xc0\xef\xbe":
        return LMDB
    if head[257:262] == b"ustar":
        return "is a tar archive; unpack it: tar -xf FILE"
    if head.startswith(b"PK\x03\x04"):
        return _foreign_zip(path)
    if head[4:8] == b"ftyp" or (head.startswith(b"RIFF") and head[8:12] in (b"WAVE", b"AVI ")):
        return "is a recording; give features that were extracted from it"
    if re.match(r"<(!doctype\s+html|html|\?xml)", text, re.I):
        return WEB_PAGE
    if re.search(r"^\s*@relation\b", text, re.I | re.M) and not re.match(r"[^%@\s]", text):
        return ARFF
    return ""


def _foreign_zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, ValueError, RuntimeError, NotImplementedError, zipfile.BadZipFile):
        return "is a zip archive that is cut short or damaged; get it anew"
    if any(name.endswith("/data.pkl") or name == "data.pkl" for name in names):
        return f"is a file of torch; save arrays, {TORCH}"
    if names and all(name.endswith(".npy") for name in names):
        return ""
    if "xl/workbook.xml" in names:
        return "is an Excel file; save the sheet as CSV (UTF-8)"
    return "is a zip archive; unpack it: python -m zipfile -e FILE FOLDER"
