"""A healthy photograph made ready to be moved: checked, landmarks in mm, hair and ears around.

It never changes the face, and it refuses pictures that the model cannot move well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from stroke_side_monitor import landmarks
from stroke_side_monitor.offline import inputs
from stroke_side_monitor.perception.face_mesh import FaceLandmarks, FaceMesh
from stroke_side_monitor.perception.frame import NormalisedFace, normalise
from stroke_side_monitor.simulation import topology

SMALLEST_EYE_DISTANCE_PX = 35.0
LARGEST_YAW_DEG, LARGEST_PITCH_DEG, LARGEST_ROLL_DEG = 15.0, 20.0, 20.0
# A second face smaller than this share of the first is somebody in the background.
_SECOND_FACE_SHARE = 0.1

# Rings of vertices around the face oval: (enlargement, mm further back, how far
# they follow the head). They carry hair, ears and neck; the last one stands still
# and lies outside any picture.
_RINGS = ((1.25, 12.0, 1.0), (1.7, 35.0, 0.6), (2.6, 60.0, 0.15), (9.0, 60.0, 0.0))


class PictureError(ValueError):
    """A photograph that cannot become a patient; the text names it and says why."""


@dataclass(frozen=True)
class Texture:
    """A picture and where the mesh's vertices lie in it.

    rgb: uint8 (H, W, 3). vertices: float64 (N, 2), pixels from the top left corner.
    """

    rgb: NDArray[np.uint8]
    vertices: NDArray[np.float64]


@dataclass(frozen=True)
class Portrait:
    """One person.

    points: float64 (N, 3), canonical mm in the head-fixed frame: the 478
        landmarks, then the rings around the face.
    rotation: float64 (3, 3), from the picture's axes to the head's.
    pixel_per_mm: scale of the picture at the face.
    origin: float64 (2,), pixels from the top left: where the head frame's origin lies.
    size: width and height in pixels of the pictures drawn from it.
    camera_mm: how far from the head frame's origin the camera stands, mm; infinite: so far that
        nearer parts of the face look no larger.
    texture: the neutral (or only) photograph; may reach beyond those pictures.
    smiling: the same person's smiling photograph, or None.
    smiling_points: like points, for the smiling photograph.
    """

    points: NDArray[np.float64]
    rotation: NDArray[np.float64]
    pixel_per_mm: float
    origin: NDArray[np.float64]
    size: tuple[int, int]
    texture: Texture
    smiling: Texture | None = None
    smiling_points: NDArray[np.float64] | None = None
    camera_mm: float = math.inf

    def project(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Head-frame mm, shape (N, 3) → pixels from the picture's top left, shape (N, 2)."""
        picture = points @ self.rotation * self.pixel_per_mm
        return self.origin + picture[:, :2] * (1.0, -1.0)

    def _beside_head(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """How far the second ring, around hair and ears, stays away from the photograph's edges.

        Returns:
            Pixels (left, above) and (right, below).
        """
        ring = self.texture.vertices[landmarks.COUNT:][len(topology.FACE_OVAL):][
            :len(topology.FACE_OVAL)]
        return ring.min(axis=0), np.array(self.texture.rgb.shape[1::-1]) - ring.max(axis=0)

    def framed(self, width: int, height: int, interocular_px: float,
               camera_mm: float = math.inf) -> Portrait:
        """The same person in a picture of another size, face in the middle.

        What lies outside the photograph is filled with its mirrored edge, as far as that shows
        no second face, and beyond with the last pixels of that. The texture keeps a margin, out of
        which the head may move.

        Args:
            camera_mm: see Portrait. The photograph is taken to be from the same distance:
                unmoved the face looks as photographed, and perspective shows when it turns.
        """
        scale = interocular_px / (self.pixel_per_mm * _EYE_DISTANCE_MM)
        middle = self.project(np.array([_FACE_MIDDLE]))[0]
        offset = np.array([width / 2, height / 2]) - scale * middle
        margin = round(_MARGIN * max(width, height))
        texture = _resample(self.texture, scale, offset + margin,
                            (width + 2 * margin, height + 2 * margin),
                            reflected_px=self._beside_head())
        smiling = self.smiling
        if smiling is not None:
            size = tuple(round(scale * side) for side in smiling.rgb.shape[1::-1])
            smiling = _resample(smiling, scale, np.zeros(2), (size[0], size[1]))
        return replace(self, texture=texture, smiling=smiling, size=(width, height),
                       pixel_per_mm=self.pixel_per_mm * scale,
                       origin=self.origin * scale + offset, camera_mm=camera_mm)


_EYE_DISTANCE_MM = 63.0
# How far the oval, then each ring, follows the jaw in a smile.
_RING_JAW = np.repeat([0.8, 0.4, 0.1, 0.0, 0.0], len(topology.FACE_OVAL))
_MARGIN = 0.25  # of the picture's longer side
_FACE_MIDDLE = (0.0, 0.0, 40.0)


def read_picture(path: str | Path) -> NDArray[np.uint8]:
    """Load a photograph as RGB uint8 (H, W, 3).

    Raises:
        PictureError: the file is missing or no picture.
    """
    try:
        return inputs.read_picture(Path(path))
    except inputs.InputError as error:
        raise PictureError(f'{path}: {error}') from error


def astronaut() -> NDArray[np.uint8]:
    """The default photograph: Eileen Collins, NASA, public domain; uint8 (512, 512, 3), RGB.

    Raises:
        PictureError: scikit-image, which ships the picture, is not installed.
    """
    try:
        from skimage import data
    except ImportError as missing:
        raise PictureError(
            'the default photograph comes with scikit-image, which is not installed: '
            'pip install scikit-image, or give a photograph with --photo') from missing
    return np.asarray(data.astronaut())


def portrait(rgb: NDArray[np.uint8], name: str = 'photograph', *,
             smiling_rgb: NDArray[np.uint8] | None = None, smiling_name: str = 'smiling photograph',
             mesh: FaceMesh | None = None, both_passes: bool = False) -> Portrait:
    """Check a photograph and find the face in it.

    Args:
        rgb: uint8 (H, W, 3); one healthy face from the front.
        name: what errors call it, usually the file.
        smiling_rgb: the same person smiling, or None.
        smiling_name: what errors call that one.
        mesh: a FaceMesh with tracking off and max_faces ≥ 2, to share between
            many photographs; None: one for this call.
        both_passes: look at each photograph through a mirror too and take the
            mean, so that the mesh's left/right bias (about 1 mm) is not drawn
            into the truth. Where small differences between the sides are measured.

    Raises:
        PictureError: no face, several faces, a face turned away, too small or cut off.
    """
    own_mesh = mesh or FaceMesh(tracking=False, max_faces=2)
    try:
        face = _only_face(own_mesh, rgb, name, both_passes)
        smiling_face = None if smiling_rgb is None \
            else _only_face(own_mesh, smiling_rgb, smiling_name, both_passes)
    finally:
        if mesh is None:
            own_mesh.close()
    neutral = _neutral(rgb, face)
    if smiling_rgb is None or smiling_face is None:
        return neutral
    return _with_smile(neutral, smiling_rgb, smiling_face)


def _only_face(mesh: FaceMesh, rgb: NDArray[np.uint8], name: str, both_passes: bool
               ) -> FaceLandmarks:
    faces = mesh.detect(rgb)
    mirrored = mesh.detect(rgb, through_mirror=True) if both_passes else faces
    if not faces or not mirrored:
        raise PictureError(f'{name}: no face found; give a frontal photograph of one person')
    if len(faces) > 1 and faces[1].box_area > _SECOND_FACE_SHARE * faces[0].box_area:
        raise PictureError(f'{name}: more than one face; crop it to one person')
    face = replace(faces[0], points=(faces[0].points + mirrored[0].points) / 2)
    head = normalise(face)
    if head.interocular_px < SMALLEST_EYE_DISTANCE_PX:
        raise PictureError(
            f'{name}: the face is too small: {head.interocular_px:.0f} px between the eyes, '
            f'at least {SMALLEST_EYE_DISTANCE_PX:.0f} needed')
    for angle, value, limit in (('yaw', head.yaw_deg, LARGEST_YAW_DEG),
                                ('pitch', head.pitch_deg, LARGEST_PITCH_DEG),
                                ('roll', head.roll_deg, LARGEST_ROLL_DEG)):
        if abs(value) > limit:
            raise PictureError(f'{name}: the head is turned: {angle} {value:.0f}°, '
                               f'at most ±{limit:.0f}°; give a frontal photograph')
    pixels = face.pixels()[topology.FACE_OVAL]
    if pixels.min() < 0 or (pixels > (face.width, face.height)).any():
        raise PictureError(f'{name}: the face is cut off by the edge of the picture')
    return face


def _neutral(rgb: NDArray[np.uint8], face: FaceLandmarks) -> Portrait:
    head = normalise(face)
    # normalise() is a similarity; solving for it gives back its exact inverse.
    design = np.column_stack([head.points, np.ones(landmarks.COUNT)])
    solution, *_ = np.linalg.lstsq(design, face.points, rcond=None)
    rotation = solution[:3] * head.millimetre_per_pixel
    origin = np.array([solution[3, 0] + face.width / 2, face.height / 2 - solution[3, 1]])
    base = Portrait(with_rings(head.points), rotation, 1.0 / head.millimetre_per_pixel, origin,
                    (face.width, face.height), Texture(rgb, np.empty((0, 2))))
    return replace(base, texture=Texture(rgb, base.project(base.points)))


def with_rings(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The 478 landmarks followed by the rings around the face, canonical mm."""
    oval = points[topology.FACE_OVAL]
    centre = np.array([*oval[:, :2].mean(axis=0), 0.0])
    rings = [centre + (oval - centre) * (factor, factor, 1.0) - (0.0, 0.0, back)
             for factor, back, _ in _RINGS]
    return np.concatenate([points, *rings])


def head_share() -> NDArray[np.float64]:
    """float64 (N,): how far each vertex follows the head's motion, 0 to 1."""
    return np.concatenate([np.ones(landmarks.COUNT)]
                          + [np.full(len(topology.FACE_OVAL), share) for *_, share in _RINGS])


def surround() -> NDArray[np.intp]:
    """Triangles of hair, neck and background, the outermost first."""
    count = len(topology.FACE_OVAL)
    chains = [topology.FACE_OVAL] + [
        np.arange(landmarks.COUNT + k * count, landmarks.COUNT + (k + 1) * count)
        for k in range(len(_RINGS))]
    strips = [topology.ring(inner, outer) for inner, outer in pairwise(chains)]
    return np.concatenate(strips[::-1])


def _with_smile(neutral: Portrait, rgb: NDArray[np.uint8], face: FaceLandmarks) -> Portrait:
    head: NormalisedFace = normalise(face)
    smiling_points = with_rings(head.points)
    # The oval's landmarks wander along the outline; of those only the chin smiles.
    still = np.concatenate([topology.FACE_OVAL,
                            np.arange(landmarks.COUNT, len(smiling_points))])
    moved = smiling_points[still] - neutral.points[still]
    jaw = np.clip((-20.0 - neutral.points[still, 1]) / 50.0, 0.0, 1.0)
    smiling_points[still] = neutral.points[still] + moved * (jaw * _RING_JAW)[:, None]
    pixels = np.zeros((len(smiling_points), 2))
    pixels[:landmarks.COUNT] = face.pixels()
    # To the neutral photograph's scale, so that both can be resampled alike.
    scale = neutral.pixel_per_mm * head.millimetre_per_pixel
    size = tuple(max(1, math.ceil(scale * side)) for side in (face.width, face.height))
    smiling = _resample(Texture(rgb, pixels), scale, np.zeros(2), (size[0], size[1]))
    return replace(neutral, smiling=_same_light(smiling, neutral.texture),
                   smiling_points=smiling_points)


def _same_light(texture: Texture, reference: Texture) -> Texture:
    """Match the mean colour of the skin, channel by channel."""
    def skin(of: Texture) -> NDArray[np.float64]:
        at = np.round(of.vertices[:468] - 0.5).astype(int)
        at = np.clip(at, 0, np.array(of.rgb.shape[1::-1]) - 1)
        return np.median(of.rgb[at[:, 1], at[:, 0]].astype(float), axis=0)

    gain = np.clip(skin(reference) / np.maximum(skin(texture), 1.0), 0.7, 1.4)
    rgb = np.clip(np.round(texture.rgb * gain), 0, 255).astype(np.uint8)
    return replace(texture, rgb=rgb)


def _resample(texture: Texture, scale: float, offset: NDArray[np.float64],
              size: tuple[int, int], reflected_px: tuple[NDArray[np.float64], NDArray[np.float64]]
              = (np.zeros(2), np.zeros(2))) -> Texture:
    """Scale and move a texture; so much of its edges is mirrored outwards before they run on."""
    rgb = texture.rgb
    if scale < 0.75:  # average first: sampling a much larger picture directly would alias
        shrunk = tuple(max(1, round(scale * side)) for side in rgb.shape[1::-1])
        stretch = np.array([rgb.shape[1], rgb.shape[0]]) / shrunk
        rgb = cv2.resize(rgb, shrunk, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        per_axis = scale * stretch
    else:
        per_axis = np.array([scale, scale])
    before, after = (np.clip(side / texture.rgb.shape[1::-1] * rgb.shape[1::-1], 0,
                             np.array(rgb.shape[1::-1]) - 1).astype(int) for side in reflected_px)
    left, above, right, below = (int(side) for side in (*before, *after))
    rgb = np.asarray(cv2.copyMakeBorder(rgb, above, below, left, right, cv2.BORDER_REFLECT_101),
                     np.uint8)
    shift = offset + per_axis * (0.5 - before) - 0.5
    matrix = np.array([[per_axis[0], 0.0, shift[0]], [0.0, per_axis[1], shift[1]]])
    moved = cv2.warpAffine(rgb, matrix, size, flags=cv2.INTER_CUBIC,
                           borderMode=cv2.BORDER_REPLICATE)
    return Texture(moved, texture.vertices * scale + offset)  # type: ignore[arg-type]
