import dataclasses
import math
import os
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from deadpan.errors import DeadpanError
from deadpan.extraction import faces
from deadpan.extraction.faces import (
    BLENDSHAPES,
    FACE_COLUMNS,
    Face,
    FaceLandmarker,
    FaceRegion,
    is_same_face,
)

from ..refusals import refusal_of

Image = pytest.importorskip("PIL.Image", reason="needs Pillow, of the extra video")

# What mediapipe 1.2.3 gave (FaceLandmarker, mode IMAGE, two faces at most) for a frame of each
# clip, after the region that it had chosen there.
OF_MEDIAPIPE = {
    "woman": (
        60,
        FaceRegion(x=429.79, y=221.89, side=312.45, angle=-0.386),
        """
        0 .001 .001 .292 .708 .348 0 0 0 .113 .131 .169 .194 .02 .212 .223 .03 .088 .077 .424 .317
        .017 .007 .008 .01 .008 0 0 .004 .006 0 0 .036 0 .413 .496 .037 .106 .009 .001 .001 .008
        .001 .007 .839 .869 .02 .209 .651 .7 0 0
        """,
        (7.8, 7.6, -23.8),
    ),
    "man": (
        20,
        FaceRegion(x=291.95, y=203.49, side=259.66, angle=-0.0021),
        """
        0 .014 .009 .214 .064 .091 .001 0 0 .15 .133 .172 .161 .103 .076 .054 .084 .083 .073 .419
        .402 .007 .008 .003 .001 .07 .001 .003 .01 .025 0 0 .005 .001 .274 .459 .136 .259 .002 .001
        .018 .067 .007 .011 .881 .9 .041 .038 .64 .723 0 0
        """,
        (0.8, -2.2, -3.3),
    ),
}


@pytest.mark.parametrize("person", OF_MEDIAPIPE)
def test_blendshapes_and_pose_are_those_of_mediapipe(landmarker, request, person):
    index, region, blendshapes, pose = OF_MEDIAPIPE[person]
    face = landmarker.measure(request.getfixturevalue(person)[index], region)
    assert face.presence > 0.99
    # The same networks; interpolation and kernels round otherwise. Measured: .008.
    expected = np.array(blendshapes.split(), float)
    np.testing.assert_allclose(face.blendshapes, expected, atol=0.02)
    # MediaPipe assumes a camera of 63 degrees, this a distant one; and of a face that is tilted in
    # an oblong image MediaPipe stretches the depth. Measured: 5.8 degrees.
    np.testing.assert_allclose(face.pose, pose, atol=7)


def test_a_smile_is_told_by_name(landmarker, man):
    smile = BLENDSHAPES.index("mouthSmileLeft")
    neutral, smiling = (landmarker.find(man[index])[0] for index in (0, 20))
    assert neutral.blendshapes[smile] < 0.1 < 0.7 < smiling.blendshapes[smile]


def test_columns_are_52_blendshapes_and_seven_more():
    names = [column.name for column in FACE_COLUMNS]
    assert len(set(names)) == len(names) == 59
    assert names[1:52] == sorted(BLENDSHAPES[1:])
    assert names[52:] == ["yaw", "pitch", "roll", "box_x", "box_y", "box_width", "face_confidence"]


def synthetic(points, **changes):
    """A face whose landmarks lie at the mean of those set, x, y and depth by index."""
    surface = [point for index, point in points.items() if index < 468]
    landmarks = np.tile(np.mean(surface, axis=0), (478, 1)).astype(np.float32)
    for index, point in points.items():
        landmarks[index] = point
    fields = {
        "landmarks": landmarks,
        "blendshapes": np.zeros(52, np.float32),
        "pose": np.zeros(3),
        "presence": 1.0,
        "crop": np.zeros((256, 256, 3), np.uint8),
    }
    return Face(**fields | changes)


