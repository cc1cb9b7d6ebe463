"""Faces in single images: where they are, and the shape, pose and expression of each.

The three networks of MediaPipe's Face Landmarker run under LiteRT. What MediaPipe does between them
is done here, so that its 480 MB are not needed: given the region that MediaPipe chose, the
blendshapes are its own to about .01. It also finds smaller faces than MediaPipe, whose detector
sees the whole image reduced to 128 pixels.

Nothing is smoothed over time; who calls decides what one image tells about the next.
"""

import dataclasses
import functools
import math
import os
import struct
import tempfile
import types
import zipfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, UInt8

from deadpan.errors import DataError, DeadpanError
from deadpan.extraction.sequences import Column

Network = Any
"""An interpreter of LiteRT, which is not imported before it is needed."""
Picture = Any
"""An image of Pillow, likewise."""

SOURCE = "MediaPipe Face Landmarker 1 (float16)"
BLENDSHAPES = tuple(
    """
    _neutral browDownLeft browDownRight browInnerUp browOuterUpLeft browOuterUpRight cheekPuff
    cheekSquintLeft cheekSquintRight eyeBlinkLeft eyeBlinkRight eyeLookDownLeft eyeLookDownRight
    eyeLookInLeft eyeLookInRight eyeLookOutLeft eyeLookOutRight eyeLookUpLeft eyeLookUpRight
    eyeSquintLeft eyeSquintRight eyeWideLeft eyeWideRight jawForward jawLeft jawOpen jawRight
    mouthClose mouthDimpleLeft mouthDimpleRight mouthFrownLeft mouthFrownRight mouthFunnel mouthLeft
    mouthLowerDownLeft mouthLowerDownRight mouthPressLeft mouthPressRight mouthPucker mouthRight
    mouthRollLower mouthRollUpper mouthShrugLower mouthShrugUpper mouthSmileLeft mouthSmileRight
    mouthStretchLeft mouthStretchRight mouthUpperUpLeft mouthUpperUpRight noseSneerLeft
    noseSneerRight
    """.split()
)
"""What the network of blendshapes puts out, in order, by MediaPipe's names."""
FACE_COLUMNS = (
    *(Column(name=name, unit="", source=SOURCE, low=0.0, high=1.0) for name in BLENDSHAPES),
    *(
        Column(name=name, unit="°", source=SOURCE, low=-limit, high=limit)
        for name, limit in {"yaw": 180.0, "pitch": 90.0, "roll": 180.0}.items()
    ),
    *(
        Column(name=name, unit="", source=SOURCE, low=0.0, high=1.0)
        for name in ("box_x", "box_y", "box_width", "face_confidence")
    ),
)
"""Numbers of a face: its blendshapes; degrees by which the head is turned to its own left, up, and
tilted to its own left; centre and width of its box as shares of the image; and the probability that
it is a face."""
BLENDSHAPE_POINTS = np.array(
    """
    0 1 4 5 6 7 8 10 13 14 17 21 33 37 39 40 46 52 53 54 55 58 61 63 65 66 67 70 78 80 81 82 84 87
    88 91 93 95 103 105 107 109 127 132 133 136 144 145 146 148 149 150 152 153 154 155 157 158 159
    160 161 162 163 168 172 173 176 178 181 185 191 195 197 234 246 249 251 263 267 269 270 276 282
    283 284 285 288 291 293 295 296 297 300 308 310 311 312 314 317 318 321 323 324 332 334 336 338
    356 361 362 365 373 374 375 377 378 379 380 381 382 384 385 386 387 388 389 390 397 398 400 402
    405 409 415 454 466 468 469 470 471 472 473 474 475 476 477
    """.split(),
    dtype=int,
)
"""Landmarks that the network of blendshapes takes, in its order (MediaPipe, Apache-2.0:
face_blendshapes_graph.cc)."""

