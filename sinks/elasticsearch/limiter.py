"""How many bulks may be under way: as many as there are to send, unless the server pushes back.

Pure: the clock is passed in. One more may be under way where one more waits nearly all the time, and
one less where the average of those under way or waiting is that low (Little's law). Where one waits for
a part of the time, another place gains no more than that part; and a server that works at two at once
takes longer for the first, on which whoever fills the queue waits.

The decrease is TCP's; that a round trip which is suddenly much longer counts as pushing back follows
Vector's adaptive request concurrency (https://vector.dev/blog/adaptive-request-concurrency/); unlike
there, single documents that were pushed back count.
"""

from math import sqrt

DECREASE = 0.7
WEIGHT = 0.4
"""Weight of the newest window in the mean of round trips."""
DEVIATIONS = 2.5
"""Standard deviations above the mean that count as pressure."""
SUDDEN = 2.0
"""Times the mean from which on: one request beside another makes it no more than twice as long."""
PERIOD = 0.25
TRIPS = 2
"""Seconds and round trips at least over which it is seen how many there are to send."""
WAITS = 0.8
"""How far above the limit the average has to be for one more: nearly one, for it varies."""
SPARE = 0.5
"""How far below the limit it has to be for one less."""


class Limiter:
    """An adaptive limit on what is under way at the same time."""

    def __init__(self, most: int) -> None:
        """`most` is the highest limit; the first one is 1."""
        self.most = most
        self.in_flight = 0
        self.waiting = 0
        self.round_trip = 0.0
        self._limit = 1.0
        self._variance = 0.0
        self._window_ends: float | None = None
        self._total = 0.0
        self._count = 0
        self._lowered = False
        self._since = self._looked = 0.0
        self._wanted = 0.0

    @property
    def limit(self) -> int:
        """How many may be under way now."""
        return int(self._limit)

    @property
    def free(self) -> bool:
        """Whether one more may start."""
        return self.in_flight < self.limit

    def waits(self, now: float, count: int) -> None:
        """Note how many requests wait until they may start."""
        self._look(now)
        self.waiting = count

    def began(self, now: float) -> None:
        """Note that a request starts."""
        self._look(now)
        self.in_flight += 1

    def ended(self, now: float, seconds: float, *, pressure: bool) -> None:
        """Note that a request took so many seconds, and whether it met pressure."""
        self.dropped(now)
        if pressure:
            self._lower(now)
            return
        self._total += seconds
        self._count += 1
        if self._window_ends is None or now >= self._window_ends:
            self._close_window(now)
        if now - self._since >= max(PERIOD, TRIPS * self.round_trip):
            self._adjust(now)

    def dropped(self, now: float) -> None:
        """Note that a request ended without telling anything, such as a cancelled one."""
        self._look(now)
        self.in_flight -= 1

    # -- how many there are to send ---------------------------------------------------------------

    def _look(self, now: float) -> None:
        self._wanted += (self.in_flight + self.waiting) * (now - self._looked)
        self._looked = now

    def _adjust(self, now: float) -> None:
        """Allow one more or one less, by how many were under way or waited."""
        average = self._wanted / (now - self._since)
        if average >= self.limit + WAITS:
            self._limit = min(float(self.most), self.limit + 1.0)
        elif average <= self.limit - SPARE:
            self._limit = max(1.0, self.limit - 1.0)
        self._begin(now)

    def _begin(self, now: float) -> None:
        self._since, self._wanted = now, 0.0

    # -- whether it pushes back -------------------------------------------------------------------

    def _lower(self, now: float) -> None:
        if self._lowered and self._window_ends is not None and now < self._window_ends:
            return  # the requests of one window meet the same trouble
        self._limit = max(1.0, self._limit * DECREASE)
        self._lowered = True
        self._window_ends = now + self.round_trip
        self._begin(now)

    def _close_window(self, now: float) -> None:
        mean = self._total / self._count
        if self._window_ends is None:
            self.round_trip = mean
            self._begin(now)
        sudden = max(SUDDEN * self.round_trip, self.round_trip + DEVIATIONS * sqrt(self._variance))
        if not self._lowered and mean > sudden:
            self._lower(now)
        self._learn(mean)
        self._total, self._count, self._lowered = 0.0, 0, False
        self._window_ends = now + self.round_trip

    def _learn(self, mean: float) -> None:
        step = mean - self.round_trip
        self.round_trip += WEIGHT * step
        self._variance = (1 - WEIGHT) * (self._variance + WEIGHT * step * step)
