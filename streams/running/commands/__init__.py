"""The command line, `ackflow`: run, look at and repair pipelines from a shell.

A user of the library like any other: nothing imports it, and it may import all of ackflow.
"""

from ackflow.streams.running.commands.main import main, program

__all__ = ["main", "program"]