MESH = 468
"""Landmarks of the face's surface; the ten behind them are of the irises."""
EYE_CORNERS = 33, 263
"""Landmarks of the outer corners of the eyes; the first is on the image's left."""
UPPER_LIP, LOWER_LIP = [81, 13, 311], [178, 14, 402]
"""Landmarks on the inner edges of the lips, each above its partner."""
SPREAD = 4.66
"""Side of a region over the root mean square distance of a face's landmarks from their mean; the
median of MediaPipe's regions, which it takes from the outermost landmarks. Means of all are
steadier: a wrong region's effect on blendshapes falls by a factor of 3 per round instead of 2."""
DETECTED_SPREAD = 1.5
"""Side of a region over the width of the box that the detector finds."""
ROUNDS = 3
"""How often a face just detected is measured, each time in the region of the time before."""
DETECTION, PRESENCE = 0.5, 0.5
"""Probabilities from which a detection and a measured face count; MediaPipe's own."""
OVERLAP = 0.3
"""Intersection over union from which two detections are of one face."""
COVERED = 0.6
"""Share of the smaller box from which it is part of the same face: what a tile's edge cut off."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FaceRegion:
    """The square of an image in which a face is measured.

    Attributes:
        x: of the centre, in pixels from the image's left edge.
        y: of the centre, in pixels from its upper edge.
        side: in pixels.
        angle: in radians, clockwise, by which the square is turned.
    """

    x: float
    y: float
    side: float
    angle: float


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Face:
    """A face measured in one image.

    Attributes:
        landmarks: x, y and depth (less is nearer) in pixels of the image.
        blendshapes: in [0, 1], in the order of :data:`BLENDSHAPES`.
        pose: degrees by which the head is turned to its own left, up, and tilted to its own left.
        presence: probability in [0, 1] that it is a face.
        crop: the region as measured, in which the face is upright; RGB.
    """

    landmarks: Float32[np.ndarray, "478 3"]
    blendshapes: Float32[np.ndarray, "52"]
    pose: Float[np.ndarray, "3"]
    presence: float
    crop: UInt8[np.ndarray, "256 256 3"]

    @functools.cached_property
    def region(self) -> FaceRegion:
        """Where the face is to be measured again, in this image or the next."""
        mesh = self.landmarks[:MESH]
        centre = mesh.mean(0)
        spread = math.sqrt(((mesh - centre) ** 2).sum(1).mean())
        across = np.subtract(*self.landmarks[EYE_CORNERS[::-1], :2])
        x, y, _ = map(float, centre)
        return FaceRegion(x=x, y=y, side=SPREAD * spread, angle=math.atan2(across[1], across[0]))

    @functools.cached_property
    def thumbnail(self) -> Float[np.ndarray, "16 16 3"]:
        """The crop, reduced; RGB in [0, 1]."""
        return np.asarray(_pillow().fromarray(self.crop).reduce(16)) / 255

    @functools.cached_property
    def mouth_opening(self) -> float:
        """Mean distance of the lips' inner edges over that of the eyes' outer corners."""
        apart = np.linalg.norm(self.landmarks[UPPER_LIP] - self.landmarks[LOWER_LIP], axis=1)
        across = np.subtract(*self.landmarks[list(EYE_CORNERS)])
        return float(apart.mean() / np.linalg.norm(across))

    def mouth(self, height: int, width: int) -> Float[np.ndarray, "2"]:
        """The middle of the lips' inner edges as shares of the image, cut at its edges."""
        middle = self.landmarks[[*UPPER_LIP, *LOWER_LIP], :2].mean(0)
        return np.clip(middle / [width, height], 0.0, 1.0)

    def box(self, height: int, width: int) -> Float[np.ndarray, "4"]:
        """The landmarks' left, top, right and bottom as shares of the image, cut at its edges."""
        mesh = self.landmarks[:MESH, :2]
        corners = np.concatenate([mesh.min(0), mesh.max(0)]) / [width, height, width, height]
        return np.clip(corners, 0.0, 1.0)


