"""The package is installable, whole and layered as promised; its pins are complete.

Building and installing from scratch is done by .ci/run, not here.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import yaml

import stroke_side_monitor
from stroke_side_monitor import local_dds, resources

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / 'stroke_side_monitor'
MODULES = sorted(PACKAGE.rglob('*.py'))
# import name -> name on PyPI, where they differ
DISTRIBUTIONS = {'ai_edge_litert': 'ai-edge-litert', 'cv2': 'opencv-python-headless',
                 'PIL': 'pillow', 'yaml': 'pyyaml'}
# Imported where present, done without where not; why: docs/dependencies.md
OPTIONAL = {'dask', 'distributed', 'fsspec', 'keras', 'psutil', 'pyarrow', 'skimage', 'tensorflow',
            'tflite_runtime'}


def imported(path: Path) -> set[str]:
    """Every module a file imports anywhere, dotted, ours in full."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f'{node.module}.{alias.name}' for alias in node.names}
    return names


def packages(path: Path) -> set[str]:
    """The top-level packages that a file imports."""
    return {name.split('.')[0] for name in imported(path)}


def depends(package_xml: Path) -> set[str]:
    """Names of all dependencies of every kind in a package.xml."""
    return {element.text for element in ElementTree.parse(package_xml).getroot()
            if element.tag.endswith('depend')}


# Layers


def test_assessment_needs_numpy_only():
    allowed = set(sys.stdlib_module_names) | {'numpy', 'stroke_side_monitor'}
    for path in (PACKAGE / 'assessment').glob('*.py'):
        assert packages(path) <= allowed, path.name
        ours = {name for name in imported(path) if name.startswith('stroke_side_monitor.')}
        assert all(name.startswith(('stroke_side_monitor.assessment',
                                    'stroke_side_monitor.landmarks')) for name in ours), path.name


def test_rclpy_stays_under_ros():
    outside = [path for path in MODULES if path.parent != PACKAGE / 'ros']
    assert [path.name for path in outside if 'rclpy' in packages(path)] == []


def test_the_robots_rooms_know_nothing_of_the_workshop():
    workshop = {'bench', 'clinic', 'demo', 'studies', 'test', 'training'}
    assert [path.name for path in MODULES if packages(path) & workshop] == []


def test_perception_knows_neither_assessment_nor_ros():
    for path in (PACKAGE / 'perception').glob('*.py'):
        assert not any(name.startswith(('stroke_side_monitor.assessment',
                                        'stroke_side_monitor.ros')) for name in imported(path))


# Shipped files


def test_files_are_found_in_the_source_tree():
    assert resources.config_path('norms.yaml') == ROOT / 'config' / 'norms.yaml'
    assert resources.model_path('side_classifier.tflite').parent == ROOT / 'models'


@pytest.mark.parametrize('site', ['lib/python3.12/site-packages',
                                  'local/lib/python3.10/dist-packages'])
def test_files_are_found_beside_the_installed_package(tmp_path, site):
    module = tmp_path / site / 'stroke_side_monitor' / 'resources.py'
    share = tmp_path / 'share' / 'stroke_side_monitor'
    for path in (module, share / 'package.xml', share / 'config' / 'norms.yaml'):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert resources._find('config', 'norms.yaml', module) == share / 'config' / 'norms.yaml'


def test_absent_files_are_named_with_the_cure(tmp_path):
    with pytest.raises(resources.ResourceMissingError, match=r'models/none\.tflite is missing'):
        resources.model_path('none.tflite')
    with pytest.raises(resources.ResourceMissingError, match='build stroke_side_monitor'):
        resources._find('config', 'norms.yaml', tmp_path / 'a' / 'stroke_side_monitor' / 'b.py')


