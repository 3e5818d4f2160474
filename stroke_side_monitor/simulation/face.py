"""Draws the simulated patient: one photograph, one palsy, any expression and head pose.

It decides nothing about the illness (palsy.py does) and knows no time (session.py does).
Left and right are the PATIENT's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from stroke_side_monitor import landmarks
from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.simulation import portrait as portraits
from stroke_side_monitor.simulation import topology
from stroke_side_monitor.simulation.palsy import Expression, FaceModel, Palsy, Style
from stroke_side_monitor.simulation.portrait import Portrait, Texture


@dataclass(frozen=True)
class HeadMotion:
    """How the head has moved since the photograph was taken.

    yaw_deg: positive to the patient's left. pitch_deg: positive up.
    roll_deg: positive towards the patient's left shoulder.
    right_px, down_px: shift in the picture. scale: size in the picture, 1 = as photographed.
    """

    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    roll_deg: float = 0.0
    right_px: float = 0.0
    down_px: float = 0.0
    scale: float = 1.0


@dataclass(frozen=True)
class FaceTruth:
    """What is true of one drawn face. Pairs are (left, right), the patient's.

    displacement_mm: of the commissure, (outwards, upwards) per side, from the
        photographed face at rest, mm.
    commissure_mm: length of that displacement, mm.
    lid_gap_mm: opening of the lids, mm.
    yaw_deg, pitch_deg, roll_deg: of the head as drawn, signs as in HeadMotion.
    points: float64 (478, 3), canonical mm of the head-fixed frame: the landmarks
        where they were drawn.
    """

    displacement_mm: tuple[tuple[float, float], tuple[float, float]]
    commissure_mm: tuple[float, float]
    lid_gap_mm: tuple[float, float]
    yaw_deg: float
    pitch_deg: float
    roll_deg: float
    points: NDArray[np.float64] = field(repr=False, compare=False)


_STILL = HeadMotion()


class SimulatedFace:
    """One patient, ready to be drawn. Not a function of time: the same input draws the same bytes.

    One thread at a time.
    """

    def __init__(self, portrait: Portrait, palsy: Palsy, style: Style | None = None) -> None:
        self.portrait = portrait
        self.palsy = palsy
        self.style = style or Style()
        self.model = FaceModel(portrait.points, self.style, portrait.smiling_points)
        self._share = portraits.head_share()[:, None]
        # Openings before skin: closed ones vanish under the rims of their lids and lips.
        surround = portraits.surround()
        self._triangles = np.concatenate(
            [surround, topology.MOUTH_OPENING, topology.EYE_OPENING_RIGHT,
             topology.EYE_OPENING_LEFT, topology.SKIN])
        self._in_mouth = np.zeros(len(self._triangles), dtype=bool)
        self._in_mouth[len(surround):len(surround) + len(topology.MOUTH_OPENING)] = True
        self._inner = _innerness()
        self._around_eye = [self._triangles_around(outline) for *_, outline in _EYES]
        self._texture, self._smiling = portrait.texture, portrait.smiling
        self._weakness = 0.0

    def draw(self, expression: Expression, head: HeadMotion = _STILL, weakness: float = 1.0
             ) -> tuple[NDArray[np.uint8], FaceTruth]:
        """Draw one frame.

        Args:
            expression: what the patient tries to do.
            head: how the head has moved.
            weakness: how far the palsy has set in, 0 (still healthy) to 1.

        Returns:
            RGB uint8 (H, W, 3), as large as the portrait, and what is true of it.
        """
        self._set_in(weakness)
        palsy = self.palsy.at(weakness)
        displacement = self.model.displacement(palsy, expression)
        rotation = self.portrait.rotation @ _turn(head)
        place, depth = self._place(displacement, rotation, head)
        order = self._back_to_front(depth)
        smile = self._smile_share(palsy, expression)
        corners = self._corners(smile, displacement)
        picture = self._skin(place, corners, order)
        if expression.jaw:
            _open_mouth(picture, place, min(3.0 * expression.jaw, 1.0))
        for eye, triangles in zip(_EYES, self._around_eye, strict=True):
            near = order[np.isin(order, triangles)]
            self._lids(picture, place, corners, near, eye[-1])
            self._eyeball(picture, place, displacement, eye, smile)
        return picture, self._truth(displacement, rotation)

    def _set_in(self, weakness: float) -> None:
        """Flatten the folds as far as the palsy has set in."""
        if weakness == self._weakness:
            return
        self._weakness = weakness
        palsy = self.palsy.at(weakness)
        self._texture = self._flattened(self.portrait.texture, palsy)
        if self.portrait.smiling is not None:
            self._smiling = self._flattened(self.portrait.smiling, palsy)

    def _place(self, displacement: NDArray[np.float64], rotation: NDArray[np.float64],
               head: HeadMotion) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Where every vertex goes, pixels from the top left, and how near it is, mm."""
        portrait = self.portrait
        points = portrait.points + displacement
        before = portrait.project(points)
        depth = points @ rotation[:, 2]
        if head is _STILL:
            return before, depth
        pivot = portrait.project(_NECK[None])[0]
        turned = self._turned(points, rotation) * (portrait.pixel_per_mm * head.scale)
        after = pivot + turned * (1.0, -1.0) + (head.right_px, head.down_px)
        return before + self._share * (after - before), depth

    def _back_to_front(self, depth: NDArray[np.float64]) -> NDArray[np.intp]:
        """The triangles in the order in which they are painted: a nose before the far cheek.

        What lies around the face and the openings of eyes and mouth stay first.
        """
        skin = np.arange(len(self._triangles) - len(topology.SKIN), len(self._triangles))
        nearness = depth[self._triangles[skin]].mean(axis=1)
        return np.concatenate([np.arange(skin[0]), skin[np.argsort(nearness, kind='stable')]])

    def _turned(self, points: NDArray[np.float64], rotation: NDArray[np.float64]
                ) -> NDArray[np.float64]:
        """Where a turned head's points are seen, mm right and up of where its neck is seen."""
        camera_mm, photographed = self.portrait.camera_mm, self.portrait.rotation
        if math.isinf(camera_mm):
            return ((points - _NECK) @ rotation)[:, :2]
        # The photograph shows near things too large already; only what is truly there turns.
        there = points @ photographed
        there[:, :2] *= 1.0 - there[:, 2:] / camera_mm
        neck = _NECK @ photographed
        there = (there @ photographed.T - _NECK) @ rotation + neck
        return there[:, :2] / (1.0 - there[:, 2:] / camera_mm) - neck[:2]

    def _smile_share(self, palsy: Palsy, expression: Expression
                     ) -> NDArray[np.float64] | None:
        """How far each vertex takes its texture from the smiling photograph, 0 to 1."""
        if self._smiling is None:
            return None
        left, right = self.model.intensities(palsy, expression, 'smile')
        if max(left, right) <= 0.0:
            return None
        x = self.portrait.points[:, 0] / 24.0 + 0.5
        of_left = np.clip(x, 0.0, 1.0)
        of_left = of_left * of_left * (3.0 - 2.0 * of_left)
        return np.clip(of_left * left + (1.0 - of_left) * right, 0.0, 1.0)

    def _corners(self, smile: NDArray[np.float64] | None, displacement: NDArray[np.float64]
                 ) -> NDArray[np.float64]:
        """Texture places, and the smiling photograph's share, at every triangle's corners."""
        corners = [self._lid_skin(self._texture, displacement)[self._triangles]]
        if smile is not None and self._smiling is not None:
            share = (smile * self._inner)[self._triangles]
            # Teeth are only in the smiling picture; blended with closed lips they look like mist.
            in_mouth = np.clip(3.0 * smile, 0.0, 1.0)[self._triangles]
            share = np.where(self._in_mouth[:, None], in_mouth, share)
            corners += [self._lid_skin(self._smiling, displacement)[self._triangles],
                        share[:, :, None]]
        return np.concatenate(corners, axis=2)

    def _lid_skin(self, texture: Texture, displacement: NDArray[np.float64]
                  ) -> NDArray[np.float64]:
        """Texture places whose lid edges draw back from the eyeball as the lids close.

        FaceMesh puts the edge up to a millimetre inside the opening; without
        this a closed eye keeps a white sliver.
        """
        at = texture.vertices.copy()
        up = -self.portrait.pixel_per_mm * self.portrait.rotation[1, 1]
        for _, upper, lower, _ in _EYES:
            gap = np.maximum(self.portrait.points[upper, 1] - self.portrait.points[lower, 1], 1e-6)
            came_down = displacement[lower, 1] - displacement[upper, 1]
            closed = np.clip(came_down[1:-1] / gap[1:-1], 0.0, 1.0)
            at[upper[1:-1], 1] += up * _LASH_MM * closed
            at[lower[1:-1], 1] -= up * _LASH_MM * closed
        return at

    def _skin(self, place: NDArray[np.float64], corners: NDArray[np.float64],
              order: NDArray[np.intp]) -> NDArray[np.uint8]:
        width, height = self.portrait.size
        half = ((width + 1) // 2, (height + 1) // 2)
        grid = _paint(place[self._triangles[order]] / 2, corners[order], half)
        grid = cv2.blur(grid, (3, 3))  # type: ignore[assignment]  # rounds the mesh's folds off
        full = cv2.resize(grid, (2 * half[0], 2 * half[1]))[:height, :width]
        return self._sample(full)  # type: ignore[arg-type]

    def _lids(self, picture: NDArray[np.uint8], place: NDArray[np.float64],
              corners: NDArray[np.float64], triangles: NDArray[np.intp],
              outline: NDArray[np.intp]) -> None:
        """Repaint an eye's surroundings pixel by pixel.

        Closing lids meet in a line on either side of which the texture jumps;
        the coarse grid of _skin would squeeze the eyeball into that line.
        """
        margin = round(5.0 * self.portrait.pixel_per_mm)
        window = self._window(place[outline], margin)
        if window is None:
            return
        low, size = window
        region = picture[low[1]:low[1] + size[1], low[0]:low[0] + size[0]]
        fine = self._sample(_paint(place[self._triangles[triangles]] - low,
                                   corners[triangles], size))
        edge = max(1, margin // 2)
        mask = np.zeros((size[1], size[0]), dtype=np.float32)
        mask[edge:-edge, edge:-edge] = 1.0
        mask = cv2.blur(mask, (2 * edge + 1, 2 * edge + 1))  # type: ignore[assignment]
        region[:] = cv2.blendLinear(fine, np.ascontiguousarray(region), mask, 1.0 - mask)

    def _window(self, outline: NDArray[np.float64], margin: int
                ) -> tuple[NDArray[np.intp], tuple[int, int]] | None:
        """Box around points, cut to the picture: top left corner, size; None when outside."""
        low = np.maximum(np.floor(outline.min(axis=0)).astype(int) - margin, 0)
        high = np.minimum(np.ceil(outline.max(axis=0)).astype(int) + margin, self.portrait.size)
        size = (int(high[0] - low[0]), int(high[1] - low[1]))
        return None if min(size) < 2 * margin else (low, size)

    def _triangles_around(self, outline: NDArray[np.intp]) -> NDArray[np.intp]:
        points = self.portrait.points[:, :2]
        low = points[outline].min(axis=0) - 15.0
        high = points[outline].max(axis=0) + 15.0
        near = ((points > low) & (points < high)).all(axis=1)
        return np.flatnonzero(near[self._triangles].any(axis=1) & ~self._in_mouth)

    def _sample(self, attributes: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Look up the textures: (H, W, 2) or, with the smiling one, (H, W, 5)."""
        neutral = _remap(self._texture.rgb, attributes[..., 0:2])
        if attributes.shape[2] == 2 or self._smiling is None:
            return neutral
        smiling = _remap(self._smiling.rgb, attributes[..., 2:4])
        share = np.clip(attributes[..., 4], 0.0, 1.0)
        return cv2.blendLinear(neutral, smiling,  # type: ignore[return-value]
                               np.ascontiguousarray(1.0 - share), np.ascontiguousarray(share))

    def _eyeball(self, picture: NDArray[np.uint8], place: NDArray[np.float64],
                 displacement: NDArray[np.float64], eye: tuple[NDArray[np.intp], ...],
                 smile: NDArray[np.float64] | None) -> None:
        """Paint the eyeball between the lids: it stays where it is while the lids slide over it."""
        opening, upper, lower, outline = eye
        window = self._window(place[outline], 2)
        if window is None:
            return
        low, size = window
        corners = [self._eyeball_texture(self.portrait.points, self._texture, displacement,
                                         upper, lower)[opening]]
        if smile is not None and self._smiling is not None:
            points = self.portrait.smiling_points
            assert points is not None
            moved = displacement + self.portrait.points - points
            corners += [self._eyeball_texture(points, self._smiling, moved, upper, lower)[opening],
                        (smile * self._inner)[opening][:, :, None]]
        attributes = _paint(place[opening] - low, np.concatenate(corners, axis=2), size)
        eyeball = self._sample(attributes)
        mask = _polygon(place[outline] - low, size)
        region = picture[low[1]:low[1] + size[1], low[0]:low[0] + size[0]]
        region[:] = cv2.blendLinear(eyeball, np.ascontiguousarray(region), mask, 1.0 - mask)

    def _eyeball_texture(self, points: NDArray[np.float64], texture: Texture,
                         displacement: NDArray[np.float64], upper: NDArray[np.intp],
                         lower: NDArray[np.intp]) -> NDArray[np.float64]:
        """Texture places of the lid edges: uncovered eyeball is itself, never stretched lid."""
        at = texture.vertices.copy()
        # mm → pixels of this texture, upwards.
        up = -self.portrait.pixel_per_mm * self.portrait.rotation[1, 1]
        gap = points[upper, 1] - points[lower, 1]
        at[upper, 1] += up * np.clip(displacement[upper, 1], -gap, 0.0)
        at[lower, 1] += up * np.clip(displacement[lower, 1], 0.0, gap)
        return at

    def _flattened(self, texture: Texture, palsy: Palsy) -> Texture:
        """Wipe out the cheek fold of a weak mouth and the furrows of a weak forehead."""
        style = self.style
        mouth = style.fold * style.strength(palsy.mouth)
        brow = style.fold * style.strength(palsy.brow)
        if palsy.side is Side.NONE or max(mouth, brow) == 0.0:
            return texture
        pixel = self.portrait.pixel_per_mm
        shape = texture.rgb.shape[:2]
        at = {side: texture.vertices[indices] for side, indices in _FOLD[palsy.side].items()}
        mask = np.maximum(
            mouth * _soft_line(shape, at['fold'], 9.0 * pixel, 3.0 * pixel),
            brow * _soft_line(shape, at['forehead'], 12.0 * pixel, 4.0 * pixel))
        smooth = cv2.GaussianBlur(texture.rgb, (0, 0), 2.6 * pixel)
        rgb = cv2.blendLinear(smooth, texture.rgb, mask, 1.0 - mask)
        return Texture(rgb, texture.vertices)  # type: ignore[arg-type]

    def _truth(self, displacement: NDArray[np.float64], rotation: NDArray[np.float64]
               ) -> FaceTruth:
        left = displacement[landmarks.COMMISSURE_LEFT]
        right = displacement[landmarks.COMMISSURE_RIGHT]
        return FaceTruth(
            ((float(left[0]), float(left[1])), (float(-right[0]), float(right[1]))),
            (float(np.linalg.norm(left)), float(np.linalg.norm(right))),
            (self.model.lid_gap(Side.LEFT, displacement),
             self.model.lid_gap(Side.RIGHT, displacement)),
            *angles(rotation), (self.portrait.points + displacement)[:landmarks.COUNT])


_ORAL_CAVITY = (58, 26, 26)  # RGB, unlit
_MOUTH_OUTLINE = np.concatenate([topology.INNER_UPPER_LIP, topology.INNER_LOWER_LIP[-2:0:-1]])


def _open_mouth(picture: NDArray[np.uint8], place: NDArray[np.float64], share: float) -> None:
    """Darken what lies between the lips: a photograph of closed ones shows nothing of it."""
    size = (picture.shape[1], picture.shape[0])
    mask = share * _polygon(place[_MOUTH_OUTLINE], size)
    dark = np.empty_like(picture)
    dark[:] = _ORAL_CAVITY
    picture[:] = cv2.blendLinear(dark, picture, mask, 1.0 - mask)


_LASH_MM = 0.9  # the lash line's distance from the lid landmarks, at most
_NECK = np.array([0.0, -40.0, -50.0])  # mm in the head frame: where the head turns


def _eye(opening: NDArray[np.intp], upper: NDArray[np.intp], lower: NDArray[np.intp]
         ) -> tuple[NDArray[np.intp], ...]:
    return opening, upper, lower, np.concatenate([upper, lower[-2:0:-1]])


_EYES = (_eye(topology.EYE_OPENING_RIGHT, topology.UPPER_LID_EDGE_RIGHT,
              topology.LOWER_LID_EDGE_RIGHT),
         _eye(topology.EYE_OPENING_LEFT, topology.UPPER_LID_EDGE_LEFT,
              topology.LOWER_LID_EDGE_LEFT))

# Along the nasolabial fold, ala to beside the commissure; across the forehead above the brow.
_FOLD_RIGHT = {'fold': np.array([203, 206, 216]), 'forehead': np.array([104, 69, 108])}
_FOLD = {Side.RIGHT: _FOLD_RIGHT,
         Side.LEFT: {name: landmarks.MIRROR[at] for name, at in _FOLD_RIGHT.items()}}


def _innerness() -> NDArray[np.float64]:
    """0 on the face's outline and outside, 1 two vertices further in."""
    inner = np.ones(len(portraits.head_share()))
    inner[landmarks.COUNT:] = 0.0
    inner[topology.FACE_OVAL] = 0.0
    touching = (inner[topology.SKIN] == 0.0).any(axis=1)
    second = np.setdiff1d(topology.SKIN[touching], topology.FACE_OVAL)
    inner[second] = 0.5
    return inner


def _turn(head: HeadMotion) -> NDArray[np.float64]:
    yaw, pitch, roll = np.radians([head.yaw_deg, head.pitch_deg, head.roll_deg])
    forward = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
    across = np.array([np.cos(yaw), 0.0, -np.sin(yaw)])
    up = np.cross(forward, across)
    return np.stack([np.cos(roll) * across - np.sin(roll) * up,
                     np.cos(roll) * up + np.sin(roll) * across, forward])


def angles(rotation: NDArray[np.float64]) -> tuple[float, float, float]:
    """Yaw, pitch, roll in degrees, as perception/frame.py defines them."""
    return (float(np.degrees(np.arctan2(rotation[2, 0], rotation[2, 2]))),
            float(np.degrees(np.arcsin(np.clip(rotation[2, 1], -1.0, 1.0)))),
            float(np.degrees(np.arctan2(rotation[1, 0], rotation[1, 1]))))


_SUBPIXEL_BITS = 4


def _paint(corners: NDArray[np.float64], attributes: NDArray[np.float64],
           size: tuple[int, int]) -> NDArray[np.float32]:
    """Spread corner attributes linearly over triangles, later triangles on top.

    Args:
        corners: float64 (T, 3, 2), pixels from the top left.
        attributes: float64 (T, 3, A).
        size: width and height.

    Returns:
        float32 (height, width, A). Pixels that no triangle covers get the
        linear function of the first triangle; the mesh's last ring leaves none.
    """
    width, height = size
    index = np.zeros((height, width), dtype=np.int32)
    centred = corners - 0.5
    fixed = np.round(centred * (1 << _SUBPIXEL_BITS)).astype(np.int32)
    edges = corners[:, 1:] - corners[:, :1]
    area = edges[:, 0, 0] * edges[:, 1, 1] - edges[:, 0, 1] * edges[:, 1, 0]
    solid = np.abs(area) > 1e-3
    for triangle in np.flatnonzero(solid):
        cv2.fillConvexPoly(index, fixed[triangle], (int(triangle),), shift=_SUBPIXEL_BITS)
    planes = _planes(centred, attributes, edges, np.where(solid, area, 1.0))
    by_column, by_row, painted = (plane.take(index, axis=0) for plane in planes)
    by_column *= np.arange(width, dtype=np.float32)[None, :, None]
    by_row *= np.arange(height, dtype=np.float32)[:, None, None]
    by_column += by_row
    painted += by_column
    _hold_slivers(painted, index, planes, attributes)
    return painted


_STEEPEST = 6.0  # attribute units per pixel; whole faces of the mesh stay below 3


def _hold_slivers(painted: NDArray[np.float32], index: NDArray[np.int32],
                  planes: NDArray[np.float32], attributes: NDArray[np.float64]) -> None:
    """Keep the rim pixels of triangles seen edge-on within those triangles' own texture."""
    steep = (np.abs(planes[:2]) > _STEEPEST).any(axis=(0, 2))
    pixels = steep[index]
    triangles = index[pixels]
    painted[pixels] = np.clip(painted[pixels], attributes.min(axis=1)[triangles],
                              attributes.max(axis=1)[triangles])


def _planes(corners: NDArray[np.float64], attributes: NDArray[np.float64],
            edges: NDArray[np.float64], area: NDArray[np.float64]) -> NDArray[np.float32]:
    """Coefficients (3, T, A) of each attribute as a linear function of column and row."""
    rise = attributes[:, 1:] - attributes[:, :1]
    by_column = (rise[:, 0] * edges[:, 1, 1:] - rise[:, 1] * edges[:, 0, 1:]) / area[:, None]
    by_row = (rise[:, 1] * edges[:, 0, :1] - rise[:, 0] * edges[:, 1, :1]) / area[:, None]
    constant = attributes[:, 0] - by_column * corners[:, 0, :1] - by_row * corners[:, 0, 1:]
    return np.stack([by_column, by_row, constant]).astype(np.float32)


def _remap(rgb: NDArray[np.uint8], at: NDArray[np.float32]) -> NDArray[np.uint8]:
    moved = cv2.remap(rgb, np.ascontiguousarray(at[..., 0] - np.float32(0.5)),
                      np.ascontiguousarray(at[..., 1] - np.float32(0.5)), cv2.INTER_LINEAR,
                      borderMode=cv2.BORDER_REFLECT_101)
    return moved  # type: ignore[return-value]


_MASK_SCALE = 4


def _polygon(outline: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float32]:
    """Coverage, 0 to 1, of a polygon; antialiased."""
    large = np.zeros((size[1] * _MASK_SCALE, size[0] * _MASK_SCALE), dtype=np.uint8)
    fixed = np.round((outline * _MASK_SCALE - 0.5) * (1 << _SUBPIXEL_BITS)).astype(np.int32)
    cv2.fillPoly(large, [fixed], (255,), shift=_SUBPIXEL_BITS)
    small = cv2.resize(large, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return cv2.GaussianBlur(small, (3, 3), 0.6)  # type: ignore[return-value]


def _soft_line(shape: tuple[int, ...], line: NDArray[np.float64], width: float, softness: float
               ) -> NDArray[np.float32]:
    mask = np.zeros(shape[:2], dtype=np.float32)
    cv2.polylines(mask, [np.round(line).astype(np.int32)], False, (1.0,), max(1, round(width)))
    return cv2.GaussianBlur(mask, (0, 0), softness)  # type: ignore[return-value]
