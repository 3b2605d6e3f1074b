"""The command's way in: the arguments and the environment of the process, and its exit code."""

import os
import sys

from slugline_cli.app import run_command


def main() -> None:
    """Run `slugline` with this process's arguments."""
    sys.exit(run_command(sys.argv[1:], os.environ))


if __name__ == "__main__":
    main()
