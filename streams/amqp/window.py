"""Window: how many messages may be unconfirmed at once. Pure: the clock is passed in.

By Little's law as many are on their way as are confirmed in the shortest round trip; a smaller window
leaves the line idle. Beside them a fixed number waits at the broker, which writes many to its disk at
once. TCP Vegas keeps some packets waiting on their way likewise (Brakmo and Peterson, "TCP Vegas: End to
End Congestion Avoidance on a Global Internet", 1995).
"""

from collections.abc import Container
from math import ceil, inf

WAITING = 512
"""Messages that wait at the broker."""
MOST = 8_192
"""Messages at most, unless somebody says how many: 30,000 a second over a quarter of a second."""


class Window:
    """How many messages of one channel may be unconfirmed: what was said, or what the line takes.

    One message at a time is timed, from when it is sent until it is confirmed.

    Example:
        >>> window = Window()
        >>> window.sent("a", 0.0)
        >>> window.confirmed(500, {}, 0.1)
        >>> window.limit
        1012

    """

    def __init__(self, given: int | None = None) -> None:
        """`given`: the limit, where it is not to follow the line."""
        self.limit = given or WAITING
        self._follows = given is None
        self._timed: object = None
        self._began = 0.0
        self._count = 0
        self._shortest = inf

    def sent(self, message: object, now: float) -> None:
        """Note a message that is sent."""
        if self._timed is None and self._follows:
            self._timed, self._began, self._count = message, now, 0

    def confirmed(self, count: int, pending: Container[object], now: float) -> None:
        """Note that so many were confirmed, and what is under way still."""
        self._count += count
        if self._timed is None or self._timed in pending:
            return
        self._timed = None
        if (took := now - self._began) > 0:
            self._shortest = min(self._shortest, took)
            on_their_way = ceil(self._count * self._shortest / took)
            self.limit = min(MOST, WAITING + on_their_way)
