"""The one table of the monitor's parameters; descriptors, checks, YAML and tables come from it.

It never keeps a value: the node's own parameters are the only store. `python -m
stroke_side_monitor.ros.parameters --write` renews config/monitor.yaml and the generated tables.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter as RosParameter

from stroke_side_monitor import atomic_file
from stroke_side_monitor.pipeline import PipelineSettings
from stroke_side_monitor.pipeline import parameters as pipeline_parameters
from stroke_side_monitor.pipeline.parameters import Parameter, Value


def descriptor(parameter: Parameter) -> ParameterDescriptor:
    """What `ros2 param describe` shows."""
    text = f'{parameter.text} [{parameter.unit}]' if parameter.unit else parameter.text
    described = ParameterDescriptor(description=text, read_only=not parameter.live)
    if parameter.choices:
        described.additional_constraints = f'one of: {parameter.allowed}'
    elif isinstance(parameter.default, bool) or not math.isfinite(parameter.least):
        pass
    elif isinstance(parameter.default, int):
        described.integer_range = [
            IntegerRange(from_value=int(parameter.least), to_value=int(parameter.most),
                         step=parameter.step)]
    elif isinstance(parameter.default, float):
        described.floating_point_range = [
            FloatingPointRange(from_value=parameter.least, to_value=parameter.most)]
    return described


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
    *pipeline_parameters.TABLE,
)
BY_NAME: Mapping[str, Parameter] = {parameter.name: parameter for parameter in TABLE}

_QOS = 'qos_overrides.'


def declare(node: Node) -> dict[str, str]:
    """Declare every parameter of the table on a node.

    Returns:
        By name one line for each value given at the start that cannot be read, saying why. The
        default stands in its place, and the node must refuse to configure.
    """
    problems = {}
    for parameter in TABLE:
        arguments = (parameter.name, parameter.default, descriptor(parameter))
        try:
            node.declare_parameter(*arguments)
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            node.declare_parameter(*arguments, ignore_override=True)
            problems[parameter.name] = _refused_override(parameter, error)
    return problems


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
        lines.append(f'parameter {name}: there is none of that name, its value does nothing'
                     + pipeline_parameters.nearest(name, known))
    return tuple(lines)


def current(node: Node) -> dict[str, Value]:
    """The node's values of every parameter in the table."""
    return {name: node.get_parameter(name).value for name in BY_NAME}


def refusals(values: Mapping[str, Value]) -> tuple[str, ...]:
    """One line for each of these values (all parameters, right types) that cannot be used."""
    return tuple(line for line in (
        *pipeline_parameters.refusals(values, BY_NAME), _impatient(values)) if line)


def _impatient(values: Mapping[str, Value]) -> str:
    """Why UNKNOWN would come between any two answers, '' when it would not."""
    stale_s = float(values['stale_timeout_s'])
    names = ('assess_rate_hz', 'search_rate_hz')
    slowest = min(names, key=lambda name: float(values[name]))
    # A rate read as text is rounded.
    if not stale_s * float(values[slowest]) < 1.0 - 1e-3:
        return ''
    return (f'stale_timeout_s: {stale_s} is shorter than the time between two frames of '
            f'{slowest}, which is {values[slowest]}')


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
