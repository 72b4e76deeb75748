"""What became of a message: accepted, skipped, to be requeued, or rejected; the worst wins."""

from dataclasses import dataclass
from enum import IntEnum


class Kind(IntEnum):
    """The kinds of outcome, ordered: where several meet in one delivery, the highest wins."""

    ACCEPTED = 0
    SKIPPED = 1
    REQUEUE = 2
    REJECT = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a message.

    `cause` is the error behind a failure. `after` is the wait before a requeued message comes
    again, in seconds; None leaves it to the source's policy. `attempt` says whether the outcome
    spends one of the message's attempts; `processed` whether anybody worked on the message at all
    (it chooses between basic.reject and basic.nack).
    """

    kind: Kind
    cause: Exception | None = None
    after: float | None = None
    attempt: bool = False
    processed: bool = True


ACCEPTED = Outcome(Kind.ACCEPTED)
SKIPPED = Outcome(Kind.SKIPPED)
GIVEN_BACK = Outcome(Kind.REQUEUE, processed=False)
"""Nobody worked on the message; it goes back to where it came from."""


def worst(first: Outcome, second: Outcome) -> Outcome:
    """Return the worse of two outcomes; of two equally bad ones the first.

    Of two requeues, the one that spends an attempt is the worse.

    Example:
        >>> worst(ACCEPTED, SKIPPED) is SKIPPED
        True

    """
    if (second.kind, second.attempt) > (first.kind, first.attempt):
        return second
    return first
