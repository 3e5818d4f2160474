"""One face picture → what the robot's own pipeline says of it, and the annotated picture.

It keeps nothing. One pipeline serves a process; requests take turns at it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np

from clinic.cases.pictures import Picture, jpeg
from stroke_side_monitor import overlay
from stroke_side_monitor.offline import records
from stroke_side_monitor.pipeline import Assessment, Pipeline, PipelineSettings

_turn = threading.Lock()
_pipeline: Pipeline | None = None


@dataclass(frozen=True)
class Finding:
    """What one picture led to.

    figures: as `offline.records` names them. annotated: JPEG. models: name and sha256 by purpose.
    """

    figures: dict[str, Any]
    annotated: bytes
    models: dict[str, Any]


def load() -> Pipeline:
    """The process's pipeline, loaded at the first call."""
    global _pipeline
    if _pipeline is None:
        _pipeline = Pipeline(PipelineSettings(), video=False)
    return _pipeline


def check(rgb: Picture, *, mirrored: bool) -> Finding:
    """Assess one picture.

    Args:
        rgb: uint8 (H, W, 3).
        mirrored: it is a mirror image; undone here, so that sides stay the patient's.
    """
    if mirrored:
        rgb = np.ascontiguousarray(rgb[:, ::-1])
    with _turn:
        pipeline = load()
        assessment = pipeline.assess(rgb, 0.0)
    return Finding(figures(assessment), jpeg(overlay.draw(rgb, assessment)),
                   model_notes(pipeline))


def figures(assessment: Assessment) -> dict[str, Any]:
    """An assessment as JSON, without the picture's name."""
    record = records.from_assessment('', assessment)
    del record['input']
    return record


def model_notes(pipeline: Pipeline) -> dict[str, Any]:
    """Which models spoke."""
    classifier = pipeline.classifier
    return {'side': {'name': classifier.name, 'sha256': classifier.sha256}} if classifier else {}
