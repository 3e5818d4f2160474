"""The face as a net of triangles: FaceMesh's own, the openings of eyes and mouth, and hair around.

Which vertex belongs to which triangle, nothing else: it never holds a position
and never touches an image. "Right" and "left" are the PATIENT's.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from stroke_side_monitor import landmarks
from stroke_side_monitor.perception.light_mediapipe import face_mesh_connections

FACE_OVAL = np.array(
    [10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
     152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109])

# From the outer to the inner canthus, canthi included in both.
UPPER_LID_EDGE_RIGHT = np.array([33, 246, 161, 160, 159, 158, 157, 173, 133])
LOWER_LID_EDGE_RIGHT = np.array([33, 7, 163, 144, 145, 153, 154, 155, 133])
UPPER_LID_EDGE_LEFT = landmarks.MIRROR[UPPER_LID_EDGE_RIGHT]
LOWER_LID_EDGE_LEFT = landmarks.MIRROR[LOWER_LID_EDGE_RIGHT]

# From the right to the left inner commissure, commissures included in both.
INNER_UPPER_LIP = np.array([78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308])
INNER_LOWER_LIP = np.array([78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308])

# All vertices of the lower lip's vermilion, row by row from outside in, without the commissures.
LOWER_LIP = np.array(
    [146, 91, 181, 84, 17, 314, 405, 321, 375, 77, 90, 180, 85, 16, 315, 404, 320, 307,
     96, 89, 179, 86, 15, 316, 403, 319, 325, 95, 88, 178, 87, 14, 317, 402, 318, 324])

# Closed chains of three edges around the ala that are no faces of the mesh:
_NOT_FACES = {(49, 64, 129), (279, 294, 358)}


def _skin() -> NDArray[np.intp]:
    neighbours: dict[int, set[int]] = defaultdict(set)
    for start, end in face_mesh_connections.FACEMESH_TESSELATION:
        neighbours[start].add(end)
        neighbours[end].add(start)
    faces = {tuple(sorted((start, end, third)))
             for start, end in face_mesh_connections.FACEMESH_TESSELATION
             for third in neighbours[start] & neighbours[end]}
    return np.array(sorted(faces - _NOT_FACES))


def _strip(upper: NDArray[np.intp], lower: NDArray[np.intp]) -> NDArray[np.intp]:
    """Triangles between two chains with common ends."""
    faces = []
    for k in range(len(upper) - 1):
        faces.append((upper[k], upper[k + 1], lower[k + 1]))
        faces.append((upper[k], lower[k + 1], lower[k]))
    return np.array([face for face in faces if len(set(face)) == 3])


def ring(inner: NDArray[np.intp], outer: NDArray[np.intp]) -> NDArray[np.intp]:
    """Triangles, shape (2n, 3), between two closed chains of n vertices each."""
    inner_next, outer_next = np.roll(inner, -1), np.roll(outer, -1)
    return np.concatenate([np.column_stack([inner, inner_next, outer_next]),
                           np.column_stack([inner, outer_next, outer])])


SKIN = _skin()
EYE_OPENING_RIGHT = _strip(UPPER_LID_EDGE_RIGHT, LOWER_LID_EDGE_RIGHT)
EYE_OPENING_LEFT = _strip(UPPER_LID_EDGE_LEFT, LOWER_LID_EDGE_LEFT)
MOUTH_OPENING = _strip(INNER_UPPER_LIP, INNER_LOWER_LIP)