def test_region_follows_the_landmarks_mean_spread_and_eyes():
    face = synthetic({33: (100, 200, 0), 263: (103, 204, 0)})
    # Two of 468 points lie 2.5 from the mean: the mean square distance is 2 * 6.25 / 468.
    side = faces.SPREAD * np.sqrt(2 * 6.25 / 468)
    expected = FaceRegion(x=101.5, y=202.0, side=float(side), angle=math.atan2(4, 3))
    assert dataclasses.astuple(face.region) == pytest.approx(dataclasses.astuple(expected))


def test_mouth_opening_is_a_share_of_the_distance_of_the_eyes():
    eyes = {33: (0, 0, 0), 263: (30, 0, 40)}  # 50 apart
    lips = {81: (10, 60, 0), 178: (10, 65, 0), 13: (15, 60, 0), 14: (15, 69, 0)}
    lips |= {311: (20, 60, 0), 402: (20, 61, 0)}  # 5, 9 and 1 apart
    assert synthetic(eyes | lips).mouth_opening == pytest.approx(5 / 50)


def test_box_is_cut_at_the_edges_of_the_image():
    face = synthetic({33: (-20, 30, 0), 263: (40, 90, 0), 470: (900, 900, 0)})  # an iris counts not
    np.testing.assert_allclose(face.box(height=120, width=80), [0, 0.25, 0.5, 0.75])


def test_faces_are_one_where_their_midst_is():
    one, near, far = (
        synthetic({33: (x, 0, 0), 263: (x + 100, 0, 0)}) for x in (0, 3, 100)
    )  # regions 30.5 wide
    assert is_same_face(one, near)
    assert not is_same_face(one, far)


def test_thumbnail_is_the_mean_of_the_crop():
    crop = np.zeros((256, 256, 3), np.uint8)
    crop[:16, 16:24] = 255
    thumbnail = synthetic({33: (0, 0, 0), 263: (1, 0, 0)}, crop=crop).thumbnail
    assert thumbnail.shape == (16, 16, 3)
    np.testing.assert_allclose(thumbnail[0, 1], 0.5, atol=1 / 255)
    assert thumbnail.sum() == pytest.approx(1.5, abs=3 / 255)


QUARTERS = np.array([[10, 20], [30, 40]], np.uint8).repeat(40, 0).repeat(40, 1)[..., None]


@pytest.mark.parametrize(
    ("angle", "expected"),
    [(0.0, [[10, 20], [30, 40]]), (np.pi / 2, [[20, 40], [10, 30]]), (np.pi, [[40, 30], [20, 10]])],
)
def test_crops_are_turned_upright(angle, expected):
    image = QUARTERS.repeat(3, axis=2)
    crop = faces._crop(image, FaceRegion(x=40.0, y=40.0, side=60.0, angle=angle), 8)
    assert crop[1::5, 1::5, 0].tolist() == expected


def test_crops_repeat_the_edge_of_the_image():
    image = QUARTERS.repeat(3, axis=2)
    crop = faces._crop(image, FaceRegion(x=80.0, y=0.0, side=80.0, angle=0.0), 8)
    assert np.unique(crop[:, 5:]).tolist() == [20]
    crop = faces._crop(image, FaceRegion(x=-200.0, y=300.0, side=80.0, angle=0.3), 8)
    assert np.unique(crop).tolist() == [30]


def test_crops_are_sampled_where_opencv_samples():
    # Column x is 3 x grey; 4 old pixels make a new one, whose sample is taken at its first.
    image = np.tile((3 * np.arange(80)).astype(np.uint8)[None, :, None], (40, 1, 3))
    crop = faces._crop(image, FaceRegion(x=32.0, y=20.0, side=32.0, angle=0.0), 8)
    assert crop[4, :, 0].tolist() == [3 * x for x in range(16, 48, 4)]


@pytest.mark.parametrize(
    ("length", "starts"),
    [(320, [0]), (200, [-60]), (640, [0, 160, 320]), (360, [0, 40]), (500, [0, 90, 180])],
)
def test_squares_overlap_by_half_at_least(length, starts):
    assert faces._starts(length, 320.0) == starts


