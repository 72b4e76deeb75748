"""`python -m tests.servers`: see `tests.servers.commands`."""

import sys

from tests.servers.commands import main

if __name__ == "__main__":
    sys.exit(main())