def test_no_large_file_and_no_path_of_one_machine_is_committed():
    listed = subprocess.run(['git', 'ls-files', '-z'], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip('not a git checkout')
    for name in filter(None, listed.stdout.split('\0')):
        path = ROOT / name
        assert path.stat().st_size <= 10_000_000, name
        private = re.search(rb'(?<![\w.])/(?:home|root|work)/\w+', path.read_bytes())
        assert not private or path == Path(__file__), f'{name}: {private}'


# Versions, dependencies, pins


def test_one_version_everywhere():
    versions = {
        stroke_side_monitor.__version__,
        ElementTree.parse(ROOT / 'package.xml').findtext('version'),
        ElementTree.parse(ROOT / 'stroke_side_msgs' / 'package.xml').findtext('version'),
        re.search(r"version='(.+?)'", (ROOT / 'setup.py').read_text())[1],
        re.search(r'(?m)^version = "(.+)"', (
            ROOT / 'stroke_side_msgs' / 'pyproject.toml').read_text())[1]}
    assert len(versions) == 1, versions


def test_every_entry_point_can_be_called():
    points = {point.name: point for point in entry_points(group='console_scripts')
              if point.value.startswith('stroke_side_monitor.')}
    assert set(points) == {'monitor', 'wait_until_active', 'patient', 'assess', 'report',
                           'simulate', 'score'}
    for point in points.values():
        assert callable(point.load()), point


def test_everything_imported_is_declared():
    on_pypi = set(re.findall(r'(?m)^([a-z][\w-]*)', (
        ROOT / 'requirements' / 'runtime.in').read_text()))
    declared = on_pypi | depends(ROOT / 'package.xml') | OPTIONAL | {'stroke_side_monitor'}
    for path in MODULES:
        foreign = packages(path) - set(sys.stdlib_module_names)
        named = {DISTRIBUTIONS.get(name, name) for name in foreign}
        # builtin_interfaces comes with every message package.
        assert named - declared - {'builtin_interfaces'} == set(), path.name


def test_messages_declare_what_they_use():
    used = set()
    for path in (ROOT / 'stroke_side_msgs' / 'msg').glob('*.msg'):
        used |= set(re.findall(r'(?m)^(\w+)/\w+', path.read_text()))
    assert used - {'stroke_side_msgs'} <= depends(ROOT / 'stroke_side_msgs' / 'package.xml')


@pytest.mark.parametrize('lock', ['runtime.txt', 'dev.txt', 'jazzy.txt', 'build.txt', 'fleet.txt'])
def test_every_pin_is_exact_and_hashed(lock):
    entries = re.split(r'\n(?=[a-z])', (ROOT / 'requirements' / lock).read_text().strip())
    assert entries
    for entry in entries:
        assert re.match(r'[\w.-]+==\S+ ', entry), entry
        assert '--hash=sha256:' in entry, entry


def test_development_uses_the_robots_pins():
    pins = {lock: set(re.findall(r'(?m)^(\S+==\S+)', (ROOT / 'requirements' / lock).read_text()))
            for lock in ('runtime.txt', 'dev.txt')}
    assert pins['runtime.txt'] <= pins['dev.txt']


def test_jazzy_has_the_tools_of_kilted_in_the_same_versions():
    def lines(name: str) -> set[str]:
        return {line for line in (ROOT / 'requirements' / name).read_text().splitlines()
                if re.match('[a-z]', line) and not line.startswith('ros-')}

    assert lines('jazzy.in') == lines('dev.in')
    pins = [dict(re.findall(r'(?m)^(\w\S+)==(\S+)', (ROOT / 'requirements' / name).read_text()))
            for name in ('jazzy.txt', 'dev.txt')]
    tools = {re.split('[=<>]', line)[0] for line in lines('jazzy.in')}
    assert {name: pins[0][name] for name in tools} == {name: pins[1][name] for name in tools}


@pytest.mark.parametrize('source', ['runtime.in', 'dev.in', 'jazzy.in', 'fleet.in'])
def test_every_dependency_has_its_reason(source):
    reasons = (ROOT / 'docs' / 'dependencies.md').read_text()
    for name in re.findall(r'(?m)^([a-z][\w-]*)', (ROOT / 'requirements' / source).read_text()):
        assert f'`{name.replace("ros-jazzy-", "ros-")}`' in reasons, name


# Set-up and isolation


def test_colcon_is_told_where_both_packages_are():
    settings = yaml.safe_load((ROOT / 'colcon_defaults.yaml').read_text())
    assert settings['build']['base-paths'] == ['.', 'stroke_side_msgs']


def test_set_up_says_what_the_machine_lacks():
    script = ROOT / 'requirements' / 'check_machine.py'
    good = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert (good.returncode, good.stderr) == (0, '')
    wrong = subprocess.run([sys.executable, script, 'jazzy'], capture_output=True, text=True)
    assert ('the wheels of ROS 2 Jazzy are for 3.12' in wrong.stderr) is (
        sys.version_info[:2] != (3, 12))
    bare = subprocess.run([sys.executable, script], capture_output=True, text=True,
                          env={'PATH': '', '_ROS_WHEELS_BOOTSTRAP_COMPLETE': '1'})
    assert bare.returncode == 1
    assert bare.stderr == ('setup: g++ is missing; our messages are compiled with it. '
                           'On Debian or Ubuntu: sudo apt install g++\n')


def test_set_up_installs_once_and_again_when_pins_or_messages_change(tmp_path):
    if shutil.which('make') is None:
        pytest.skip('no make')
    for name in ('Makefile', 'setup.py', 'setup.cfg', 'package.xml', 'requirements',
                 'stroke_side_msgs'):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    (tmp_path / '.venv').mkdir()

    def commands() -> str:
        return subprocess.run(['make', '--dry-run', 'setup'], cwd=tmp_path, capture_output=True,
                              text=True, check=True).stdout

    def changed(name: str, stamp: int) -> None:
        os.utime(tmp_path / name, (stamp, stamp))

    assert '-r requirements/dev.txt' in commands()
    for path in tmp_path.rglob('*'):
        changed(str(path), 1000)
    for stamp in ('.python', '.environment', '.messages', '.package'):
        (tmp_path / '.venv' / stamp).touch()
        changed(f'.venv/{stamp}', 2000)
    assert 'pip' not in commands()
    changed('stroke_side_msgs/msg/Severity.msg', 3000)
    assert './stroke_side_msgs' in commands()
    assert '-r requirements/dev.txt' not in commands()
    changed('requirements/dev.txt', 3000)
    assert '-r requirements/dev.txt' in commands()


def test_runs_side_by_side_get_different_domains(ros_domain, start_process):
    claim = ('import os; from stroke_side_monitor.local_dds import keep_local; '
             'print(keep_local(os.environ)); '
             'print(os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"]); input()')
    others = [start_process('-c', claim, ROS_DISTRO='kilted') for _ in range(3)]
    domains = {ros_domain, *(int(other.stdout.readline()) for other in others)}
    assert len(domains) == 4
    assert domains <= set(range(local_dds.FIRST_DOMAIN, local_dds.LAST_DOMAIN + 1))
    assert {other.stdout.readline() for other in others} == {'LOCALHOST\n'}


def test_a_claimed_domain_is_free_again_when_its_process_ends(start_process):
    claim = ('from stroke_side_monitor import local_dds; '
             'local_dds.FIRST_DOMAIN = local_dds.LAST_DOMAIN = 102; '
             'print(local_dds.keep_local({})); input()')
    holder = start_process('-c', claim)
    assert holder.stdout.readline() == '102\n'
    refused = start_process('-c', claim)
    assert refused.stdout.readline() == ''
    holder.kill()
    holder.wait()
    heir = start_process('-c', claim)
    assert heir.stdout.readline() == '102\n'