def test_detections_of_one_face_are_joined_and_cut_ones_left_out():
    def box(x, y, width, eyes=0.0):
        middle, slope = np.array([x, y]), np.array([width / 4, eyes * width / 4])
        return [middle, [width, width], middle - slope, middle + slope]

    boxes = [box(100, 100, 40, eyes=1), box(104, 100, 40, eyes=1), box(300, 100, 20)]
    boxes.append(box(110, 100, 16))  # within the first
    first, second = faces._regions(np.array([0.9, 0.6, 0.8, 0.7]), np.array(boxes))
    # Weighted by .9 and .6.
    expected = FaceRegion(x=101.6, y=100.0, side=faces.DETECTED_SPREAD * 40, angle=np.pi / 4)
    assert dataclasses.astuple(first) == pytest.approx(dataclasses.astuple(expected))
    assert (second.x, second.side) == (300, faces.DETECTED_SPREAD * 20)


def test_anchors_are_centres_of_cells():
    anchors = faces._anchors()
    assert anchors.shape == (896, 2)
    np.testing.assert_allclose(
        anchors[[0, 1, 2, 511]], [[1 / 32] * 2] * 2 + [[3 / 32, 1 / 32], [31 / 32] * 2]
    )
    np.testing.assert_allclose(anchors[[512, 517, 518]], [[1 / 16] * 2] * 2 + [[3 / 16, 1 / 16]])


@pytest.mark.parametrize("size", [(640, 360), (1280, 720), (360, 640)])
def test_two_small_faces_are_found(landmarker, two_small_faces, size):
    for step in range(0, 36, 6):
        found = landmarker.find(two_small_faces(step, 0.11, *size))
        centres = sorted(face.region.x / size[0] for face in found)
        assert [centre > 0.5 for centre in centres] == [False, True]
        widths = [face.box(size[1], size[0])[[0, 2]] @ [-1, 1] for face in found]
        assert widths == pytest.approx([0.11] * 2, abs=0.03)


def test_a_turned_image_turns_the_pose_and_the_landmarks(landmarker, man):
    image = man[20][:, 120:480]
    centre, turn = np.array([180, 180]), np.deg2rad(20)
    clockwise = np.asarray(Image.fromarray(image).rotate(-20, Image.Resampling.BILINEAR))
    (face,), (turned,) = landmarker.find(image), landmarker.find(clockwise)
    # Degrees; the network's landmarks differ that much by noise.
    np.testing.assert_allclose(turned.pose - face.pose, [0, 0, 20], atol=2)
    nose = face.landmarks[1, :2] - centre
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    np.testing.assert_allclose(turned.landmarks[1, :2], centre + matrix @ nose, atol=4)


def test_a_mirrored_image_turns_the_head_the_other_way(landmarker, woman):
    (face,), (mirrored,) = (
        landmarker.find(image) for image in (woman[60], np.ascontiguousarray(woman[60][:, ::-1]))
    )
    assert face.pose[2] < -20, "she tilts her head to the image's left, which is her right"
    np.testing.assert_allclose(mirrored.pose, face.pose * [-1, 1, -1], atol=4)


def test_there_is_no_face_in_noise_and_none_in_a_point(landmarker):
    noise = np.random.default_rng(0).integers(0, 256, (360, 640, 3), np.uint8)
    for image in (noise, noise[:1, :1], noise[:1, :300], noise[:200, :2]):
        assert landmarker.find(np.ascontiguousarray(image)) == []


def test_nothing_is_measured_where_no_face_is(landmarker, man):
    wall = FaceRegion(x=80.0, y=80.0, side=120.0, angle=0.0)
    assert landmarker.measure(man[0], wall) is None


def test_a_face_detected_twice_is_found_once(landmarker, man, monkeypatch):
    (face,) = landmarker.find(man[0])
    beside = dataclasses.replace(face.region, x=face.region.x + 30)
    monkeypatch.setattr(landmarker, "_detect", lambda image: [beside, face.region])
    assert len(landmarker.find(man[0])) == 1


