"""The page's own settings with a folder that is gone after the tests.

It changes nothing else: what is tested is what is served.
"""

import atexit
import os
import shutil
import tempfile

_folder = tempfile.mkdtemp(prefix='clinic-test-')
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
os.environ['CLINIC_DATA'] = _folder

from clinic.settings import *  # noqa: E402, F403
