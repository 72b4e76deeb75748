"""The errors of ackflow, one tree.

AckflowError
├── Verdict                what a user's function or a sink may raise about a message
│   ├── Reject             this message fails for good
│   ├── Requeue            this message is to come again
│   └── Skip               this message is dropped on purpose
├── Unavailable            an outage: nobody's fault, the pipeline halts and resumes by itself
├── CallTimeout            one call of a user's function took longer than its `timeout`
├── WorkerDied             the worker of an executor died in a call of a user's function
├── PipelineError          the pipeline itself can't go on
│   ├── SourceError        a source can't be opened or read
│   └── PrefetchExhausted  looking needs more messages than prefetch lets out
├── AlreadySettled         a message was settled twice
└── IllegalAcknowledgement an ack for a tag that the broker does not hold open (AMQP 0-9-1: 406)

Wrong settings are ordinary ValueErrors and TypeErrors, raised where they are written.
"""

from math import inf


class AckflowError(Exception):
    """The root of every error that ackflow itself raises."""


class Verdict(AckflowError):
    """What a user's function or a sink may raise to choose what becomes of a message."""


class Reject(Verdict):
    """This message fails for good: it goes to the dead letter, without another attempt.

    Example:
        raise Reject("no such country: XX")

    """


class Requeue(Verdict):
    """This message is to come again, after `after` seconds; it spends no attempt.

    Example:
        raise Requeue("not published yet", after=30)

    """

    def __init__(self, reason: str = "", after: float | None = None) -> None:
        """`after`: seconds from 0 up, or None for the pace of the source's policy."""
        number = isinstance(after, int | float) and not isinstance(after, bool)
        if after is not None and not (number and 0 <= after < inf):
            raise ValueError(
                f"streams.Requeue(after): must be seconds from 0 up, got {shown(after)}; "
                "leave it out for the pace of the source's policy"
            )
        super().__init__(reason)
        self.after = after


class Skip(Verdict):
    """This message is dropped on purpose: counted as skipped, and acked.

    Example:
        raise Skip("a test account")

    """


class Unavailable(AckflowError):
    """What the work needs is away: the pipeline halts, probes with back-off, and resumes by itself.

    Example:
        raise Unavailable("the price service answers 503")

    """


class CallTimeout(AckflowError):
    """One call of a user's function took longer than the `timeout` it was given."""


class WorkerDied(AckflowError):
    """The worker of an executor died in a call of a user's function, with nothing else in it."""


class PipelineError(AckflowError):
    """The pipeline itself can't go on."""


class SourceError(PipelineError):
    """A source can't be opened or read."""


class PrefetchExhausted(PipelineError):
    """Looking at a stream needs more messages than its source's prefetch lets out."""


class AlreadySettled(AckflowError):
    """A message was settled a second time."""


class IllegalAcknowledgement(AckflowError):
    """An ack for a delivery tag that the broker does not hold open (AMQP 0-9-1: 406)."""


OUTAGES: tuple[type[Exception], ...] = (Unavailable, ConnectionError, TimeoutError)
"""Errors that are an outage and no verdict on a message (contract 5)."""

CONNECTION_FAILURES: tuple[type[Exception], ...] = (SourceError, OSError, *OUTAGES)
"""Errors after which a source connects again."""


LONGEST = 2_000
"""Characters of an error's text that are shown."""


def describe(error: BaseException) -> str:
    """Say an error in one printable line: its type and its text, which may come from a message.

    Example:
        >>> describe(ValueError("bad body"))
        'ValueError: bad body'

    """
    try:
        text = " ".join(str(error).split())
    except Exception as broken:
        text = f"(its text can't be shown: {type(broken).__name__})"
    text = printable(text, LONGEST)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def shown(value: object, most: int = 100) -> str:
    """Say a value in at most so many characters, whatever its `__repr__` does.

    Example:
        >>> shown("a long story", most=8)
        "'a long…"

    """
    try:
        text = repr(value)
    except Exception as broken:
        text = f"<{type(value).__name__}, whose repr raises {type(broken).__name__}>"
    return printable(text, most)


def printable(text: str, most: int) -> str:
    """Cut a text, and escape what could move a cursor or forge a line in a log."""
    text = text if len(text) <= most else f"{text[: most - 1]}…"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