def varint(value):
    return bytes([value & 127 | 128]) + varint(value >> 7) if value > 127 else bytes([value])


def field(number, content):
    """A field of bytes of a protocol buffer."""
    return varint(number * 8 + 2) + varint(len(content)) + content


def test_the_mesh_is_read_with_its_weights():
    points = np.arange(468 * 5).reshape(468, 5)
    floats = b"".join(varint(3 * 8 + 5) + struct.pack("<f", value) for value in points.ravel())
    data = field(1, varint(8) + varint(300) + floats)  # field 1 of the mesh is a number
    for point, weight in ((0, 0.5), (467, 1.5)):
        data += field(2, varint(8) + varint(point) + varint(2 * 8 + 5) + struct.pack("<f", weight))
    mesh = faces._read_mesh(data)
    assert np.flatnonzero(mesh._weights).tolist() == [0, 467]
    assert mesh._weights[[0, 467]].tolist() == [0.25, 0.75]
    centre = 0.25 * points[0, :3] + 0.75 * points[467, :3]
    np.testing.assert_allclose(mesh._centred, points[:, :3] - centre)


def test_a_tiny_image_is_searched(landmarker, woman):
    tiny = np.asarray(Image.fromarray(woman[0]).resize((85, 48)))[:, 21:]
    (face,) = landmarker.find(np.ascontiguousarray(tiny))
    assert face.box(48, 64)[[0, 2]] @ [0.5, 0.5] == pytest.approx(
        (448 / 640 * 85 - 21) / 64, abs=0.1
    )


@pytest.mark.parametrize("side", [0.0, 1e9, float("nan")])
def test_a_region_without_sense_holds_no_face(landmarker, woman, side):
    assert landmarker.measure(woman[0], FaceRegion(x=9.0, y=9.0, side=side, angle=0.0)) is None


def test_a_missing_or_broken_component_is_refused(tmp_path):
    path = tmp_path / "face_landmarker.task"
    assert "deadpan components fetch face-landmarker" in refusal_of(path, FaceLandmarker, tmp_path)
    path.write_bytes(b"no archive")
    assert "not a zip file" in refusal_of(path, FaceLandmarker, tmp_path)
    with zipfile.ZipFile(path, "w") as task:
        task.writestr("face_detector.tflite", b"no network")
    assert "deadpan components fetch" in refusal_of(path, FaceLandmarker, tmp_path)


@pytest.mark.parametrize(
    ("module", "name"), [("ai_edge_litert", "ai-edge-litert"), ("PIL", "pillow")]
)
def test_an_absent_package_names_the_extra(component, monkeypatch, module, name):
    for imported in [each for each in sys.modules if each.split(".")[0] == module]:
        monkeypatch.setitem(sys.modules, imported, None)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(DeadpanError, match=rf"{name}; run: pip install 'deadpan\[video\]'"):
        FaceLandmarker(component("face-landmarker"))


def test_stderr_keeps_all_but_the_notice(capfd):
    with faces._without_notice():
        os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\nsomething else\n")
    assert capfd.readouterr().err == "something else\n"


def test_measuring_is_silent_and_importing_loads_nothing(component):
    script = (
        "import sys, numpy as np, deadpan.extraction.tracks as tracks;"
        "print(*{'ai_edge_litert', 'PIL', 'av', 'torch', 'pandas', 'librosa'} & set(sys.modules));"
        "landmarker = tracks.FaceLandmarker(sys.argv[1]);"
        "print(landmarker.find(np.zeros((48, 64, 3), np.uint8)), 'torch' in sys.modules)"
    )
    process = subprocess.run(
        [sys.executable, "-c", script, component("face-landmarker")], capture_output=True, text=True
    )
    assert (process.returncode, process.stdout, process.stderr) == (0, "\n[] False\n", "")
