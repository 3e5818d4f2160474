"""Says in one line what a machine lacks for `make setup`. It never installs or changes anything.

Runs on the machine's own Python 3, whatever its version, before anything is installed.
"""

import os
import platform
import shutil
import sys
import sysconfig

OLDEST, NEWEST = (3, 10), (3, 12)
JAZZY = (3, 12)


def lacks(distro):
    """One line per missing thing, each with its cure; an empty list means go ahead."""
    version = sys.version_info[:2]
    python = f'python{version[0]}.{version[1]}'
    if distro == 'jazzy' and version != JAZZY:
        return [f'this is {python}, but the wheels of ROS 2 Jazzy are for 3.12. '
                'Name one: make setup DISTRO=jazzy PYTHON=python3.12']
    if not OLDEST <= version <= NEWEST:
        return [f'this is {python}, but 3.10, 3.11 or 3.12 is needed (mediapipe has no wheels for '
                'others). Name one: make setup PYTHON=python3.12']
    missing = []
    if sys.platform != 'linux' or platform.machine() != 'x86_64':
        missing.append(f'this is {sys.platform} on {platform.machine()}, but ROS 2 wheels exist '
                       'only for Linux on x86_64. With ROS 2 installed, build with colcon: '
                       'see the README')
    if not _importable('venv', 'ensurepip'):
        missing.append('Python cannot make environments. On Debian or Ubuntu: '
                       f'sudo apt install {python}-venv')
    header = os.path.join(sysconfig.get_paths()['include'], 'Python.h')
    if not os.path.isfile(header):
        missing.append(f'{header} is missing; our messages are compiled against it. '
                       f'On Debian or Ubuntu: sudo apt install {python}-dev')
    if shutil.which('g++') is None or shutil.which('gcc') is None:
        missing.append('g++ is missing; our messages are compiled with it. '
                       'On Debian or Ubuntu: sudo apt install g++')
    return missing


def _importable(*names):
    try:
        for name in names:
            __import__(name)
    except ImportError:
        return False
    return True


if __name__ == '__main__':
    lines = lacks(sys.argv[1] if len(sys.argv) > 1 else '')
    for line in lines:
        sys.stderr.write('setup: ' + line + '\n')
    sys.exit(1 if lines else 0)
