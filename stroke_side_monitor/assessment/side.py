"""Which side is weaker, how sure, and when not to say: z-scores → side.

It never sees pixels or landmarks. Every rule treats left and right alike:
negating the evidence swaps the sides and changes nothing else, bit for bit.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from operator import attrgetter
from statistics import median

from stroke_side_monitor.assessment.terms import ClassifierAgreement, Side

# Weights of the mouth score M over z-scores; E is the palpebral fissure's z.
MOUTH_WEIGHTS: Mapping[str, float] = {
    'mouth.commissure_height': 0.35,
    'mouth.smile_angle': 0.25,
    'mouth.upper_lip_height': 0.15,
    'mouth.lower_lip_height': 0.10,
    'mouth.philtrum_deviation': 0.15,
}
EYE_METRIC = 'eye.palpebral_fissure'


@dataclass(frozen=True)
class SideRule:
    """When a side is named. Scores are in healthy standard deviations.

    mouth_on, mouth_off: |M| at which the mouth names a side, and below which it is released.
    supported_on: takes the place of mouth_on, and shrinks mouth_off with it, where the
        classifier, outside its dead band, names the same side. Of 1.2, 1.3, 1.5 and 1.8 the
        least that calls no further healthy person one-sided, on the development half of
        docs/measurement.md.
    eye_on: |E| at which the lids name a side when the mouth does not. Of real healthy people in
        the wild most were wrongly named by lids of 3 and more (spectacles, winks, squints), and
        of real palsied eyes with such an E one in seven is the narrower one (contracture,
        synkinesis); at 4.5 a third of those names goes and no palsied face is lost
        (docs/measurement.md, "Lids").
    lids_yield: the lids are not heard against a mouth of at least this |M|.
    movement_on: |D| of commanded movements at which they name a side; 3 of 74
        healthy people (London set) smile so unevenly.
    talking_yields, talking_gain: while it is known how evenly the mouth moves unasked, this much
        of |M| counts for nothing, as healthy mouths go that far while they talk, and so many
        times that asymmetry is added to M first. Chosen on 80 people of the London set, talking
        as simulated (docs/measurement.md, "Talk").
    hidden_eye_yields: so much of |M| counts for nothing while an eye is covered: a drawn patch
        shifts a healthy face's M by 1.3 +- 0.4 towards the other side being weaker, gauze and
        plaster by half of that (docs/measurement.md, "Covered eyes").
    conflict_below: a classifier or a movement naming the other side is heard
        only while |M| is below this.
    steepness, midpoint: of the calibrated probability of a side as a function
        of the strength of evidence; fitted on half of the people of
        docs/measurement.md, healthy portraits and simulated palsies counting alike.
    below_from_deg, below_to_deg, below_midpoint: seen from below a palsy shows less, so that less
        evidence makes a side as probable and none leaves NONE less sure: between these pitches
        midpoint falls to this share of itself. Least log loss on 40 people of the London set,
        drawn from below (docs/measurement.md, "Turned faces").
    """

    mouth_on: float = 2.1
    mouth_off: float = 1.5
    supported_on: float = 1.5
    eye_on: float = 4.5
    lids_yield: float = 0.5
    movement_on: float = 0.39
    talking_yields: float = 1.0
    talking_gain: float = 4.0
    hidden_eye_yields: float = 1.5
    conflict_below: float = 3.0
    steepness: float = 1.5
    midpoint: float = 1.7
    below_from_deg: float = 12.0
    below_to_deg: float = 25.0
    below_midpoint: float = 0.5


@dataclass(frozen=True)
class Evidence:
    """What one frame, or the median of several, says. Positive: the left is weaker.

    mouth: M, eye: E in healthy standard deviations; eye is NaN while blinking.
    classifier: score of the picture classifier in units of its dead band
        (|score| < 1: undecided), NaN when there is none.
    movement: D of the commanded movements, -1..1, NaN before there was one.
    lids_tell: 1 where the lids may name a side, 0 where they are too small, shut or squinting;
        from a half on they may. NaN where there is no E.
    unasked: how much less the left of the mouth moves in talk and smiles that nobody asked for,
        -2..2 (spontaneous.py); NaN while little has moved, or it moves on command.
    eye_hidden: 1 where something covers one eye, else 0; hidden from a half on. Eye and classifier
        are NaN then.
    pitch_deg: how far the face is turned up, away from a camera that stands low; negative: down.
    """

    mouth: float
    eye: float
    classifier: float = math.nan
    movement: float = math.nan
    lids_tell: float = 1.0
    unasked: float = math.nan
    eye_hidden: float = 0.0
    pitch_deg: float = 0.0

    @property
    def lids(self) -> float:
        """E where it may name a side, else NaN."""
        return self.eye if self.lids_tell >= 0.5 else math.nan

    @property
    def beside_hidden_eye(self) -> bool:
        """Whether something covers one eye."""
        return self.eye_hidden >= 0.5


_witnesses = attrgetter(*(field.name for field in fields(Evidence)))
_NOTHING = Evidence(math.nan, math.nan)


@dataclass(frozen=True)
class SideDecision:
    """The answer for one frame; fields as in stroke_side_msgs/AffectedSide."""

    side: Side
    confidence: float
    p_left: float
    p_none: float
    p_right: float
    landmark_score: float
    eye_score: float
    classifier_score: float
    agreement: ClassifierAgreement
    stable: bool
    reasons: tuple[str, ...]


def mouth_score(z: Mapping[str, float]) -> float:
    """M: weighted mean of the mouth's z-scores, healthy standard deviations."""
    return sum(weight * z[name] for name, weight in MOUTH_WEIGHTS.items())


