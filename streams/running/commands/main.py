"""The program `ackflow`: its commands, and what its exit codes come from."""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from typing import Any

import click

from ackflow.streams.running.commands.completion import completion
from ackflow.streams.running.commands.dashboard import dashboard
from ackflow.streams.running.commands.doctor import doctor
from ackflow.streams.running.commands.graph import check, graph
from ackflow.streams.running.commands.peek import peek
from ackflow.streams.running.commands.problems import Code
from ackflow.streams.running.commands.replay import replay
from ackflow.streams.running.commands.run import run

BROKEN_PIPE = 141
"""Exit code where nobody reads what is written: 128 + SIGPIPE, as shells have it."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("ackflow"), prog_name="ackflow")
def program() -> None:
    """Run stream pipelines, look at them and at queues, and send dead letters back.

    A pipeline is named as module:attribute, from the folder that holds the module. Exit codes: 0 done
    or drained, 1 failed, 2 a wrong command line, 3 a server is away or refuses, 130 aborted.
    """


for command in (run, graph, check, peek, replay, doctor, dashboard, completion):
    program.add_command(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line says; return the exit code."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):
            # A terminal that has no ● gets an escape, and not a traceback.
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    colour = False if os.environ.get("NO_COLOR") else None  # None: where a terminal looks
    try:
        code: Any = program.main(
            arguments, prog_name="ackflow", standalone_mode=False, color=colour
        )
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return Code.ABORTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for Python's last flush
        return BROKEN_PIPE
    return code if isinstance(code, int) else Code.WELL