class FaceLandmarker:
    """Finds the faces of an image and measures them; it remembers nothing of an image.

    It runs on one thread.

    Args:
        folder: of the component ``face-landmarker``.

    Raises:
        DataError: the component's file is missing or broken.
        DeadpanError: LiteRT or Pillow is not installed.
    """

    def __init__(self, folder: str | Path) -> None:
        path = Path(folder) / "face_landmarker.task"
        _pillow()
        try:
            with zipfile.ZipFile(path) as task:
                with _without_notice():
                    self._detector, self._landmarks, self._blendshapes = (
                        _network(task.read(f"{name}.tflite"))
                        for name in ("face_detector", "face_landmarks_detector", "face_blendshapes")
                    )
                self._mesh = _read_mesh(task.read("geometry_pipeline_metadata_landmarks.binarypb"))
        except (OSError, zipfile.BadZipFile, KeyError, ValueError) as reason:
            raise DataError(
                f"{path}: is missing or broken ({reason}); "
                "run: deadpan components fetch face-landmarker"
            ) from None

    def find(self, image: UInt8[np.ndarray, "height width 3"]) -> list[Face]:
        """Find and measure all faces that are a fourteenth as wide as the image's longer side.

        The detector sees the whole image and overlapping squares of half its longer side.
        """
        faces: list[Face] = []
        for region in self._detect(image):
            face = self.measure(image, region)
            for _ in range(ROUNDS - 1):
                face = face and self.measure(image, face.region)
            if face and not any(is_same_face(face, other) for other in faces):
                faces.append(face)
        return faces

    def measure(
        self, image: UInt8[np.ndarray, "height width 3"], region: FaceRegion
    ) -> Face | None:
        """Measure the face that fills a region; None if there is none.

        Args:
            image: RGB, upright, with square pixels.
            region: as from :attr:`Face.region` of this image or the one before.
        """
        if not 1 <= region.side <= 4 * max(image.shape):
            return None
        crop = _crop(image, region, 256)
        points, presence, _ = _run(self._landmarks, crop / np.float32(255))
        presence = float(_sigmoid(presence)[0])
        if presence < PRESENCE:
            return None
        landmarks = points.reshape(-1, 3) * np.float32(region.side / 256)
        cosine, sine = math.cos(region.angle), math.sin(region.angle)
        turn = np.array([[cosine, sine], [-sine, cosine]])
        landmarks[:, :2] = (landmarks[:, :2] - region.side / 2) @ turn + [region.x, region.y]
        (blendshapes,) = _run(self._blendshapes, landmarks[BLENDSHAPE_POINTS, :2])
        return Face(
            landmarks=landmarks,
            blendshapes=np.clip(blendshapes, 0.0, 1.0),
            pose=self._mesh.pose(landmarks),
            presence=presence,
            crop=crop,
        )

    def _detect(self, image: UInt8[np.ndarray, "height width 3"]) -> list[FaceRegion]:
        """Where faces may be, the most probable first."""
        height, width, _ = image.shape
        longer = float(max(height, width))
        picture = _pillow().fromarray(image)
        squares = [((width - longer) / 2, (height - longer) / 2, longer)]
        squares += [
            (x, y, longer / 2)
            for y in _starts(height, longer / 2)
            for x in _starts(width, longer / 2)
        ]
        scores, boxes = zip(*(self._detect_in(picture, *square) for square in squares), strict=True)
        return _regions(np.concatenate(scores), np.concatenate(boxes))

    def _detect_in(
        self, picture: Picture, x: float, y: float, side: float
    ) -> tuple[Float[np.ndarray, " box"], Float[np.ndarray, "box 4 2"]]:
        """Detections in a square of an image.

        Args:
            picture: the image.
            x: left edge of the square in pixels; beyond the image is black.
            y: upper edge, likewise.
            side: of the square in pixels.

        Returns:
            Probabilities; and the centre, the size, the left eye and the right eye, in pixels.
        """
        outputs, logits = _run(self._detector, _square(picture, x, y, side) / 127.5 - 1)
        scores = _sigmoid(logits)
        likely = scores >= DETECTION
        points = outputs.reshape(-1, 8, 2)[likely, :4] / 128.0
        points[:, [0, 2, 3]] += _anchors()[likely, None]
        points *= side
        points[:, [0, 2, 3]] += [x, y]
        return scores[likely], points


def is_same_face(one: Face, other: Face) -> bool:
    """Whether two measured faces are one: each lies in the midst of the other."""
    apart = math.dist((one.region.x, one.region.y), (other.region.x, other.region.y))
    return apart < (one.region.side + other.region.side) / 8


