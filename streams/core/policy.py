"""The failure policy: what a source makes of messages that fail. Decides, does nothing itself."""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

from ackflow.streams.core.errors import Reject, Requeue, Skip, shown
from ackflow.streams.core.outcome import SKIPPED, Kind, Outcome
from ackflow.streams.core.settings import check_duration, is_count

PERMANENT: tuple[type[Exception], ...] = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
)
"""Errors that the same input brings about again: not worth a second attempt."""


@dataclass(frozen=True, slots=True)
class RetryState:
    """What a wait is asked with; tenacity's wait objects read it as their own RetryCallState."""

    attempt_number: int
    outcome: Any = None
    seconds_since_start: float = 0.0
    idle_for: float = 0.0
    upcoming_sleep: float = 0.0


def is_exception(kind: object) -> bool:
    """Say whether it is an exception type."""
    return isinstance(kind, type) and issubclass(kind, Exception)


Wait = Callable[[Any], float]
"""Seconds to wait after attempt `state.attempt_number`, which counts from 1."""


def exponential(first: float = 1.0, longest: float = 60.0) -> Wait:
    """Wait a random time up to `first` seconds doubled per attempt, at most `longest` seconds.

    Half of the time is fixed, so that a wait is never next to nothing: "equal jitter" of
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/

    Example:
        >>> 1.0 <= exponential(first=2.0)(RetryState(attempt_number=1)) <= 2.0
        True

    """
    check_duration("streams.exponential(first)", first, "leave it out for 1 s")
    if longest != inf:
        check_duration("streams.exponential(longest)", longest, "leave it out for 60 s")

    def wait(state: Any) -> float:
        ceiling: float = min(longest, first * 2.0 ** min(state.attempt_number - 1, 64))
        return ceiling * (0.5 + random.random() / 2)

    return wait


@dataclass(frozen=True)
class FailurePolicy:
    """What a source makes of messages that fail.

    `attempts`: how often a message is tried. `wait`: seconds before each further try. `permanent`:
    error types that are not worth one. `dead_letter`: a sink, "exchange", "discard", or None to keep
    holding the message. `deliveries`: how often the broker may have handed a message out, whatever
    the reason, before it counts as one that kills its process. `call`: what errors in these say.

    Example:
        >>> FailurePolicy(attempts=3).judge(ValueError("no JSON")).kind
        <Kind.REJECT: 3>

    """

    attempts: int = 5
    wait: Wait = field(default_factory=exponential)
    permanent: Sequence[type[Exception]] = PERMANENT
    dead_letter: Any = None
    deliveries: int = 20
    call: str = field(default="FailurePolicy", repr=False, compare=False)

    def __post_init__(self) -> None:
        """Raise ValueError or TypeError for a setting that can't be meant."""
        call = self.call
        if not is_count(self.attempts, 1):
            raise ValueError(
                f"{call}(attempts): attempts must be a whole number from 1 up, "
                f"got {shown(self.attempts)}; leave it out for 5"
            )
        if not callable(self.wait) or isinstance(self.wait, type):
            raise TypeError(
                f"{call}(wait): wait must be a function of the retry state, got {shown(self.wait)}; "
                "tenacity.wait_fixed(1) is one"
            )
        kinds = self.permanent if isinstance(self.permanent, Iterable) else [self.permanent]
        for kind in kinds:
            if kinds is not self.permanent or not is_exception(kind):
                raise TypeError(
                    f"{call}(permanent): permanent must hold exception types, got {shown(kind)}; "
                    "[] for none, leave it out for the usual ones"
                )
        letter = self.dead_letter
        named = letter is None or (isinstance(letter, str) and letter in ("exchange", "discard"))
        if not (named or hasattr(letter, "writer")):
            raise TypeError(
                f'{call}(dead_letter): dead_letter must be a sink, "exchange", "discard" or None, '
                f"got {shown(letter)}; sinks.each(function) makes a sink of a function"
            )

    def judge(self, error: Exception) -> Outcome:
        """Say what an error makes of the message it belongs to."""
        match error:
            case Skip():
                return SKIPPED
            case Reject():
                return Outcome(Kind.REJECT, error)
            case Requeue():
                return Outcome(Kind.REQUEUE, error, after=error.after)
        if isinstance(error, tuple(self.permanent)):
            return Outcome(Kind.REJECT, error)
        return Outcome(Kind.REQUEUE, error, attempt=True)

    def pause(self, attempt: int) -> float:
        """Return the seconds to wait after the attempt of this number, which counts from 1."""
        return max(0.0, float(self.wait(RetryState(max(1, attempt)))))
