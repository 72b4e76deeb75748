"""Suspects: deliveries of which one may be what ends the process that works on it."""

from collections.abc import Sequence
from itertools import takewhile

from ackflow.streams.core.backlog import Backlog

PATIENCE = 10.0
"""Seconds that the next one waits at most: what works on one may need others, as a window does."""


class Suspects:
    """Those of one epoch that were handed out suspiciously often: each goes alone, in its turn.

    Whatever else a process has in hand when it dies is handed out as often as what has killed it. Where
    they go one at a time, those before the culprit are acked before its turn comes, so that the next
    process finds it first among them.
    """

    def __init__(self) -> None:
        self._tags: set[int] = set()
        self._alone = False
        """Whether a suspect was handed out last."""
        self.due: float | None = None
        """When the next one goes in any case, in loop time; None where none waits."""

    def __bool__(self) -> bool:
        return bool(self._tags) or self._alone

    def add(self, tags: Sequence[int]) -> None:
        """Suspect deliveries until they are settled."""
        self._tags.update(tags)

    def forget(self, tags: Sequence[int]) -> None:
        """Suspect deliveries no more: they are settled."""
        self._tags.difference_update(tags)

    def room(self, waiting: Backlog, now: float, *, busy: bool) -> int:
        """Say how many of those that wait may go; `busy`: what went before is not settled and told."""
        if not self:
            return len(waiting)
        ahead = sum(1 for _ in takewhile(lambda tag: tag not in self._tags, waiting))
        if busy and (self._alone or not ahead):
            self.due = now + PATIENCE if self.due is None else self.due
            if now < self.due:
                return 0
        self.due = None
        self._alone = not ahead
        return ahead or 1
