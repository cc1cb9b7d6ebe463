"""Short sound files, made by formula."""

import wave

import numpy as np

RATE = 16_000


def tone(hertz=150.0, seconds=0.5, level=0.1):
    """A buzz of seven harmonics."""
    time = np.arange(round(seconds * RATE)) / RATE
    return sum(level / n * np.sin(2 * np.pi * n * hertz * time) for n in range(1, 8))


def write_wav(path, samples):
    """Write samples in [-1, 1] as 16 bits."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.asarray(samples) * 32767).astype("<i2").tobytes())
    return path


def labelled_clips(folder, count=6, *, text=False):
    """A folder of sounds ``clipN.wav`` and a table beside it, whose path is returned."""
    folder.mkdir()
    columns = ["id", "label", "split", "speaker", *(["text"] if text else [])]
    rows = [",".join(columns)]
    for number in range(count):
        split = ("train", "valid", "test")[number % 3]
        label = number % 5 - 1.5
        write_wav(folder / f"clip{number}.wav", tone(140 + 20 * label))
        cells = [f"clip{number}", str(label), split, f"{split}{number % 4}"]
        rows.append(",".join([*cells, *([f"I don't like {number}"] if text else [])]))
    table = folder.parent / "labels.csv"
    table.write_text("\n".join(rows))
    return table