def eye_score(z: Mapping[str, float]) -> float:
    """E: z-score of the palpebral fissure, healthy standard deviations."""
    return z[EYE_METRIC]


def unknown_side(reasons: tuple[str, ...], evidence: Evidence | None = None) -> SideDecision:
    """The answer when nothing can be said, with the reasons; evidence is kept when there is any."""
    nan = math.nan
    seen = evidence or Evidence(nan, nan, nan)
    return SideDecision(
        Side.UNKNOWN, 0.0, nan, nan, nan, seen.mouth, seen.eye, seen.classifier,
        ClassifierAgreement.ABSENT if math.isnan(seen.classifier) else
        ClassifierAgreement.UNDECIDED, False, reasons)


def decide(evidence: Evidence, rule: SideRule, previous: Side = Side.UNKNOWN) -> SideDecision:
    """Name the side.

    The mouth at this moment comes first, then commanded movements, then the
    lids, which are not heard against the mouth. The classifier names no side; where it sees the
    same side as the mouth, less of the mouth will do. Evidence that contradicts a mouth score
    below `conflict_below` makes the answer UNKNOWN; so does a covered eye where nothing names a
    side.

    Args:
        evidence: of a still picture, or medians over a window.
        rule: thresholds.
        previous: the side named before, for hysteresis.
    """
    strength, calibrated = _strength(evidence, rule)
    named = _towards(strength)
    threshold = rule.mouth_off if previous is named else rule.mouth_on
    # Nothing at all points to neither side, also where a side is held down to 0.
    side = named if strength and abs(strength) >= threshold else Side.NONE
    agreement = _agreement(evidence.classifier, side)
    conflict = _conflict(evidence, rule, agreement)
    if conflict:
        # What the classifier says beside the landmarks stands, though their side is not named.
        return replace(unknown_side((conflict,), evidence), agreement=agreement)
    if side is Side.NONE and evidence.beside_hidden_eye:
        return unknown_side(('eye_hidden',), evidence)
    left, none, right = side_probabilities(calibrated, rule, evidence.pitch_deg)
    confidence = {Side.LEFT: left, Side.RIGHT: right, Side.NONE: none}[side]
    return SideDecision(side, confidence, left, none, right, evidence.mouth, evidence.eye,
                        evidence.classifier, agreement, False, ())


