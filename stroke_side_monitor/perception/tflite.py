"""The runtime of the shipped networks: LiteRT, or tflite_runtime where there is none.

It never knows what a network is for.
"""

from __future__ import annotations

import importlib
from typing import Any


class ModelError(RuntimeError):
    """A model, its card or its runtime cannot be used; the text says why and how to mend it."""


def load(model: bytes, name: object, mend: str, threads: int = 1) -> tuple[Any, str]:
    """An interpreter with its tensors allocated, and the runtime's name.

    Args:
        model: the content of a .tflite file.
        name: what errors call it, usually the file.
        mend: what to do when it cannot be loaded.
        threads: of the interpreter.

    Raises:
        ModelError: no runtime is installed, or it cannot load the model.
    """
    runtime, interpreter_class = _runtime()
    try:
        interpreter = interpreter_class(model_content=model, num_threads=threads)
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise ModelError(f'model: {runtime} cannot load {name} '
                         f'({str(error).splitlines()[0]}); {mend}') from error
    return interpreter, runtime


def _runtime() -> tuple[str, Any]:
    for runtime, module in (('LiteRT', 'ai_edge_litert.interpreter'),
                            ('tflite_runtime', 'tflite_runtime.interpreter')):
        try:
            return runtime, importlib.import_module(module).Interpreter
        except ModuleNotFoundError as error:
            if error.name is None or not module.startswith(error.name):
                raise
    raise ModelError('model: no runtime; pip install ai-edge-litert (or tflite-runtime)')
