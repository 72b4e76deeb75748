"""How many bytes a bulk has at most: half as many where bulks take long, twice where they are quick.

Pure: the clock is passed in. After Percona's `pt-online-schema-change --chunk-time`, whose chunks are as
large as can be written in a given time (https://docs.percona.com/percona-toolkit/pt-online-schema-change.html);
Logstash and Beats have a number of bytes or documents that stays. Unlike there, it sees where
smaller ones take as long, as with refresh="wait_for", and leaves it.
"""

from math import inf

PART = 0.25
"""Of the time in which a bulk must be answered, what it may take: a server may become four times as slow
from one bulk to the next."""
HELPED = 0.75
"""Of the time before: what half as many bytes take at most, where it is the bytes that take the time."""
SLOWER = 1.5
"""Times what bulks take whatever their size: from there on it may be their size again."""


class Sizing:
    """An adaptive limit on the bytes of a bulk.

    Example:
        >>> sizing = Sizing(1000, timeout=90.0)
        >>> sizing.ended(30.0, 30.0, 800, done=True)
        >>> sizing.limit
        400

    """

    def __init__(self, most: int, timeout: float) -> None:
        """`most`: the highest limit in bytes; `timeout`: seconds in which a bulk must be answered."""
        self.limit = most
        self._most = most
        self._bound = self._slow = timeout * PART
        self._changed = -inf
        self._tried: tuple[int, float] | None = None

    def ended(self, now: float, seconds: float, size: int, *, done: bool) -> None:
        """Note that a bulk of so many bytes took so many seconds, and whether it was done in them.

        One that was not tells something where it took long: there was a timeout, here or on the way.
        """
        if now - seconds < self._changed:
            return  # it began before the last change, so it says nothing about that
        if not done:
            if seconds > self._bound:
                self._halve(now, size)
        elif seconds > self._slow:
            if size <= self.limit:  # otherwise a document that goes alone, and can't be smaller
                self._took_long(now, seconds, size)
        else:
            self._tried = None
            if seconds <= self._bound:
                self._slow = self._bound
            # Of one that is much smaller it is not known how long more would take; of this one it
            # is, for twice the bytes take twice the time at most.
            if self.limit < self._most and 2 * size > self.limit and 2 * seconds <= self._bound:
                self._change(now, 2 * size)

    def refused(self, size: int) -> None:
        """Note that so many bytes are more than the server takes at all."""
        self._most = min(self._most, max(size // 2, 1))
        self.limit = min(self.limit, self._most)

    def _took_long(self, now: float, seconds: float, size: int) -> None:
        if self._tried is not None and seconds > self._tried[1] * HELPED:
            self._change(now, self._tried[0])
            self._slow = seconds * SLOWER
            self._tried = None
        else:
            self._tried = self.limit, seconds
            self._halve(now, size)

    def _halve(self, now: float, size: int) -> None:
        self._change(now, min(self.limit, size // 2))

    def _change(self, now: float, limit: int) -> None:
        self.limit = max(1, min(limit, self._most))
        self._changed = now
