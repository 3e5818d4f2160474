"""The pipeline's parameters: what each means and which values it may have, without ROS.

It never keeps a value. The node takes the table into its own (ros/parameters.py); `assess --set`
reads its values here.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from stroke_side_monitor.perception.patient_choice import POLICIES
from stroke_side_monitor.pipeline.settings import PipelineSettings

Value = bool | int | float | str


@dataclass(frozen=True)
class Parameter:
    """One parameter.

    default: its type is the parameter's type.
    unit: '' for a pure number or a word.
    live: may be changed while the node runs; otherwise it is fixed when the node starts.
    least, most: inclusive range of numbers.
    step: of whole numbers from `least` on.
    choices: the words allowed, for text; empty: any.
    """

    name: str
    default: Value
    text: str
    unit: str = ''
    live: bool = False
    least: float = -math.inf
    most: float = math.inf
    step: int = 1
    choices: tuple[str, ...] = ()

    @property
    def type_name(self) -> str:
        """The type as ROS calls it."""
        return {bool: 'bool', int: 'integer', float: 'double', str: 'string'}[type(self.default)]

    @property
    def allowed(self) -> str:
        """Range or choices in words, '' when anything goes."""
        if self.choices:
            return ', '.join(self.choices)
        if math.isinf(self.least) and math.isinf(self.most):
            return ''
        steps = f' by {self.step}' if self.step > 1 else ''
        return f'{self.least:g} to {self.most:g}{steps}'

    def refusal(self, value: Value) -> str:
        """Why `value`, already of the right type, is refused; '' when it is not."""
        if self.choices and value not in self.choices:
            return f'{self.name}: {value!r} is not one of {self.allowed}'
        if isinstance(value, (int, float)) and not self.least <= value <= self.most:
            unit = f' {self.unit}' if self.unit else ''
            return f'{self.name}: {value} is outside {self.allowed}{unit}'
        if self.step > 1 and (float(value) - self.least) % self.step:
            return f'{self.name}: {value} is not one of {self.allowed} {self.unit}'
        if isinstance(value, float) and not math.isfinite(value):
            return f'{self.name}: {value} is not a finite number'
        return ''


class ParameterError(ValueError):
    """A value cannot be used; the text says why."""


_SETTINGS = PipelineSettings()


def _setting(name: str, text: str, **more: Any) -> Parameter:
    return Parameter(name, getattr(_SETTINGS, name), text, **more)


TABLE: tuple[Parameter, ...] = (
    _setting('input_mirrored', 'The camera driver mirrors the picture (selfie view): undo it. '
             'Wrong means left and right swapped.', live=True),
    _setting('image_rotation_deg', 'Turn the picture clockwise by this much before it is looked '
             'at, after `input_mirrored`: 180 for a camera mounted upside down. The face region is '
             'told in the picture as received, the overlay is upright.', unit='deg', live=True,
             least=0, most=270, step=90),
    _setting('jump_back_s', 'A frame stamped earlier than the one before, by no more than this, is '
             'late and dropped; one further back begins a new recording, and the monitor starts '
             'afresh.', unit='s', live=True, least=0.0, most=60.0),
    _setting('patient', 'Who of several people is assessed. largest: the largest face; centre: '
             'the one nearest to the centre of the picture; follow: the face first chosen is kept '
             'through crossings and short losses. A region on `~/patient_region` goes before all '
             'three.', live=True, choices=POLICIES),
    _setting('use_classifier', 'Let the picture classifier speak beside the landmarks.'),
    _setting('classifier_threads', 'Threads of the classifier; one is the steady choice.',
             least=1, most=16),
    _setting('classifier_rate_hz', 'How often the classifier looks; its vote is the median over '
             '`window_s`. Landmarks are measured in every frame that is assessed.', unit='Hz',
             live=True, least=1.0, most=120.0),
    _setting('assess_rate_hz', 'How many frames a second are assessed, evenly by stamp; the others '
             'are not even unpacked. While an exercise is on, and until the face has relaxed, '
             'all are. Above the camera\'s rate: all. At least 4 in each `window_s`.', unit='Hz',
             live=True, least=1.0, most=240.0),
    _setting('search_rate_hz', 'How many frames a second are searched for a face once there has '
             'been none for a second; never more than `assess_rate_hz`.', unit='Hz', live=True,
             least=1.0, most=240.0),
    _setting('gain_correction', 'Divide the published metrics of mouth, lids and brows by how much '
             'of a true difference MediaPipe reports (docs/measurement.md). Scores and sides do '
             'not change.', live=True),
    _setting('window_s', 'Evidence is the median over this long. Of fewer than 3 frames no side is '
             'told (warming_up): `assess_rate_hz` must give at least 4 in it.', unit='s', least=0.1,
             most=10.0),
    _setting('stable_after_s', '`stable` is set once the same side has been named for this long. '
             'Moments without an answer do not count; one longer than this starts the count anew.',
             unit='s', least=0.0, most=30.0),
    _setting('min_interocular_px', 'Smaller faces are not assessed (too_small).', unit='px',
             live=True, least=20.0, most=2000.0),
    _setting('max_yaw_deg', 'Faces turned further aside are not assessed (yaw).', unit='deg',
             live=True, least=1.0, most=45.0),
    _setting('max_pitch_deg', 'Faces turned further up or down are not assessed (pitch).',
             unit='deg', live=True, least=1.0, most=45.0),
    _setting('max_roll_deg', 'Heads tilted further are not assessed (roll).', unit='deg',
             live=True, least=1.0, most=45.0),
    _setting('min_luminance', 'Darker faces are not assessed (too_dark); mean grey value.',
             live=True, least=0.0, most=255.0),
    _setting('max_luminance', 'Brighter faces are not assessed (too_bright); mean grey value.',
             live=True, least=0.0, most=255.0),
    _setting('min_sharpness', 'Blurrier faces are not assessed (blurred); variance of the '
             "crop's Laplacian, in proportion less below 65 px between the eyes.", live=True,
             least=0.0, most=10000.0),
    _setting('mouth_on', 'Mouth score |M| from which a side is named.', unit='SD', live=True,
             least=0.1, most=20.0),
    _setting('mouth_off', 'Mouth score |M| below which a named side is released.', unit='SD',
             live=True, least=0.0, most=20.0),
    _setting('supported_on', 'Mouth score |M| from which a side is named that the classifier names '
             'too.', unit='SD', live=True, least=0.1, most=20.0),
    _setting('eye_on', 'Eye score |E| from which a side is named when the mouth names none.',
             unit='SD', live=True, least=0.1, most=20.0),
    _setting('movement_on', 'Asymmetry |D| of commanded movements from which they name a side.',
             live=True, least=0.05, most=1.0),
    _setting('talking_yields', 'So much of |M| counts for nothing while the patient talks or '
             'smiles unasked.', unit='SD', live=True, least=0.0, most=20.0),
    _setting('talking_gain', 'So many times the asymmetry of what the mouth does unasked is added '
             'to M.', unit='SD', live=True, least=0.0, most=20.0),
    _setting('conflict_below', 'A classifier or a movement naming the other side makes the '
             'answer UNKNOWN while |M| is below this.', unit='SD', live=True, least=0.0, most=20.0),
)
BY_NAME: Mapping[str, Parameter] = {parameter.name: parameter for parameter in TABLE}

# Pairs of which the first must not be above the second.
ORDERED = (('mouth_off', 'mouth_on'), ('supported_on', 'mouth_on'),
            ('min_luminance', 'max_luminance'))
# The side needs three frames in its window (Pipeline); one more, as cameras are not punctual.
LEAST_FRAMES = 4


def refusals(values: Mapping[str, Value], table: Mapping[str, Parameter] = BY_NAME
             ) -> tuple[str, ...]:
    """One line for each of these values (all of a table, right types) that cannot be used."""
    single = (table[name].refusal(value) for name, value in values.items())
    pairs = (f'{low}: {values[low]} is above {high}, which is {values[high]}'
             for low, high in ORDERED if float(values[low]) > float(values[high]))
    return tuple(line for line in (*single, *pairs, _hasty(values)) if line)


def _hasty(values: Mapping[str, Value]) -> str:
    """Why no side would ever be told at this rate, '' when one would."""
    rate_hz, window_s = float(values['assess_rate_hz']), float(values['window_s'])
    # A rate read as text is rounded: 0.3 s of 13.333 Hz are four frames.
    if not rate_hz * window_s < LEAST_FRAMES - 1e-3:
        return ''
    return (f'assess_rate_hz: {rate_hz} gives fewer than {LEAST_FRAMES} frames in window_s, '
            f'which is {window_s}: no side could be told')


def nearest(name: str, names: Iterable[str], alike: float = 0.6) -> str:
    """'; did you mean ...?', or '' where nothing is as near as `alike`, 0 to 1."""
    near = difflib.get_close_matches(name, list(names), 1, alike)
    return f'; did you mean {near[0]}?' if near else ''


def changed(settings: PipelineSettings, texts: Mapping[str, str]) -> PipelineSettings:
    """These settings with other values, given as text.

    Raises:
        ParameterError: no parameter of that name, not a value of its type, or not allowed.
    """
    values: dict[str, Any] = {name: _value(name, text) for name, text in texts.items()}
    after = replace(settings, **values)
    problems = refusals(asdict(after))
    if problems:
        raise ParameterError('; '.join(problems))
    return after


def _value(name: str, text: str) -> Value:
    if name not in BY_NAME:
        raise ParameterError(f'there is no parameter {name}{nearest(name, BY_NAME)}')
    parameter = BY_NAME[name]
    try:
        if isinstance(parameter.default, bool):
            return {'true': True, 'false': False}[text.strip().lower()]
        return type(parameter.default)(text)
    except (KeyError, ValueError) as error:
        raise ParameterError(f'{name}: {text!r} is not a {parameter.type_name}, e.g. '
                             f'{str(parameter.default).lower()}') from error
