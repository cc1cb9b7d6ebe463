"""How far blendshapes of a copy of a video are from those of the video, and what makes it so.

Two people, 640x360 at 15 frames per second: all steps of both clips, copied, read and measured as
`analyze` does; a copy that loses detail is also measured in the regions of the original, which
leaves the pixels alone to differ.

    python benchmarks/face_copies.py [--out benchmarks/results/face_copies]

Reads ../shared/media and the component face-landmarker.
"""

import argparse
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from deadpan.extraction.faces import BLENDSHAPES, Face, FaceLandmarker, FaceRegion
from deadpan.extraction.media import Frame, read

ROOT = Path(__file__).resolve().parents[1]
MEDIA = ROOT.parent / "shared" / "media"
NAMES = ("pyfeat_WolfgangLanger_Pexels", "pyfeat_single_face")
WANTED = 0.05
Images = list[np.ndarray]


def write(path: Path, images: Images, codec: str = "rawvideo", **options: Any) -> Path:
    """Images at 15 a second: without loss, or by a codec."""
    with av.open(path, "w") as file:
        video = file.add_stream(codec, rate=15)
        video.height, video.width = images[0].shape[:2]
        video.pix_fmt = "rgb24" if codec == "rawvideo" else "yuv420p"
        for name, value in options.items():
            setattr(video.codec_context, name, value)
        for step, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "rgb24")
            frame.pts = step
            file.mux(video.encode(frame))
        file.mux(video.encode())
    return path


def frames(path: Path) -> Images:
    """Frames as `analyze` reads them."""
    return [item.image for item in read(path, fps=15, side=640) if isinstance(item, Frame)]


def resized(images: Images, width: int) -> Images:
    return [np.asarray(Image.fromarray(image).resize((width, 360))) for image in images]


Measured = list[tuple[Face, FaceRegion]]
"""The face of each step, and the region in which it was measured."""


def tracked(landmarker: FaceLandmarker, images: Images) -> Measured:
    """The face in each image, measured where it was in the one before."""
    (face,) = landmarker.find(images[0])
    measured: Measured = []
    for image in images:
        region = face.region
        found = landmarker.measure(image, region)
        if found is None:  # behind a hand
            region = landmarker.find(image)[0].region
            found = landmarker.measure(image, region)
        assert found is not None
        face = found
        measured.append((face, region))
    return measured


def in_regions(landmarker: FaceLandmarker, images: Images, faces: Measured) -> np.ndarray:
    """Blendshapes [step, blendshape] in regions that were chosen in other images."""
    measured = [
        landmarker.measure(image, region) for image, (_, region) in zip(images, faces, strict=True)
    ]
    nothing = np.full(len(BLENDSHAPES), np.nan)
    return np.array([nothing if face is None else face.blendshapes for face in measured])


def shapes(faces: Measured) -> np.ndarray:
    return np.array([face.blendshapes for face, _ in faces])


def mean_of_three(values: np.ndarray) -> np.ndarray:
    """Each step's mean with its neighbours, which delays nothing."""
    inner = (values[:-2] + values[1:-1] + values[2:]) / 3
    return np.concatenate([values[:1], inner, values[-1:]])


def row(copy: str, apart: list[np.ndarray]) -> dict[str, Any]:
    """How far single blendshapes are apart, over all steps of all clips."""
    values = np.concatenate(apart)
    values = values[~np.isnan(values).any(axis=1)]
    return {
        "copy": copy,
        "steps": len(values),
        "most": float(values.max()),
        "where": BLENDSHAPES[int(values.max(axis=0).argmax())],
        "quantile_99": float(np.quantile(values, 0.99)),
        "steps_over": float((values.max(axis=1) > WANTED).mean()),
    }


def compare(landmarker: FaceLandmarker, folder: Path) -> list[dict[str, Any]]:
    originals = [frames(MEDIA / f"{name}.mp4") for name in NAMES]
    faces = [tracked(landmarker, images) for images in originals]
    expected = [shapes(each) for each in faces]

    def read_back(name: str, make: Any) -> list[Images]:
        return [frames(make(folder / f"{i}-{name}", x)) for i, x in enumerate(originals)]

    half = read_back(
        "half.mov", lambda p, x: write(p, resized(x, 320), sample_aspect_ratio=Fraction(2, 1))
    )
    wide = read_back(
        "wide.mov",
        lambda p, x: write(p, resized(x, 854), sample_aspect_ratio=Fraction(640, 854)),
    )
    mpeg4 = read_back("a.mp4", lambda p, x: write(p, x, "mpeg4", bit_rate=8_000_000))
    h264 = read_back("b.mp4", lambda p, x: write(p, x, "libx264", bit_rate=8_000_000))
    copies = {
        "stretched to 854 pixels": wide,
        "re-encoded, H.264 at 8 Mbit/s": h264,
        "re-encoded, MPEG-4 at 8 Mbit/s": mpeg4,
        "squeezed to half the width": half,
    }
    rows = []
    for name, copied in copies.items():
        pairs = list(zip(copied, faces, expected, strict=True))
        values = [shapes(tracked(landmarker, images)) for images in copied]
        rows.append(row(name, [abs(a - b) for a, b in zip(values, expected, strict=True)]))
        if copied is wide or copied is h264:
            continue
        same = [abs(in_regions(landmarker, images, each) - b) for images, each, b in pairs]
        rows.append(row(f"{name}: in the original's regions", same))
        smooth = [
            abs(mean_of_three(a) - mean_of_three(b)) for a, b in zip(values, expected, strict=True)
        ]
        rows.append(row(f"{name}: means of three steps", smooth))
    own = [abs(mean_of_three(b) - b) for b in expected]
    rows.append(row("the original: its means of three steps", own))
    return rows


def text(facts: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    lines = [
        "# Blendshapes of copies",
        "",
        f"Two people, {rows[0]['steps']} steps; blendshapes are in [0, 1], and {WANTED} is wanted. "
        f"Commit {facts['commit'][:12]}. `python benchmarks/face_copies.py`",
        "",
        f"| copy | furthest | in | 99 % within | steps with one over {WANTED} |",
        "|---|---:|---|---:|---:|",
        *(
            f"| {x['copy']} | {x['most']:.3f} | {x['where']} | {x['quantile_99']:.3f} | "
            f"{x['steps_over']:.1%} |"
            for x in rows
        ),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if not MEDIA.exists():
        print(f"needs {MEDIA}, which is not there: nothing was measured")
        return
    from workloads.reporting import about, keep

    landmarker = FaceLandmarker(ROOT / "data" / "components" / "face-landmarker")
    with tempfile.TemporaryDirectory() as folder:
        rows = compare(landmarker, Path(folder))
    facts = about()
    shown = text(facts, rows)
    print(shown)
    keep(arguments.out, {**facts, "rows": rows}, shown)


if __name__ == "__main__":
    main()
