"""Pace: how long a channel must stay open after its last frames for a quorum queue to have them.

Pure: the clock is passed in.
"""

from collections import deque

AT_ONCE = 16
"""Frames that need no pause."""
PAUSE = 0.1
PER_SECOND = 20_000
"""Seconds until frames have arrived, and how many more arrive in each."""


class Pace:
    """Counts the frames that may be on their way still.

    A channel of RabbitMQ keeps what it has to tell a quorum queue to itself once 32 commands wait for
    the queue's log, and forgets it when it is closed then. Seen on 3.10.8: an ack behind 99 or more
    single nacks, the channel closed at once, and in half of the cases the acked message came again.

    Example:
        >>> pace = Pace()
        >>> pace.sent(100, 7.0)
        >>> round(pace.pause(7.025), 3)
        0.08

    """

    def __init__(self) -> None:
        self._sent: deque[tuple[float, int]] = deque()
        self._count = 0

    def sent(self, count: int, now: float) -> None:
        """Count frames."""
        self._forget(now)
        self._sent.append((now, count))
        self._count += count

    def pause(self, now: float) -> float:
        """Return how many seconds to wait before the channel may be closed."""
        self._forget(now)
        if self._count <= AT_ONCE:
            return 0.0
        return self._sent[-1][0] + self._lasts() - now

    def _lasts(self) -> float:
        return PAUSE + self._count / PER_SECOND

    def _forget(self, now: float) -> None:
        """Leave out what has arrived, whatever came after it."""
        while self._sent and now - self._sent[0][0] >= self._lasts():
            self._count -= self._sent.popleft()[1]
