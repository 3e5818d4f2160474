"""The one table of the monitor's parameters; descriptors, checks, YAML and tables come from it.

It never keeps a value: the node's own parameters are the only store. `python -m
stroke_side_monitor.ros.parameters --write` renews config/monitor.yaml and the generated tables.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter as RosParameter

from stroke_side_monitor import atomic_file
from stroke_side_monitor.pipeline import PipelineSettings

Value = bool | int | float | str


@dataclass(frozen=True)
class Parameter:
    """One parameter of the node.

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

    def descriptor(self) -> ParameterDescriptor:
        """What `ros2 param describe` shows."""
        text = f'{self.text} [{self.unit}]' if self.unit else self.text
        descriptor = ParameterDescriptor(description=text, read_only=not self.live)
        if self.choices:
            descriptor.additional_constraints = f'one of: {self.allowed}'
        elif isinstance(self.default, bool) or not math.isfinite(self.least):
            pass
        elif isinstance(self.default, int):
            descriptor.integer_range = [
                IntegerRange(from_value=int(self.least), to_value=int(self.most), step=self.step)]
        elif isinstance(self.default, float):
            descriptor.floating_point_range = [
                FloatingPointRange(from_value=self.least, to_value=self.most)]
        return descriptor


_SETTINGS = PipelineSettings()


def _setting(name: str, text: str, **more: Any) -> Parameter:
    return Parameter(name, getattr(_SETTINGS, name), text, **more)


TABLE: tuple[Parameter, ...] = (
    Parameter('autostart', True,
              'Configure and activate without being told; false: wait for a lifecycle manager.'),
    Parameter('image_transport', 'raw', 'raw: sensor_msgs/Image on `image`; compressed: '
              'sensor_msgs/CompressedImage (JPEG or PNG) on `image/compressed`.',
              choices=('raw', 'compressed')),
    Parameter('model_path', '', 'Side classifier (.tflite with its card .json beside it); '
              'empty: the one shipped.'),
    Parameter('norms_path', '', 'Norms of healthy faces; empty: the ones shipped.'),
    Parameter('patient_key', '', 'Pseudonym of the patient, for baseline and session record; '
              'letters, digits, ".", "_", "-". Never a name.'),
    Parameter('baseline_directory', '', 'Folder of personal baselines; empty: none are kept.'),
    Parameter('record_session', '', 'Folder below which this session is recorded, without '
              'images; empty: not recorded.'),
    Parameter('stale_timeout_s', 1.0, 'After this long without an assessed frame UNKNOWN is '
              'published with the reason, and again each time it passes.', unit='s', live=True,
              least=0.1, most=60.0),
    _setting('input_mirrored', 'The camera driver mirrors the picture (selfie view): undo it. '
             'Wrong means left and right swapped.', live=True),
    _setting('image_rotation_deg', 'Turn the picture clockwise by this much before it is looked '
             'at, after `input_mirrored`: 180 for a camera mounted upside down. The face region is '
             'told in the picture as received, the overlay is upright.', unit='deg', live=True,
             least=0, most=270, step=90),
    _setting('jump_back_s', 'A frame stamped earlier than the one before, by no more than this, is '
             'late and dropped; one further back begins a new recording, and the monitor starts '
             'afresh.', unit='s', live=True, least=0.0, most=60.0),
    _setting('use_classifier', 'Let the picture classifier speak beside the landmarks.'),
    _setting('classifier_threads', 'Threads of the classifier; one is the steady choice.',
             least=1, most=16),
    _setting('classifier_rate_hz', 'How often the classifier looks; its vote is the median over '
             '`window_s`. Landmarks are measured in every frame that is assessed.', unit='Hz',
             live=True, least=1.0, most=120.0),
    _setting('assess_rate_hz', 'How many frames a second are assessed, evenly by stamp; the others '
             'are not even unpacked. While an exercise is on, and until the face has relaxed, '
             'all are. Above the camera\'s rate: all.', unit='Hz', live=True, least=1.0,
             most=240.0),
    _setting('search_rate_hz', 'How many frames a second are searched for a face once there has '
             'been none for a second; never more than `assess_rate_hz`.', unit='Hz', live=True,
             least=1.0, most=240.0),
    _setting('gain_correction', 'Divide the published metrics of mouth, lids and brows by how much '
             'of a true difference MediaPipe reports (docs/measurement.md). Scores and sides do '
             'not change.', live=True),
    _setting('window_s', 'Evidence is the median over this long.', unit='s', least=0.1, most=10.0),
    _setting('stable_after_s', '`stable` is set once the same side has been named for this long.',
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
             "crop's Laplacian.", live=True, least=0.0, most=10000.0),
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
    _setting('conflict_below', 'A classifier or a movement naming the other side makes the '
             'answer UNKNOWN while |M| is below this.', unit='SD', live=True, least=0.0, most=20.0),
)
BY_NAME: Mapping[str, Parameter] = {parameter.name: parameter for parameter in TABLE}

_QOS = 'qos_overrides.'

# Pairs of which the first must not be above the second.
_ORDERED = (('mouth_off', 'mouth_on'), ('supported_on', 'mouth_on'),
            ('min_luminance', 'max_luminance'))


def declare(node: Node) -> tuple[str, ...]:
    """Declare every parameter of the table on a node.

    Returns:
        One line for each value given at the start that cannot be used, saying what and why. The
        default stands in its place, and the node must refuse to configure.
    """
    problems = []
    for parameter in TABLE:
        arguments = (parameter.name, parameter.default, parameter.descriptor())
        try:
            node.declare_parameter(*arguments)
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            node.declare_parameter(*arguments, ignore_override=True)
            problems.append(_refused_override(parameter, error))
    values = current(node)
    return (*problems, *refusals(values))


