"""Real faces for tests: a landmarker, and frames of two people at 15 a second."""

import itertools

import pytest

from ..conftest import skip_or_fail


@pytest.fixture(scope="session")
def landmarker(component):
    pytest.importorskip("ai_edge_litert", reason="needs LiteRT, of the extra video")
    from deadpan.extraction.faces import FaceLandmarker

    return FaceLandmarker(component("face-landmarker"))


def frames_of(shared, name, start, stop):
    pytest.importorskip("av", reason="needs PyAV, of the extra video")
    from deadpan.extraction.media import Frame, read

    path = shared / "media" / f"{name}.mp4"
    if not path.exists():
        skip_or_fail(f"needs {path}, which is not there")
    with read(path, fps=15) as reading:
        frames = (item.image for item in reading if isinstance(item, Frame))
        return list(itertools.islice(frames, start, stop))


@pytest.fixture(scope="session")
def woman(shared):
    """72 frames of 640 x 360: she smiles, turns and tilts her head; her face is .33 wide."""
    return frames_of(shared, "pyfeat_WolfgangLanger_Pexels", 190, 262)


@pytest.fixture(scope="session")
def man(shared):
    """36 frames of 640 x 360: he looks into the camera and smiles; his face is .24 wide."""
    return frames_of(shared, "pyfeat_single_face", 0, 36)


@pytest.fixture(scope="session")
def speaker(shared):
    """15 frames of 640 x 360: she speaks in a debate; her face is .14 wide."""
    return frames_of(shared, "mexca_test_video_audio_5_seconds", 60, 75)


@pytest.fixture(scope="session")
def two_small_faces(woman, man):
    """A function that puts both into one frame, their faces of a width, hers moving to the right.

    Width and height of the frame are in pixels; the faces' width is a share of the frame's.
    """
    import numpy as np
    from PIL import Image

    def compose(step, face=0.11, width=640, height=360):
        frame = np.full((height, width, 3), 90, np.uint8)
        for images, own, x in ((woman, 0.33, step % 40), (man, 0.24, round(0.52 * width))):
            scale = face * width / (own * 640)
            image = Image.fromarray(images[step % len(images)])
            small = np.asarray(image.resize((round(640 * scale), round(360 * scale))))
            small, y = small[: height - height // 3, : width - x], height // 3
            frame[y : y + small.shape[0], x : x + small.shape[1]] = small
        return frame

    return compose