def _regions(
    scores: Float[np.ndarray, " box"], boxes: Float[np.ndarray, "box 4 2"]
) -> list[FaceRegion]:
    """Join the detections of each face, weighted by their probabilities."""
    low, high = boxes[:, 0] - boxes[:, 1] / 2, boxes[:, 0] + boxes[:, 1] / 2
    areas = boxes[:, 1].prod(1)
    regions: list[FaceRegion] = []
    left = np.argsort(-scores, kind="stable")
    while len(left):
        best = left[0]
        sides = np.minimum(high[best], high[left]) - np.maximum(low[best], low[left])
        common = np.clip(sides, 0, None).prod(1)
        same = common / (areas[best] + areas[left] - common) > OVERLAP
        joined = left[same]
        centre, size, eye, other_eye = np.average(boxes[joined], axis=0, weights=scores[joined])
        across = other_eye - eye
        regions.append(
            FaceRegion(
                x=float(centre[0]),
                y=float(centre[1]),
                side=DETECTED_SPREAD * float(size.max()),
                angle=math.atan2(across[1], across[0]),
            )
        )
        left = left[~same & (common <= COVERED * np.minimum(areas[best], areas[left]))]
    return regions


def _starts(length: int, side: float) -> list[float]:
    """Where squares begin that cover a length and overlap by half; one if a single one covers."""
    if length <= side:
        return [(length - side) / 2]
    count = math.ceil(2 * (length - side) / side) + 1
    return [float(start) for start in np.linspace(0, length - side, count)]


@functools.cache
def _anchors() -> Float[np.ndarray, "896 2"]:
    """Centres from which the detector's outputs count, as shares of its square."""
    grids: list[np.ndarray] = []
    for cells, outputs in ((16, 2), (8, 6)):
        middle = (np.arange(cells) + 0.5) / cells
        y, x = np.meshgrid(middle, middle, indexing="ij")
        grids.append(np.stack([x, y], axis=-1).reshape(-1, 2).repeat(outputs, axis=0))
    return np.concatenate(grids)


def _square(picture: Picture, x: float, y: float, side: float) -> Float32[np.ndarray, "128 128 3"]:
    """A square of an image, reduced to what the detector takes; black beyond the image."""
    pillow = _pillow()
    width, height = picture.size
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + side, width), min(y + side, height)
    corner = round((left - x) * 128 / side), round((top - y) * 128 / side)
    size = round((right - left) * 128 / side), round((bottom - top) * 128 / side)
    square = np.zeros((128, 128, 3), np.float32)
    if min(size) > 0:
        inside = picture.resize(size, pillow.Resampling.BILINEAR, box=(left, top, right, bottom))
        square[corner[1] : corner[1] + size[1], corner[0] : corner[0] + size[0]] = inside
    return square


def _crop(
    image: UInt8[np.ndarray, "height width 3"], region: FaceRegion, pixels: int
) -> UInt8[np.ndarray, "side side 3"]:
    """A region turned upright and scaled; beyond the image, the pixels at its edge.

    Samples are taken where OpenCV, and so MediaPipe, takes them: at the upper left corners of the
    new pixels, half an old pixel away from their true place.
    """
    pillow = _pillow()
    height, width, _ = image.shape
    cosine, sine = math.cos(region.angle), math.sin(region.angle)
    # Only what is needed goes to Pillow, which copies it. A pixel more for interpolation.
    reach = region.side / 2 * (abs(cosine) + abs(sine)) + 2
    left, top = math.floor(region.x - reach), math.floor(region.y - reach)
    right, bottom = math.ceil(region.x + reach), math.ceil(region.y + reach)
    if left < 0 or top < 0 or right > width or bottom > height:
        rows, columns = np.arange(top, bottom), np.arange(left, right)
        part = image[np.clip(rows, 0, height - 1)][:, np.clip(columns, 0, width - 1)]
    else:
        part = np.ascontiguousarray(image[top:bottom, left:right])
    scale = region.side / pixels
    a, b, half = scale * cosine, -scale * sine, (pixels + 1) / 2
    transform = (
        *(a, b, region.x - left - (a + b) * half + 0.5),
        *(-b, a, region.y - top - (a - b) * half + 0.5),
    )
    return np.asarray(
        pillow.fromarray(part).transform(
            (pixels, pixels), pillow.Transform.AFFINE, transform, pillow.Resampling.BILINEAR
        )
    )


