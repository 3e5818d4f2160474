"""MediaPipe FaceMesh's 478 landmark indices by anatomical name, and how left maps onto right.

Facts of the mesh topology only: it never measures and never touches an image.
"Right" and "left" are the PATIENT's right and left.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

COUNT = 478

MIDLINE = np.array(
    [0, 1, 2, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 94,
     151, 152, 164, 168, 175, 195, 197, 199, 200])
# Below 248 everything off the midline is the patient's right; 248..467 are its
# left counterparts in the same order. The irises (468..477) follow no order.
RIGHT = np.concatenate(
    [np.setdiff1d(np.arange(248), MIDLINE), [468, 469, 470, 471, 472]])
LEFT = np.concatenate([np.arange(248, 468), [473, 476, 475, 474, 477]])

OUTER_CANTHUS_RIGHT, OUTER_CANTHUS_LEFT = 33, 263
INNER_CANTHUS_RIGHT, INNER_CANTHUS_LEFT = 133, 362
UPPER_LID_RIGHT, UPPER_LID_LEFT = (159, 160, 158), (386, 387, 385)
LOWER_LID_RIGHT, LOWER_LID_LEFT = (145, 144, 153), (374, 373, 380)
IRIS_CENTRE_RIGHT, IRIS_CENTRE_LEFT = 468, 473
IRIS_EDGES_RIGHT, IRIS_EDGES_LEFT = (469, 471), (476, 474)
BROW_RIGHT, BROW_LEFT = (70, 63, 105, 66, 107), (300, 293, 334, 296, 336)
COMMISSURE_RIGHT, COMMISSURE_LEFT = 61, 291
UPPER_VERMILION_QUARTER_RIGHT, UPPER_VERMILION_QUARTER_LEFT = 39, 269
LOWER_VERMILION_QUARTER_RIGHT, LOWER_VERMILION_QUARTER_LEFT = 181, 405
INNER_UPPER_LIP_RIGHT, INNER_UPPER_LIP_LEFT = 81, 311
INNER_LOWER_LIP_RIGHT, INNER_LOWER_LIP_LEFT = 178, 402
ALA_RIGHT, ALA_LEFT = 129, 358
UPPER_VERMILION, LOWER_VERMILION = 0, 17
INNER_UPPER_LIP, INNER_LOWER_LIP = 13, 14
PHILTRUM = 164
NOSE_TIP, SUBNASALE = 1, 2
NASION, LOWER_BRIDGE = 168, 195
CHIN = 152


def _mirror_permutation() -> NDArray[np.intp]:
    permutation = np.arange(COUNT)
    permutation[RIGHT], permutation[LEFT] = LEFT, RIGHT
    return permutation


MIRROR = _mirror_permutation()


def mirror_points(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the points of the mirrored face: x negated and every left/right index swapped.

    Args:
        points: float64, shape (478, 3), x measured from the mirror plane
            (picture centre or facial midline), any unit.

    Returns:
        float64, shape (478, 3). Exact: mirroring twice gives the input bit for bit.
    """
    mirrored = points[MIRROR]
    mirrored[:, 0] = -mirrored[:, 0]
    return mirrored
