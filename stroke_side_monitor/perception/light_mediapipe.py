"""The parts of MediaPipe that this package runs, without what its package inits load beside them.

`import mediapipe` executes inits that import every solution and, for drawing, matplotlib: 40 MB
and most of a second that a robot has no use for. Here the inits of the three packages on the way
wait until somebody asks one of them for more, who then gets all of it, and the same modules. It
never changes MediaPipe's files.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

# In the order in which the inits run, once they are wanted.
_PACKAGES = ('mediapipe.python', 'mediapipe.python.solutions', 'mediapipe')


class _Waiting(ModuleType):
    """A package whose init has not run yet."""

    def __getattr__(self, name: str) -> Any:
        # The import system looks for names like __all__ that a package need not have.
        if name.startswith('__') and name != '__version__':
            raise AttributeError(name)
        waiting = [sys.modules[package] for package in _PACKAGES]
        for package in waiting:
            package.__class__ = ModuleType
        for package in waiting:
            package.__spec__.loader.exec_module(package)  # type: ignore[union-attr]
        return getattr(self, name)


def _folder() -> Path:
    spec = importlib.util.find_spec('mediapipe')  # finds it without executing it
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(
            'mediapipe is not installed; install it as requirements/runtime.txt pins it')
    return Path(spec.submodule_search_locations[0])


def _without_inits() -> list[ModuleType]:
    """The packages, empty, for modules to be loaded from; none where the inits have run before."""
    if any(package in sys.modules for package in _PACKAGES):
        return []
    modules = []
    for package in sorted(_PACKAGES):  # parents first: a child is found through its parent
        spec = importlib.util.find_spec(package)
        assert spec is not None
        module = ModuleType(package)
        modules.append(module)
        module.__spec__, module.__file__ = spec, spec.origin
        module.__loader__, module.__package__ = spec.loader, package
        module.__path__ = spec.submodule_search_locations  # type: ignore[assignment]
        sys.modules[package] = module
        parent, _, name = package.rpartition('.')
        if parent:
            setattr(sys.modules[parent], name, module)
    return modules


# Where MediaPipe's own files lie, its networks among them.
FOLDER = _folder()

_empty = _without_inits()
# First what registers the calculators that graphs are made of.
solution_base = importlib.import_module('mediapipe.python.solution_base')
packet_creator = importlib.import_module('mediapipe.python.packet_creator')
packet_getter = importlib.import_module('mediapipe.python.packet_getter')
face_mesh = importlib.import_module('mediapipe.python.solutions.face_mesh')
face_detection = importlib.import_module('mediapipe.python.solutions.face_detection')
face_mesh_connections = importlib.import_module('mediapipe.python.solutions.face_mesh_connections')
rect_pb2 = importlib.import_module('mediapipe.framework.formats.rect_pb2')
landmark_pb2 = importlib.import_module('mediapipe.framework.formats.landmark_pb2')
for _package in _empty:
    _package.__class__ = _Waiting


def graph(config: str) -> Any:
    """A MediaPipe graph that has not started yet, without what Solution adds to every run.

    A solution makes a class for the result of each frame and writes the landmarks into Python
    messages that nobody reads: half a millisecond.

    Args:
        config: the graph in protobuf's text format.
    """
    # The graph names its parts' files relative to this folder.
    solution_base.resource_util.set_resource_dir(str(FOLDER.parent))
    return solution_base.calculator_graph.CalculatorGraph(graph_config=config)


def serialised(packet: Any) -> bytes:
    """The protobuf message in a packet as it travels.

    packet_getter.get_proto() makes Python's message of it, which costs as much again to read.
    """
    content: bytes = packet_getter._packet_getter._get_serialized_proto(packet)
    return content


def image_packet(pixels: NDArray[np.uint8]) -> Any:
    """A picture for a graph, not copied: the caller keeps `pixels` until the graph is idle.

    MediaPipe lets go of the array in a thread of its own, without Python's lock. Were that the
    last reference, it would be freed there: a crash from Python 3.12 on, and luck before.

    Args:
        pixels: read_only() gives it.
    """
    return packet_creator.create_image_frame(
        pixels, image_format=solution_base.image_frame.ImageFormat.SRGB)


def read_only(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture, uint8 (H, W, 3), as MediaPipe refers to it instead of copying it."""
    pixels = np.ascontiguousarray(rgb).view()
    pixels.flags.writeable = False
    return pixels
