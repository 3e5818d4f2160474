"""Every name of rclpy and launch that we import is known to exist on every distribution."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ('rclpy', 'launch', 'launch_ros', 'ament_index_python')
SOURCES = [path for folder in ('stroke_side_monitor', 'launch', 'examples')
           for path in sorted((ROOT / folder).rglob('*.py'))]


def imported() -> set[tuple[str, str]]:
    """(module, name) of each such import; a bare module has no name."""
    found = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                found |= {(node.module, alias.name) for alias in node.names}
            elif isinstance(node, ast.Import):
                found |= {(alias.name, '') for alias in node.names}
    return {(module, name) for module, name in found
            if name and module.split('.')[0] in PACKAGES}


def documented() -> set[tuple[str, str]]:
    """(module, name) of the table."""
    rows = re.findall(r'(?m)^\| `((?:' + '|'.join(PACKAGES) + r')[.\w]*)` \| (`[^|]*`) \|',
                      (ROOT / 'docs' / 'platforms.md').read_text())
    return {(module, name) for module, names in rows for name in re.findall(r'`(\w+)`', names)}


def test_what_is_imported_is_looked_up_for_every_distribution():
    assert imported() == documented(), 'look it up in Humble, then renew docs/platforms.md'


@pytest.mark.parametrize(('module', 'name'), sorted(
    one for one in documented() if one[0].startswith('rclpy')))
def test_it_exists_here(module, name):
    assert hasattr(importlib.import_module(module), name)
