"""`python -m clinic.manage COMMAND`: Django's own commands, and those of `cases`.

It only hands the command on.
"""

import os
import sys

from django.core.management import execute_from_command_line


def main() -> None:
    """Run the command named on the command line."""
    os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'clinic.settings')
    execute_from_command_line(['python -m clinic.manage', *sys.argv[1:]])


if __name__ == '__main__':
    main()
