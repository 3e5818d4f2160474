"""Who is trained on and who is tested on: duplicates found, groups formed, splits drawn by group.

It never looks at labels when it draws, and never lets one person stand on two sides.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.common import TrainingError, log, read_json, read_table

SPLITS = ('train', 'validation', 'test')
_THUMB = 24
# Correlation of high-pass thumbnails. [measured, 80 London and 690 Canada and Congress portraits]
# Two different people reach 0.927, another photograph of the same person 0.968; copies that were
# shrunk to 30 %, brightened, mirrored or saved as JPEG at quality 30 stay above 0.977.
NEAR_CORRELATION = 0.97


@dataclass(frozen=True)
class Fingerprint:
    """exact: sha256 of the decoded pixels. near: float32 (2, 576), perceptual: unit-norm high-pass
    thumbnails of the picture and of its mirror image.

    Not a difference hash: on studio portraits with flat backgrounds its bits flip with the noise
    (copies differ in up to 46 of 256 bits, different people in as few as 24).
    """

    exact: str
    near: NDArray[np.float32]


def fingerprint(rgb: NDArray[np.uint8]) -> Fingerprint:
    """Fingerprint of an RGB picture, uint8 (H, W, 3)."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (_THUMB, _THUMB), interpolation=cv2.INTER_AREA).astype(np.float32)
    detail = small - cv2.GaussianBlur(small, (0, 0), _THUMB / 8)
    detail -= detail.mean()
    detail /= float(np.linalg.norm(detail)) or 1.0
    return Fingerprint(hashlib.sha256(rgb.tobytes() + str(rgb.shape).encode()).hexdigest(),
                       np.stack([detail.ravel(), detail[:, ::-1].ravel()]))


def near_pairs(prints: Sequence[Fingerprint]) -> list[tuple[int, int, float]]:
    """(i, j, correlation) of all i < j that show one picture, or one the other's mirror image."""
    thumbs = np.stack([p.near for p in prints])
    pairs = []
    for i in range(len(prints) - 1):
        correlation = (thumbs[i + 1:] @ thumbs[i, 0]).max(axis=1)
        pairs += [(i, i + 1 + int(j), float(correlation[j]))
                  for j in np.flatnonzero(correlation >= NEAR_CORRELATION)]
    return pairs


def groups(subjects: Sequence[str], origins: Sequence[str],
           same: Sequence[tuple[int, int]]) -> list[str]:
    """One group name per picture: the subject, else the source file, joined across duplicates.

    Args:
        subjects: '' where not stated. origins: the file each picture was made from.
        same: index pairs of duplicates; they join their groups, also different subjects.
    """
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            name = parent[name]
        return name

    names = [subject or origin for subject, origin in zip(subjects, origins, strict=True)]
    for i, j in same:
        a, b = sorted((root(names[i]), root(names[j])))
        parent[b] = a
    return [root(name) for name in names]


def split_of(group: str, salt: str = '') -> str:
    """2 of 10 groups for test, 1 for validation, decided by the group's name alone.

    So nobody changes sides when pictures are added, as long as none of them ties two groups: that
    is what `assign` asks an earlier dataset for.
    """
    tenth = int(hashlib.sha256((salt + group).encode()).hexdigest()[:8], 16) % 10
    return 'test' if tenth < 2 else 'validation' if tenth == 2 else 'train'


def earlier_sides(folder: Path, made: str, person: Callable[[Mapping[str, str]], str]
                  ) -> dict[str, str]:
    """Split by picture (`exact`) and by person of a folder that prepare wrote.

    Args:
        made: its manifest's format. person: of a row of its dataset.csv.

    Raises:
        TrainingError: it is no such folder.
    """
    if read_json(folder / 'manifest.json', 'prepare').get('format') != made:
        raise TrainingError(f'--earlier {folder} holds no prepared pictures of this kind')
    return {key: row['split'] for row in read_table(folder / 'dataset.csv')
            for key in (row['exact'], person(row))}


def assign(names: Sequence[str], demanded: Sequence[str], salt: str = '',
           earlier: Sequence[Collection[str]] = ()) -> list[str]:
    """Split of every picture; what the input demands ('' = nothing) wins.

    Args:
        earlier: where each picture and its person stood before; nobody leaves test for another
            side, nor validation for training, whoever his group has come to hold.

    Raises:
        TrainingError: the demanded splits put one group on two sides, or are unknown words.
    """
    unknown = sorted(set(demanded) - {'', *SPLITS})
    if unknown:
        raise TrainingError(f'unknown split "{unknown[0]}"; known: {", ".join(SPLITS)}')
    sides: dict[str, set[str]] = defaultdict(set)
    for name, split in zip(names, demanded, strict=True):
        if split:
            sides[name].add(split)
    torn = {name: found for name, found in sides.items() if len(found) > 1}
    if torn:
        name, found = next(iter(sorted(torn.items())))
        raise TrainingError(
            f'{len(torn)} group(s) on two sides of the split, first "{name}" in '
            f'{" and ".join(sorted(found))}; correct or drop the column split')
    before: dict[str, set[str]] = defaultdict(set)
    for name, stood in zip(names, earlier or [()] * len(names), strict=True):
        before[name].update(stood)
    met = [name for name, found in before.items() if len(found) > 1 and not sides[name]]
    if met:
        log.warning('%d stood on two sides and turn out to be one; they are tested, or else '
                    'validated, and no longer trained on: %s', len(met), ', '.join(met[:5]))
    kept = {name: split for split in ('train', 'validation', 'test')  # the last one wins
            for name, found in before.items() if split in found}
    return [next(iter(sides[name]), '') or kept.get(name) or split_of(name, salt)
            for name in names]


def check_disjoint(names: Sequence[str], exact: Sequence[str], splits: Sequence[str]) -> None:
    """Raise TrainingError if a group or an identical picture stands on two sides."""
    for what, keys in (('group', names), ('picture', exact)):
        side_of: dict[str, str] = {}
        for key, split in zip(keys, splits, strict=True):
            if side_of.setdefault(key, split) != split:
                raise TrainingError(f'{what} {key} is in {split} and in {side_of[key]}; '
                                    'a test on known faces would mean nothing')