class _Mesh:
    """The shape of a face at rest, against which a head's pose is measured.

    Attributes:
        points: x to the person's left, y up, z to the front.
        weights: how much each point counts; those that expression moves count nothing.
    """

    def __init__(
        self, points: Float[np.ndarray, "468 3"], weights: Float[np.ndarray, " 468"]
    ) -> None:
        self._weights = weights / weights.sum()
        self._centred = points - self._weights @ points

    def pose(self, landmarks: Float32[np.ndarray, "478 3"]) -> Float[np.ndarray, "3"]:
        """Yaw, pitch and roll in degrees: the rotation of least weighted squared distance.

        The camera is taken to be far away: a face's pose does not depend on its place.
        """
        points = landmarks[:MESH] * [1.0, -1.0, -1.0]
        points = points - self._weights @ points
        u, _, vt = np.linalg.svd(points.T @ (self._weights[:, None] * self._centred))
        mirror = np.sign(np.linalg.det(u @ vt))
        rotation = u @ np.diag([1.0, 1.0, mirror]) @ vt
        yaw = math.asin(np.clip(-rotation[2, 0], -1, 1))
        pitch = math.atan2(rotation[2, 1], rotation[2, 2])
        roll = math.atan2(rotation[1, 0], rotation[0, 0])
        return np.degrees([yaw, -pitch, -roll])


def _read_mesh(data: bytes) -> _Mesh:
    """The mesh of MediaPipe's geometry metadata, a protocol buffer.

    Field 1 is the mesh, whose field 3 lists x, y, z and two coordinates of texture per point; each
    field 2 is a point's number (1) and weight (2).
    """
    fields = list(_fields(data))
    mesh = next(value for number, value in fields if number == 1)
    floats = [value for number, value in _fields(mesh) if number == 3]
    weights = np.zeros(MESH)
    for point in (dict(_fields(value)) for number, value in fields if number == 2):
        weights[point.get(1, 0)] = point[2]
    return _Mesh(np.array(floats).reshape(MESH, 5)[:, :3], weights)


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Numbers and values of a protocol buffer's fields; of the wire's types, those of the mesh."""
    at = 0

    def varint() -> int:
        nonlocal at
        value, shift = 0, 0
        while True:
            byte = message[at]
            value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
            if byte < 128:
                return value

    while at < len(message):
        number, kind = divmod(varint(), 8)
        if kind == 0:
            yield number, varint()
        elif kind == 2:
            length = varint()
            yield number, message[at : at + length]
            at += length
        elif kind == 5:
            yield number, struct.unpack_from("<f", message, at)[0]
            at += 4
        else:
            raise ValueError(f"a field is of type {kind}")


def _run(network: Network, values: Float[np.ndarray, "..."]) -> list[np.ndarray]:
    """The outputs of a network for one sample."""
    network.set_tensor(network.get_input_details()[0]["index"], values[None].astype(np.float32))
    network.invoke()
    return [network.get_tensor(output["index"]) for output in network.get_output_details()]


def _sigmoid(logits: np.ndarray) -> Float[np.ndarray, " logit"]:
    """Probabilities; logits beyond 100 would overflow."""
    return 1 / (1 + np.exp(-np.clip(logits.ravel().astype(float), -100, 100)))


def _network(model: bytes) -> Network:
    """A network, ready to run."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        raise DeadpanError(
            "measuring faces needs ai-edge-litert; run: pip install 'deadpan[video]'"
        ) from None
    network = Interpreter(model_content=model, num_threads=1)
    network.allocate_tensors()
    return network


@contextmanager
def _without_notice() -> Generator[None]:
    """Keep from stderr the line in which LiteRT names its processor's kernels; nothing else."""
    try:
        stderr, written = os.dup(2), tempfile.TemporaryFile()  # noqa: SIM115
    except OSError:  # there is no stderr, or no room for a file
        yield
        return
    with written:
        os.dup2(written.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            written.seek(0)
            for line in written:
                if not line.startswith(b"INFO: Created TensorFlow Lite"):
                    os.write(2, line)


def _pillow() -> types.ModuleType:
    """Pillow's module of images."""
    try:
        from PIL import Image
    except ImportError:
        raise DeadpanError(
            "measuring faces needs pillow; run: pip install 'deadpan[video]'"
        ) from None
    return Image
