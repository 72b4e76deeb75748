"""Pace: how long a channel must stay open after its last frames for a quorum queue to have them."""

import asyncio

AT_ONCE = 16
"""Frames that need no pause."""
LATELY = 1.0
"""Seconds after which a frame has certainly arrived."""
PAUSE = 0.1
PER_SECOND = 20_000


class Pace:
    """Counts the frames sent lately.

    A channel of RabbitMQ keeps what it has to tell a quorum queue to itself once 32 commands wait for
    the queue's log, and forgets it when it is closed then. Seen on 3.10.8: an ack behind 99 or more
    single nacks, the channel closed at once, and in half of the cases the acked message came again.
    """

    def __init__(self) -> None:
        self._count = 0
        self._last = 0.0

    def sent(self, count: int) -> None:
        """Count frames."""
        now = asyncio.get_running_loop().time()
        if now - self._last > LATELY:
            self._count = 0
        self._count += count
        self._last = now

    def pause(self) -> float:
        """Return how many seconds to wait before the channel may be closed."""
        if self._count <= AT_ONCE or asyncio.get_running_loop().time() - self._last > LATELY:
            return 0.0
        return PAUSE + self._count / PER_SECOND
