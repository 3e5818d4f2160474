"""`python -m stroke_side_monitor.compare RUN_A RUN_B`.

It only calls the command.
"""

import sys

from stroke_side_monitor.compare.command import main

sys.exit(main())
