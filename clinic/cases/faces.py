"""One face picture → what the robot's own pipeline says of it, and the annotated picture.

It keeps nothing. One pipeline serves a process; requests take turns at it.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np

from clinic.cases import classes
from clinic.cases.pictures import Picture, jpeg
from stroke_side_monitor import overlay
from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.offline import records
from stroke_side_monitor.pipeline import Assessment, Pipeline, PipelineSettings
from training.common import TrainingError

log = logging.getLogger(__name__)
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
    found, models = figures(assessment), model_notes(pipeline)
    face = assessment.view.face
    if face is not None and assessment.side.side in (Side.LEFT, Side.RIGHT):
        try:
            asked = classes.ask(rgb, face)
        except TrainingError as error:  # the answer does not rest on it
            log.error('no confidence of face classes: %s', error)
            asked = None
        if asked is not None:
            network, found['classes'] = asked
            models['classes'] = {'name': network.name, 'sha256': network.sha256}
    return Finding(found, jpeg(overlay.draw(rgb, assessment)), models)


def figures(assessment: Assessment) -> dict[str, Any]:
    """An assessment as JSON, without the picture's name."""
    record = records.from_assessment('', assessment)
    del record['input']
    return record


def model_notes(pipeline: Pipeline) -> dict[str, Any]:
    """Which models spoke."""
    classifier = pipeline.classifier
    return {'side': {'name': classifier.name, 'sha256': classifier.sha256}} if classifier else {}
