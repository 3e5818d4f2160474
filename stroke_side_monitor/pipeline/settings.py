"""How to assess: every field is a parameter of the node and of `assess`.

It never reads a file and never checks a value; parameters.py says what is allowed.
"""

from __future__ import annotations

from dataclasses import dataclass

from stroke_side_monitor.assessment.side import SideRule
from stroke_side_monitor.perception.patient_choice import LARGEST
from stroke_side_monitor.perception.quality import QualityLimits


@dataclass(frozen=True)
class PipelineSettings:
    """How to assess. Every field is a parameter of the node under the same name.

    Angles in degrees, times in seconds, sizes in pixels, scores in healthy
    standard deviations; see QualityLimits and SideRule.
    """

    input_mirrored: bool = False
    image_rotation_deg: int = 0
    jump_back_s: float = 1.0
    patient: str = LARGEST
    use_classifier: bool = True
    classifier_threads: int = 1
    classifier_rate_hz: float = 6.0
    assess_rate_hz: float = 15.0
    search_rate_hz: float = 5.0
    gain_correction: bool = False
    window_s: float = 1.0
    stable_after_s: float = 0.5
    min_interocular_px: float = QualityLimits.min_interocular_px
    max_yaw_deg: float = QualityLimits.max_yaw_deg
    max_pitch_deg: float = QualityLimits.max_pitch_deg
    max_roll_deg: float = QualityLimits.max_roll_deg
    min_luminance: float = QualityLimits.min_luminance
    max_luminance: float = QualityLimits.max_luminance
    min_sharpness: float = QualityLimits.min_sharpness
    mouth_on: float = SideRule.mouth_on
    mouth_off: float = SideRule.mouth_off
    supported_on: float = SideRule.supported_on
    eye_on: float = SideRule.eye_on
    movement_on: float = SideRule.movement_on
    talking_yields: float = SideRule.talking_yields
    talking_gain: float = SideRule.talking_gain
    conflict_below: float = SideRule.conflict_below

    @property
    def longest_step_s(self) -> float:
        """Between frames that are assessed, seconds; as much again for a camera that jitters."""
        return 2.0 / min(self.assess_rate_hz, self.search_rate_hz)

    @property
    def limits(self) -> QualityLimits:
        """The quality gate's part."""
        return QualityLimits(
            self.min_interocular_px, self.max_yaw_deg, self.max_pitch_deg, self.max_roll_deg,
            self.min_luminance, self.max_luminance, self.min_sharpness)

    @property
    def rule(self) -> SideRule:
        """The side decision's part."""
        return SideRule(
            mouth_on=self.mouth_on, mouth_off=self.mouth_off, supported_on=self.supported_on,
            eye_on=self.eye_on, movement_on=self.movement_on,
            talking_yields=self.talking_yields, talking_gain=self.talking_gain,
            conflict_below=self.conflict_below)
