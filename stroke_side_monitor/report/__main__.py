"""`python -m stroke_side_monitor.report SESSION... --out report.html`.

It only calls the command.
"""

import sys

from stroke_side_monitor.report.command import main

sys.exit(main())
