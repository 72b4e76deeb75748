"""`ackflow run`: a pipeline in this process, in several, or anew whenever its code changes."""

import errno
import logging
import os
import socket
import subprocess
import sys
from typing import Any

import click

from ackflow.streams.running.commands import loading
from ackflow.streams.running.commands.exporting import tracing
from ackflow.streams.running.commands.problems import Code, Problem, problem, quiet, traceback_of

OURSELVES = ["-m", "ackflow.streams.running.commands"]
LEVELS = ("debug", "info", "warning", "error")
LAST_PORT = 65_535
POSITIVE = click.FloatRange(min=0, min_open=True)


@click.command(short_help="Run a pipeline until its stream ends or a signal drains it.")
@click.argument("target", metavar="MODULE:PIPELINE")
@click.option("--limit", type=click.IntRange(min=1), help="Messages after which it ends.")
@click.option("--timeout", type=POSITIVE, help="Seconds after which it drains.")
@click.option("--status", metavar="HOST:PORT", help="Show figures, /readyz and /metrics there.")
@click.option("--public", is_flag=True, help="Let --status be an address that others reach.")
@click.option(
    "--processes", type=click.IntRange(min=1), help="Run so many; a process that dies is replaced."
)
@click.option(
    "--restarts", type=click.IntRange(min=0), help="Deaths in a row to make good (no limit)."
)
@click.option("--progress", is_flag=True, help="Show what each stage does (extra progress).")
@click.option(
    "--tracing",
    is_flag=True,
    help="Make OpenTelemetry spans of it (extra tracing; OTEL_… says how).",
)
@click.option("--reload", is_flag=True, help="Drain and start anew when a *.py here changes.")
@click.option(
    "--log", type=click.Choice(LEVELS), default="warning", help="What is logged (warning)."
)
@click.pass_context
def run(context: click.Context, /, target: str, **options: Any) -> None:
    """Run a pipeline: an attribute of a module, or a function that returns it.

    The first SIGINT or SIGTERM drains: what is under way finishes, the rest goes back to its queue,
    and the exit code is 0. A second one aborts.

    With --processes, each process has --limit for itself, and --status counts ports up from the one
    given.
    """
    if options["reload"] and options["processes"]:
        raise click.UsageError("--reload runs one process; leave out --processes")
    if options["restarts"] is not None and not options["processes"]:
        raise click.UsageError("--restarts is about the processes of --processes")
    if options["progress"] and options["processes"]:
        raise click.UsageError(
            "--progress shows one process; --status=HOST:PORT shows each of several"
        )
    if options["public"] and not options["status"]:
        raise click.UsageError("--public is about the address of --status")
    if options["reload"]:
        from ackflow.streams.running.commands.reloading import Reloader

        context.exit(Reloader(_command(target, options), os.getcwd()).run())
    if options["processes"]:
        context.exit(_processes(target, options))
    _alone(target, options)


def _command(target: str, options: dict[str, Any]) -> list[str]:
    """Return the command of one process with these options."""
    named = [f"--{name}={options[name]}" for name in ("limit", "timeout", "status", "log")]
    given = [each for each in named if not each.endswith("=None")]
    flags = [f"--{name}" for name in ("public", "progress", "tracing") if options[name]]
    # What Python has compiled it takes for a source of the same size and second, so a change right
    # after another would be missed if the process before had left anything compiled.
    python = [sys.executable, "-B"] if options["reload"] else [sys.executable]
    return [*python, *OURSELVES, "run", *given, *flags, "--", target]


def _processes(target: str, options: dict[str, Any]) -> int:
    """Run several processes; what none of them could run is said once, and not tried for ever."""
    from ackflow.streams.workers import Workers

    # In a process of its own: a module may start threads, which the runner must not have.
    flags = ["--tracing"] if options["tracing"] else []
    command = [sys.executable, *OURSELVES, "check", *flags, "--", target]
    code = subprocess.run(command, check=False).returncode  # noqa: S603
    if code:
        return code
    if status := _status(options["status"], options["public"]):
        _refuse_taken(status.host, status.port, options["processes"])
    command, count = _command(target, options), options["processes"]
    return Workers(command, count, restarts=options["restarts"]).run()


def _refuse_taken(host: str, first: int, count: int) -> None:
    """Say once what would end each process again and again: a port that somebody else has."""
    if first + count - 1 > LAST_PORT:
        raise Problem(f"--status: {count} ports from {first} up go beyond {LAST_PORT}")
    for port in range(first, first + count) if first else ():
        try:
            _listen(host, port)
        except OSError as error:
            raise Problem(
                f"--status: can't listen at {host}:{port}: {error.strerror}; each process takes a "
                f"port: take a first one with {count} free, or 0 for any",
                Code.FAILED,
            ) from None


def _listen(host: str, port: int) -> None:
    """Listen for a moment, as a process will; a name may have an address that is not there."""
    places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for family, _, _, _, place in places:
        try:
            socket.create_server((str(place[0]), port), family=family).close()
        except OSError as error:
            if len(places) == 1 or error.errno in (errno.EADDRINUSE, errno.EACCES):
                raise


def _alone(target: str, options: dict[str, Any]) -> None:
    logging.basicConfig(
        level=options["log"].upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    if options["log"] != "debug":
        quiet()
    status = _status(options["status"], options["public"])
    pipeline = loading.pipeline(target)
    spans = tracing() if options["tracing"] else False
    named = {key: options[key] for key in ("limit", "timeout", "progress")}
    try:
        pipeline.run(status=status, tracing=spans, **named)
    except Exception as error:
        raise _failed(error, target) from None
    if not options["progress"]:  # which ends in a summary of its own
        click.echo(pipeline.summary)


def _failed(error: Exception, target: str) -> Problem:
    late = isinstance(error, TimeoutError) and not traceback_of(error)
    return problem(error, f"{target}: aborted, what is unsettled comes again" if late else target)


def _status(address: str | None, public: bool) -> Any:
    """Return where a run shows itself; each of several workers has a port of its own."""
    if address is None:
        return None
    from ackflow.streams.running.status import Status
    from ackflow.streams.workers import NUMBER

    try:
        status = Status(address, public=public)
    except ValueError as error:
        text = str(error).replace("Status(address, public=True)", "--public")
        raise Problem(text.replace("pipeline.run(status)", "--status"), Code.WRONG) from None
    if status.port:
        status.port += int(os.environ.get(NUMBER, "0"))
    return status
