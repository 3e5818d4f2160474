"""The people of a folder of photographs, as studies go through them.

It never chooses or measures anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from stroke_side_monitor.simulation.portrait import PictureError, Portrait, portrait, read_picture


def usable(pictures: Sequence[Path]) -> Iterator[tuple[int, Portrait]]:
    """Number and person of each picture; what cannot be used is told and keeps its number."""
    for number, picture in enumerate(tqdm(pictures)):
        try:
            yield number, portrait(read_picture(picture), picture.stem)
        except PictureError as error:
            print(f'{picture.name}: {error}')
