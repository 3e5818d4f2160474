"""Finds faces and their 478 landmarks with MediaPipe FaceMesh (refined), on stills and on video.

It never measures a face and never stores a picture. Not thread-safe: MediaPipe
wants one thread for the life of a mesh.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stroke_side_monitor import landmarks
from stroke_side_monitor.perception import light_mediapipe


@dataclass(frozen=True)
class FaceRegion:
    """The square, turned with the head, through which the mesh looks at one face.

    column, row: its centre in pixels from the picture's top left corner; it may reach beyond
        the picture.
    side: its length in pixels.
    rotation: of the head, radians, clockwise in the picture.
    """

    column: float
    row: float
    side: float
    rotation: float

    @classmethod
    def around(cls, box: tuple[float, float, float, float], eyes: tuple[float, float]
               ) -> FaceRegion:
        """As MediaPipe's graphs choose it: level with the eyes, half as large again as the face.

        Args:
            box: left, top, width, height of the face, pixels from the top left corner.
            eyes: from the right eye to the left one, pixels right and down.
        """
        left, top, width, height = box
        return cls(left + width / 2, top + height / 2, 1.5 * max(width, height),
                   math.atan2(eyes[1], eyes[0]))


@dataclass(frozen=True)
class FaceLandmarks:
    """One face as FaceMesh sees it.

    points: float64 (478, 3), pixels from the picture's centre: x to the
        picture's right (the patient's left), y up, z towards the camera.
    width, height: size of the picture in pixels.
    """

    points: NDArray[np.float64]
    width: int
    height: int

    def mirrored(self) -> FaceLandmarks:
        """The landmarks of the horizontally flipped picture. Exact."""
        return FaceLandmarks(landmarks.mirror_points(self.points), self.width, self.height)

    def pixels(self) -> NDArray[np.float64]:
        """float64 (478, 2): x right, y down, in pixels from the picture's top left corner."""
        return np.column_stack(
            [self.points[:, 0] + self.width / 2, self.height / 2 - self.points[:, 1]])

    @cached_property
    def extremes(self) -> tuple[float, float, float, float]:
        """Least and largest x, least and largest y of the points. Asked many times a frame."""
        x, y = self.points[:, 0], self.points[:, 1]
        return float(x.min()), float(x.max()), float(y.min()), float(y.max())

    @property
    def bounds_px(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of the landmarks, pixels from the picture's top left corner."""
        left, right, bottom, top = self.extremes
        return (left + self.width / 2, self.height / 2 - top,
                right + self.width / 2, self.height / 2 - bottom)

    @property
    def centre_px(self) -> tuple[float, float]:
        """Column and row of the middle of the landmarks' bounds."""
        left, right, bottom, top = self.extremes
        return (right + left) / 2 + self.width / 2, self.height / 2 - (top + bottom) / 2

    @property
    def width_px(self) -> float:
        """From the leftmost landmark to the rightmost."""
        left, right, _, _ = self.extremes
        return right - left

    @property
    def height_px(self) -> float:
        """From the lowest landmark to the highest."""
        _, _, bottom, top = self.extremes
        return top - bottom

    @property
    def box_area(self) -> float:
        """Area of the landmarks' bounds in square pixels."""
        return self.width_px * self.height_px

    @property
    def region(self) -> FaceRegion:
        """Where to look at this face again: as MediaPipe follows a face from frame to frame.

        That is its graph FaceLandmarkLandmarksToRoi, by bounding box and outer canthi.
        """
        left, top, right, bottom = self.bounds_px
        right_eye, left_eye = (self.points[index, :2].tolist() for index in (
            landmarks.OUTER_CANTHUS_RIGHT, landmarks.OUTER_CANTHUS_LEFT))
        return FaceRegion.around((left, top, right - left, bottom - top),
                                 (left_eye[0] - right_eye[0], right_eye[1] - left_eye[1]))

    def within(self, left: int, top: int, width: int, height: int) -> FaceLandmarks:
        """The same face in the coordinates of a larger picture of which this one was cut out.

        Args:
            left, top: where the cut begins in the larger picture, pixels; may be negative.
            width, height: of the larger picture.
        """
        right = (left + self.width / 2) - width / 2
        down = (top + self.height / 2) - height / 2
        return FaceLandmarks(self.points + np.array([right, -down, 0.0]), width, height)


class FaceMesh:
    """MediaPipe FaceMesh with refined lips, lids and irises, without which asymmetry is lost."""

    def __init__(self, *, tracking: bool, max_faces: int = 1) -> None:
        """Load the mesh.

        Args:
            tracking: True for the frames of one video in order (the last
                frame's face is followed); False for unrelated pictures.
            max_faces: most faces to report. With tracking, more than one makes
                the detector run on every frame.
        """
        self._mesh = light_mediapipe.face_mesh.FaceMesh(
            static_image_mode=not tracking, max_num_faces=max_faces, refine_landmarks=True)

    def detect(self, rgb: NDArray[np.uint8], *, through_mirror: bool = False
               ) -> tuple[FaceLandmarks, ...]:
        """Find the faces of a picture, largest first.

        Args:
            rgb: uint8 (H, W, 3).
            through_mirror: look at the flipped picture and mirror the result
                back: another opinion on the same face, with the mesh's
                left/right bias reversed.

        Returns:
            A possibly empty tuple of landmarks in the coordinates of `rgb`.
        """
        height, width = rgb.shape[:2]
        seen = cv2.flip(rgb, 1) if through_mirror else np.ascontiguousarray(rgb)
        result: Any = self._mesh.process(seen)
        faces = [_to_landmarks(face.SerializeToString(), width, height)
                 for face in result.multi_face_landmarks or ()]
        if through_mirror:
            faces = [face.mirrored() for face in faces]
        if len(faces) > 1:
            faces.sort(key=lambda face: face.box_area, reverse=True)
        return tuple(faces)

    def close(self) -> None:
        """Release the graph. The mesh cannot be used afterwards."""
        self._mesh.close()


@dataclass(frozen=True)
class FaceDetection:
    """One face that a detector found: its box, and the region for the mesh."""

    box: Box
    region: FaceRegion

    def within(self, left: int, top: int) -> FaceDetection:
        """The same face in a larger picture; arguments as for FaceLandmarks.within."""
        box_left, box_top, box_right, box_bottom = self.box
        return FaceDetection(
            (box_left + left, box_top + top, box_right + left, box_bottom + top),
            replace(self.region, column=self.region.column + left, row=self.region.row + top))


class FaceDetector:
    """MediaPipe's face detectors: where faces are, without their landmarks."""

    def __init__(self, *, far: bool = False) -> None:
        """The network is loaded when it is first needed.

        Args:
            far: True for faces that are small in the picture, down to some fifteenth of its
                width; False for the one that FaceMesh starts with, down to some seventh.
        """
        self._far = far
        self._detector: Any = None

    def detect(self, rgb: NDArray[np.uint8]) -> tuple[FaceDetection, ...]:
        """All faces in a picture, uint8 (H, W, 3), largest box first."""
        if self._detector is None:
            self._detector = light_mediapipe.face_detection.FaceDetection(
                model_selection=int(self._far))
        height, width = rgb.shape[:2]
        found: Any = self._detector.process(np.ascontiguousarray(rgb))
        faces = [_to_detection(detection.location_data, width, height)
                 for detection in found.detections or ()]
        return tuple(sorted(faces, key=lambda face: box_area(face.box), reverse=True))

    def boxes(self, rgb: NDArray[np.uint8], *, through_mirror: bool = False) -> tuple[Box, ...]:
        """Boxes of all faces in the picture, largest first; arguments as for FaceMesh.detect."""
        if not through_mirror:
            return tuple(face.box for face in self.detect(rgb))
        width = rgb.shape[1]
        flipped: NDArray[Any] = cv2.flip(rgb, 1)
        return tuple((width - right, top, width - left, bottom)
                     for left, top, right, bottom in self.boxes(flipped))

    def close(self) -> None:
        """Release the graph, if there is one."""
        if self._detector is not None:
            self._detector.close()
            self._detector = None


class RegionMesh:
    """FaceMesh without its own detector: landmarks of the face in a region that is known.

    On the region that FaceDetector gives, the landmarks are those of FaceMesh on a still.
    """

    _GRAPH = """
        input_stream: "image"
        input_stream: "region"
        input_side_packet: "with_attention"
        output_stream: "landmarks"
        node {
          calculator: "FaceLandmarkCpu"
          input_stream: "IMAGE:image"
          input_stream: "ROI:region"
          input_side_packet: "WITH_ATTENTION:with_attention"
          output_stream: "LANDMARKS:landmarks"
        }
    """

    def __init__(self) -> None:
        """Load the mesh."""
        self._graph = light_mediapipe.graph(self._GRAPH)
        self._found: Any = None
        self._graph.observe_output_stream('landmarks', self._take, True)
        self._graph.start_run(
            {'with_attention': light_mediapipe.packet_creator.create_bool(True)})
        self._moment = 0

    def look(self, rgb: NDArray[np.uint8], region: FaceRegion) -> FaceLandmarks | None:
        """Landmarks of the face in that region of a picture, uint8 (H, W, 3); None without one."""
        height, width = rgb.shape[:2]
        self._found = None
        pixels = light_mediapipe.read_only(rgb)  # kept until the graph is idle
        self._add('image', light_mediapipe.image_packet(pixels))
        self._add('region', light_mediapipe.packet_creator.create_proto(
            light_mediapipe.rect_pb2.NormalizedRect(
                x_center=region.column / width, y_center=region.row / height,
                width=region.side / width, height=region.side / height,
                rotation=region.rotation)))
        self._graph.wait_until_idle()
        self._moment += 1
        found = self._found
        if found is None or found.is_empty():
            return None
        return _to_landmarks(light_mediapipe.serialised(found), width, height)

    def close(self) -> None:
        """Release the graph. The mesh cannot be used afterwards."""
        self._graph.close()
        # It holds what it tells its results to, this mesh, out of the garbage collector's sight:
        # both would stay, with their threads.
        del self._graph

    def _add(self, stream: str, packet: Any) -> None:
        self._graph.add_packet_to_input_stream(stream=stream, packet=packet.at(self._moment))

    def _take(self, _: str, packet: Any) -> None:
        self._found = packet


Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels from the top left corner


def box_area(box: Box) -> int:
    """Square pixels."""
    left, top, right, bottom = box
    return max(right - left, 0) * max(bottom - top, 0)


def _to_detection(found: Any, width: int, height: int) -> FaceDetection:
    relative = found.relative_bounding_box
    left, top = relative.xmin * width, relative.ymin * height
    across, down = relative.width * width, relative.height * height
    box = (max(round(left), 0), max(round(top), 0),
           min(round(left + across), width), min(round(top + down), height))
    right_eye, left_eye = found.relative_keypoints[:2]
    eyes = ((left_eye.x - right_eye.x) * width, (left_eye.y - right_eye.y) * height)
    # As its graph FaceDetectionFrontDetectionToRoi does.
    return FaceDetection(box, FaceRegion.around((left, top, across, down), eyes))


# How protobuf writes one landmark with x, y and z and nothing else: the message's
# tag and length, then tag and float32 of each. Reading 1,434 attributes one by
# one instead costs a fifth of a millisecond on every frame.
_WIRE = np.dtype([('head', 'u1', 3), ('x', '<f4'), ('y_tag', 'u1'), ('y', '<f4'),
                  ('z_tag', 'u1'), ('z', '<f4')])
_TAGS_AT = [0, 1, 2, 7, 12]
_TAGS = np.array([0x0a, 0x0f, 0x0d, 0x15, 0x1d], np.uint8)


def _to_landmarks(wire: bytes, width: int, height: int) -> FaceLandmarks:
    """Of a serialised NormalizedLandmarkList."""
    x, y, z = _coordinates(wire)
    # Centring before scaling keeps mirroring exact: MediaPipe's float32 minus
    # one half has no rounding error in float64.
    points = np.column_stack([(x - 0.5) * width, (0.5 - y) * height, -z * width])
    return FaceLandmarks(points, width, height)


def _coordinates(wire: bytes) -> NDArray[np.float64]:
    """x, y, z as MediaPipe gives them, float64 (3, 478)."""
    if len(wire) == landmarks.COUNT * _WIRE.itemsize:
        rows = np.frombuffer(wire, np.uint8).reshape(landmarks.COUNT, _WIRE.itemsize)
        if (rows[:, _TAGS_AT] == _TAGS).all():
            named = np.frombuffer(wire, _WIRE)
            return np.array([named['x'], named['y'], named['z']], np.float64)
    points = light_mediapipe.landmark_pb2.NormalizedLandmarkList.FromString(wire).landmark
    return np.array([[point.x, point.y, point.z] for point in points]).T
