"""Finds the files shipped beside the code, config/ and models/, and the photographs that are not.

It never opens them and never imports rclpy.
"""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = 'stroke_side_monitor'


class ResourceMissingError(FileNotFoundError):
    """A file that belongs to this package is not where the package was installed."""


def config_path(name: str) -> Path:
    """Where config/`name` stands, e.g. config_path('norms.yaml').

    Raises:
        ResourceMissingError: no such file was shipped, or the installation lost it.
    """
    return _find('config', name, Path(__file__).resolve())


def model_path(name: str) -> Path:
    """Where models/`name` stands, e.g. model_path('side_classifier.tflite').

    Raises:
        ResourceMissingError: no such file was shipped, or the installation lost it.
    """
    return _find('models', name, Path(__file__).resolve())


def photographs() -> Path:
    """Where the healthy faces for norms and bench are looked for; the folder may be missing."""
    return Path(os.environ.get('STROKE_SIDE_SHARED', '../shared')) / 'data'


def _find(folder: str, name: str, module: Path) -> Path:
    base = _base_folder(module)
    path = base / folder / name
    if not path.is_file():
        raise ResourceMissingError(
            f'{folder}/{name} is missing from {base}; build or install {_PACKAGE} again')
    return path


def _base_folder(module: Path) -> Path:
    source_tree = module.parents[1]
    if (source_tree / 'setup.py').is_file() and (source_tree / 'package.xml').is_file():
        return source_tree
    # The prefix that holds this very module, not AMENT_PREFIX_PATH's first hit:
    # an overlay may hold another version, whose model this code must not load.
    for prefix in module.parents:
        share = prefix / 'share' / _PACKAGE
        if (share / 'package.xml').is_file():
            return share
    raise ResourceMissingError(
        f'no share/{_PACKAGE} in any folder above {module}; '
        f'build {_PACKAGE} with colcon or install it with pip')