def evidence_strength(evidence: Evidence, rule: SideRule) -> float:
    """The evidence that decides, on the scale of M: `mouth_on` names a side.

    That is M where M names a side, else the strongest of M, E and D, each in units of
    its own threshold; that of M is lower where the classifier names the same side, and beside
    M what moves unasked is weighed while anything does.
    """
    return _strength(evidence, rule)[0]


def _strength(evidence: Evidence, rule: SideRule) -> tuple[float, float]:
    """The evidence that decides: by the rule's thresholds, and by those it was calibrated with.

    How probable a side is does not depend on how much somebody wants to see before it is named.
    """
    mouth, calibrated = (_mouth_strength(evidence, rule, of.mouth_on / of.supported_on)
                         for of in (rule, _CALIBRATED))
    if abs(mouth) >= rule.mouth_on:
        return mouth, calibrated if mouth * calibrated > 0.0 else 0.0
    movement, lids = evidence.movement, evidence.lids
    if math.isnan(movement):
        movement = 0.0
    if math.isnan(lids) or _lids_against_mouth(evidence, rule):
        lids = 0.0
    scaled = ((mouth, calibrated),
              tuple(movement * (of.mouth_on / of.movement_on) for of in (rule, _CALIBRATED)),
              tuple(lids * (of.mouth_on / of.eye_on) for of in (rule, _CALIBRATED)))
    by_rule, by_defaults = max(scaled, key=lambda one: abs(one[0]))
    return by_rule, by_defaults if by_rule * by_defaults > 0.0 else 0.0


def _lids_against_mouth(evidence: Evidence, rule: SideRule) -> bool:
    """Whether the lids point away from where the mouth points. False while either is NaN."""
    towards = math.copysign(evidence.mouth, _mouth_strength(
        evidence, rule, rule.mouth_on / rule.supported_on))
    return evidence.lids * towards < 0.0 and abs(evidence.mouth) >= rule.lids_yield


def _mouth_strength(evidence: Evidence, rule: SideRule, support: float) -> float:
    supported = _agreement(evidence.classifier, _towards(evidence.mouth)
                           ) is ClassifierAgreement.AGREES
    mouth = evidence.mouth * support if supported else evidence.mouth
    yields = rule.hidden_eye_yields if evidence.beside_hidden_eye else 0.0
    if not math.isnan(evidence.unasked):
        mouth += rule.talking_gain * evidence.unasked
        yields += rule.talking_yields
    return math.copysign(max(abs(mouth) - yields, 0.0), mouth)


def side_probabilities(strength: float, rule: SideRule, pitch_deg: float = 0.0
                       ) -> tuple[float, float, float]:
    """(left, none, right), summing to 1; pitch_deg: of the face, positive when turned up."""
    below = (pitch_deg - rule.below_from_deg) / (rule.below_to_deg - rule.below_from_deg)
    shown = 1.0 - (1.0 - rule.below_midpoint) * min(max(below, 0.0), 1.0)
    midpoint = rule.midpoint * shown
    left = math.exp(min(rule.steepness * (strength - midpoint), 500.0))
    right = math.exp(min(rule.steepness * (-strength - midpoint), 500.0))
    # Larger first: the sum must not depend on which of the two is the left one.
    total = 1.0 + (max(left, right) + min(left, right))
    return left / total, 1.0 / total, right / total


def _towards(score: float) -> Side:
    return Side.LEFT if score > 0 else Side.RIGHT


def _conflict(evidence: Evidence, rule: SideRule, agreement: ClassifierAgreement) -> str:
    """Why the evidence contradicts itself; empty when it does not."""
    # What the mouth comes to may point away from M, by what moves unasked. It is what names.
    mouth = _mouth_strength(evidence, rule, rule.mouth_on / rule.supported_on)
    if abs(evidence.mouth) >= rule.conflict_below and evidence.mouth * mouth >= 0.0:
        return ''
    if (abs(evidence_strength(evidence, rule)) < rule.mouth_on
            and abs(evidence.lids) >= rule.eye_on and _lids_against_mouth(evidence, rule)):
        return 'lids_conflict'
    moved = abs(evidence.movement) >= rule.movement_on  # False while it is NaN
    # The resting face names by the mouth, else by the lids where they are heard.
    resting = mouth if abs(mouth) >= rule.mouth_on else evidence.lids if (
        abs(evidence.lids) >= rule.eye_on and not _lids_against_mouth(evidence, rule)) else 0.0
    if moved and evidence.movement * resting < 0.0:
        return 'movement_conflict'
    return 'classifier_conflict' if agreement is ClassifierAgreement.CONFLICTS else ''


