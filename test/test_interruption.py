"""Commands that are ended say so by their exit status, whatever they were at."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from stroke_side_monitor.interruption import ends_cleanly

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


@pytest.mark.parametrize(('name', 'status'), [('SIGINT', 130), ('SIGTERM', 143), ('SIGHUP', 129)])
def test_the_status_is_the_commands_own_also_where_a_string_was_evaluated(tmp_path, name, status):
    """As in every namedtuple that is made; MediaPipe makes one with each picture."""
    (tmp_path / 'command.py').write_text(textwrap.dedent(f'''
        import signal, sys
        from stroke_side_monitor.interruption import ends_cleanly

        for one in (signal.SIGINT, signal.SIGHUP):  # a suite in the background has them ignored
            signal.signal(one, signal.SIG_DFL)

        @ends_cleanly('command')
        def main():
            return eval('signal.raise_signal(signal.{name})')

        sys.exit(main())
    '''))
    ended = subprocess.run([sys.executable, '-m', 'command'], check=False, capture_output=True,
                           env={**os.environ, 'PYTHONPATH': f'{tmp_path}:{REPOSITORY}'}, text=True)
    assert (ended.returncode, ended.stderr) == (status, 'command: interrupted\n')


def test_an_interruption_that_c_code_makes_another_exception_of_is_one_all_the_same(capsys):
    """As pybind11 does where it falls into what rclpy hands to a callback (seen with the demo)."""
    @ends_cleanly('command')
    def main():
        try:
            signal.raise_signal(signal.SIGTERM)
        except KeyboardInterrupt:
            raise RuntimeError("Unable to convert call argument '0'") from None

    assert main() == 143
    assert capsys.readouterr().err == \
        "command: interrupted (RuntimeError: Unable to convert call argument '0')\n"


def test_what_fails_without_a_signal_is_raised():
    @ends_cleanly('command')
    def main():
        raise RuntimeError('its own')

    with pytest.raises(RuntimeError, match='its own'):
        main()