def unknown(node: Node) -> tuple[str, ...]:
    """One line for each value given at the start whose name no parameter has, with the nearest.

    Those of qos_overrides are left out until the topics exist that they are for.
    """
    # rclpy has no other way to ask; the attribute is the same in Humble, Jazzy and Kilted.
    given: Iterable[str] = node._parameter_overrides
    known = [*BY_NAME, 'use_sim_time']
    lines = []
    for name in given:
        if node.has_parameter(name) or name.startswith(_QOS):
            continue
        near = difflib.get_close_matches(name, known, 1)
        lines.append(f'parameter {name}: there is none of that name, its value does nothing'
                     + (f'; did you mean {near[0]}?' if near else ''))
    return tuple(lines)


def current(node: Node) -> dict[str, Value]:
    """The node's values of every parameter in the table."""
    return {name: node.get_parameter(name).value for name in BY_NAME}


def refusals(values: Mapping[str, Value]) -> tuple[str, ...]:
    """One line for each of these values (all parameters, right types) that cannot be used."""
    single = (BY_NAME[name].refusal(value) for name, value in values.items())
    pairs = (f'{low}: {values[low]} is above {high}, which is {values[high]}'
             for low, high in _ORDERED if float(values[low]) > float(values[high]))
    return tuple(line for line in (*single, *pairs) if line)


def refusal_of_change(node: Node, changes: Iterable[RosParameter]) -> str:
    """Why these changes, taken together, must not be made; '' when they may."""
    values = current(node)
    for change in changes:
        parameter = BY_NAME.get(change.name)
        if parameter is None:
            continue
        if type(change.value) is not type(parameter.default):
            return _wrong_type(parameter, change.value)
        values[change.name] = change.value
    return '; '.join(refusals(values))


def pipeline_settings(values: Mapping[str, Value]) -> PipelineSettings:
    """The part of the values that the pipeline works by."""
    names = {field.name for field in dataclasses.fields(PipelineSettings)}
    chosen: dict[str, Any] = {name: values[name] for name in values if name in names}
    return PipelineSettings(**chosen)


def _refused_override(parameter: Parameter, error: Exception) -> str:
    if isinstance(error, InvalidParameterTypeException):
        return (f'{parameter.name}: the value given at the start is not a {parameter.type_name}, '
                f'e.g. {yaml_value(parameter.default)}')
    return f'{parameter.name}: the value given at the start is outside {parameter.allowed}'


def _wrong_type(parameter: Parameter, value: Any) -> str:
    return (f'{parameter.name}: {value!r} is not a {parameter.type_name}, '
            f'e.g. {yaml_value(parameter.default)}')


def yaml_value(value: Value) -> str:
    """A value as YAML that ROS reads back with the same type."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"'{value}'"
    return str(value)


def as_yaml() -> str:
    """The text of config/monitor.yaml: every parameter with its default."""
    lines = ['# Every parameter of the stroke_side_monitor node, with its default. Generated from',
             '# stroke_side_monitor/ros/parameters.py: copy this file, change the copy.',
             '/**:', '  ros__parameters:']
    for parameter in TABLE:
        facts = [parameter.type_name]
        if parameter.allowed:
            facts.append(f'{parameter.allowed} {parameter.unit}'.strip())
        facts.append('live' if parameter.live else 'read-only')
        lines += [f'    # {line}' for line in _wrapped(parameter.text, 92)]
        lines += [f'    # ({"; ".join(facts)})',
                  f'    {parameter.name}: {yaml_value(parameter.default)}']
    return '\n'.join(lines) + '\n'


def as_markdown() -> str:
    """The parameter table of the documentation."""
    rows = ['| parameter | type | default | allowed | unit | change | meaning |',
            '|---|---|---|---|---|---|---|']
    for parameter in TABLE:
        change = 'live' if parameter.live else 'read-only'
        rows.append(
            f'| `{parameter.name}` | {parameter.type_name} | `{yaml_value(parameter.default)}` | '
            f'{parameter.allowed} | {parameter.unit} | {change} | '
            + parameter.text.replace('|', '\\|') + ' |')
    return '\n'.join(rows) + '\n'


BEGIN = '<!-- parameters: generated by python -m stroke_side_monitor.ros.parameters --write -->\n'
END = '<!-- parameters: end -->\n'


def renewed(text: str) -> str:
    """A document with the table between its BEGIN and END marks renewed; unchanged without them."""
    if BEGIN not in text:
        return text
    before, rest = text.split(BEGIN, 1)
    _, after = rest.split(END, 1)
    return before + BEGIN + as_markdown() + END + after


def generated_files(root: Path) -> dict[Path, str]:
    """Path and due text of everything generated from the table, below the repository's root."""
    documents = [path for path in (root / 'README.md', root / 'docs' / 'ros_api.md')
                 if path.is_file()]
    due = {path: renewed(path.read_text()) for path in documents}
    due[root / 'config' / 'monitor.yaml'] = as_yaml()
    return due


def _wrapped(text: str, width: int) -> list[str]:
    lines = ['']
    for word in text.split():
        if len(lines[-1]) + len(word) + 1 > width:
            lines.append('')
        lines[-1] = f'{lines[-1]} {word}'.strip()
    return lines


def main() -> int:
    """Write or check the generated files; 1 when one is out of date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--write', action='store_true', help='renew them (default: only check)')
    write = parser.parse_args().write
    stale = [(path, text) for path, text in generated_files(Path(__file__).parents[2]).items()
             if not path.is_file() or path.read_text() != text]
    for path, text in stale:
        sys.stdout.write(f'{path}: {"written" if write else "out of date; use --write"}\n')
        if write:
            atomic_file.write(path, text.encode())
    return 1 if stale and not write else 0


if __name__ == '__main__':
    raise SystemExit(main())