def _agreement(classifier: float, side: Side) -> ClassifierAgreement:
    if math.isnan(classifier):
        return ClassifierAgreement.ABSENT
    if abs(classifier) < 1.0 or side is Side.NONE:
        return ClassifierAgreement.UNDECIDED
    return ClassifierAgreement.AGREES if _towards(classifier) is side \
        else ClassifierAgreement.CONFLICTS


_CALIBRATED = SideRule()


class SideFilter:
    """Turns a stream of per-frame evidence into a steady side: windowed medians and hysteresis.

    A side is stable that has been named for `stable_after_s`. Moments without an answer between
    do not count; one longer than that starts the count anew.
    """

    def __init__(self, window_s: float, stable_after_s: float, least_frames: int) -> None:
        self._window_s = window_s
        self._stable_after_s = stable_after_s
        self._least_frames = least_frames
        self._recent: deque[tuple[float, Evidence]] = deque()
        self._weighed = _NOTHING
        self._side = Side.UNKNOWN
        self._since_s = self._answered_s = math.nan
        self._silent = False

    def reset(self) -> None:
        """Forget everything: a new patient, or a clock that jumped."""
        self._recent.clear()
        self._weighed = _NOTHING
        self._side = Side.UNKNOWN

    @property
    def lids_unclear(self) -> bool:
        """Whether E of the last answer may name no side: it must grade no eye either."""
        return self._weighed.lids_tell < 0.5  # False while it is NaN

    def add(self, stamp_s: float, evidence: Evidence, rule: SideRule) -> SideDecision:
        """Take one frame's evidence (stamps in seconds, increasing) and answer for now."""
        self._recent.append((stamp_s, evidence))
        self._forget_before(stamp_s - self._window_s)
        if len(self._recent) < self._least_frames:
            self._weighed, self._silent = evidence, True
            return unknown_side(('warming_up',), evidence)
        self._weighed = self._median()
        decision = decide(self._weighed, rule, self._side)
        return self._with_stability(decision, stamp_s)

    def miss(self, stamp_s: float, reasons: tuple[str, ...], evidence: Evidence | None = None
             ) -> SideDecision:
        """A frame that could not be assessed: UNKNOWN now.

        evidence: what was measured all the same, passed on for the record; the window goes on
        ageing. None: there was no face. Whoever is seen next may be somebody else, so the window
        is emptied.
        """
        self._silent = True
        self._forget_before(stamp_s - self._window_s)
        if evidence is None:
            self._recent.clear()
        if not self._recent:
            self._side = Side.UNKNOWN
        return unknown_side(reasons, evidence)

    def _forget_before(self, stamp_s: float) -> None:
        while self._recent and self._recent[0][0] < stamp_s:
            self._recent.popleft()

    def _median(self) -> Evidence:
        frames = (_witnesses(evidence) for _, evidence in self._recent)
        return Evidence(*map(_nan_median, zip(*frames, strict=True)))

    def _with_stability(self, decision: SideDecision, stamp_s: float) -> SideDecision:
        if decision.side is not self._side:
            self._side, self._since_s = decision.side, stamp_s
        elif self._silent:
            pause_s = stamp_s - self._answered_s
            self._since_s = stamp_s if pause_s > self._stable_after_s else self._since_s + pause_s
        self._silent, self._answered_s = False, stamp_s
        stable = (self._side is not Side.UNKNOWN
                  and stamp_s - self._since_s >= self._stable_after_s)
        return SideDecision(**{**decision.__dict__, 'stable': stable})


def _nan_median(values: Iterable[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return median(known) if known else math.nan
