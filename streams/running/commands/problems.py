"""Problems: what ends a command, in one line with the way out; a user's own traceback, and no other."""

import logging
import re
import sys
import traceback
from enum import IntEnum
from typing import IO, Any

import click

from ackflow.streams.core import SourceError, Unavailable, printable

LONGEST = 4_000
"""Characters of an error's text that are shown."""


class Code(IntEnum):
    """The exit codes; docs/command-line.md has them as a table."""

    WELL = 0
    """Done, or drained by a signal."""
    FAILED = 1
    """It ran, and did not do all that it was to do."""
    WRONG = 2
    """The command line is wrong, or what it names: trying again changes nothing."""
    AWAY = 3
    """A server can't be reached, or refuses: trying again later may help."""
    ABORTED = 130
    """Aborted by a second signal, or by Ctrl-C where nothing is drained: 128 + SIGINT."""


class Problem(click.ClickException):
    """What ends a command, in one line."""

    def __init__(self, text: str, code: Code = Code.WRONG, *, before: str = "") -> None:
        """`before`: lines that are shown before it, such as a traceback."""
        super().__init__(hidden(text))
        self.exit_code = code  # type: ignore[misc]  # click's are constants of a class
        self.before = before

    def show(self, file: IO[Any] | None = None) -> None:
        """Write it where errors go."""
        if self.before:
            click.echo(self.before, file=file, err=True)
        say(self.message, file=file)


def say(text: str, *, file: IO[Any] | None = None) -> None:
    """Tell whoever looks at the error output one line."""
    line = " ".join(printable(line, LONGEST) for line in text.splitlines())
    click.echo(f"ackflow: {line}", file=file, err=True)


def quiet() -> None:
    """Leave out what aiormq logs of each attempt to connect: the errors say it, and with the way out."""
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)


def hidden(text: str) -> str:
    """Return a text without the passwords of the URLs in it.

    Example:
        >>> hidden('url="amqp://ana:s3cret@broker/shop"')
        'url="amqp://ana:***@broker/shop"'

    """
    return re.sub(
        r"(://(?!user:password@host)[^\s/:@'\"]*):[^\s/'\"]*@",  # that one explains
        r"\1:***@",
        text,
    )


def problem(error: BaseException, doing: str, code: Code = Code.FAILED) -> Problem:
    """Return what an error means for a command: a user's with their traceback, ours in a line.

    Whose it is shows by the frames: what was raised in a file of the user's is theirs.
    """
    theirs = traceback_of(error)
    if isinstance(error, SourceError | Unavailable):
        return Problem(f"{doing}: {error}", Code.AWAY)
    # Without [Errno 98], which says nothing more.
    text = (isinstance(error, OSError) and error.strerror) or str(error)
    kind = type(error).__name__
    named = f"{kind}: {text}" if theirs else text or kind
    return Problem(f"{doing}: {named}", code, before=theirs)


def traceback_of(error: BaseException) -> str:
    """Return an error's traceback in files of the user's, or nothing where there are none.

    Without frames of ours and of what lies between, without passwords, and without what could move a
    cursor: texts of errors may come out of messages.
    """
    whole = traceback.TracebackException.from_exception(error)
    if not _reduce(whole, error):
        return ""
    lines = "".join(whole.format()).splitlines()
    return "\n".join(printable(hidden(line), LONGEST) for line in lines)


def _reduce(whole: traceback.TracebackException, error: BaseException) -> bool:
    """Leave the user's frames, in causes too; say whether there are any."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    names = [str(frame.f_globals.get("__name__", "")) for frame in frames]
    kept = [each for each, name in zip(whole.stack, names, strict=True) if _is_users(name)]
    whole.stack = traceback.StackSummary.from_list(kept)
    for attribute in ("__cause__", "__context__"):
        behind, cause = getattr(whole, attribute), getattr(error, attribute)
        if behind is not None and cause is not None and not _reduce(behind, cause):
            setattr(whole, attribute, None)
    if isinstance(error, SyntaxError) and not kept:
        whole.stack = None  # type: ignore[assignment]  # it is where the error itself says
        return True
    return bool(kept)


def _is_users(module: str) -> bool:
    top = module.partition(".")[0]
    between = {"ackflow", "click", "__main__", *sys.stdlib_module_names}
    return top not in between and not top.startswith("_frozen")
