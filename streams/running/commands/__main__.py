"""`python -m ackflow.streams.running.commands`: the command line where no script is on the path."""

import sys

from ackflow.streams.running.commands.main import main

if __name__ == "__main__":
    sys.exit(main())
