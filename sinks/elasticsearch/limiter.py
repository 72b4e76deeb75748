"""How many bulks may be under way: additive increase, multiplicative decrease, after TCP.

Pure: the clock is passed in. The increase follows Vector's adaptive request concurrency
(https://vector.dev/blog/adaptive-request-concurrency/), which compares the round trips of one
window with the mean of those before; unlike there, single documents that were pushed back count.
"""

from math import sqrt

DECREASE = 0.7
WEIGHT = 0.4
"""Weight of the newest window in the mean of round trips."""
DEVIATIONS = 2.5
"""Standard deviations above the mean that count as pressure."""
TOLERANCE = 0.05
"""Part of the mean that is noise."""


class Limiter:
    """An adaptive limit on what is under way at the same time."""

    def __init__(self, most: int, start: int = 2) -> None:
        """`most` is the highest limit; `start` the first one."""
        self.most = most
        self.in_flight = 0
        self.round_trip = 0.0
        self._limit = float(min(start, most))
        self._variance = 0.0
        self._window_ends: float | None = None
        self._total = 0.0
        self._count = 0
        self._reached = False
        self._lowered = False

    @property
    def limit(self) -> int:
        """How many may be under way now."""
        return int(self._limit)

    @property
    def free(self) -> bool:
        """Whether one more may start."""
        return self.in_flight < self.limit

    def began(self) -> None:
        """Note that a request starts."""
        self.in_flight += 1
        self._reached = self._reached or not self.free

    def ended(self, now: float, seconds: float, *, pressure: bool) -> None:
        """Note that a request took so many seconds, and whether it met pressure."""
        self.in_flight -= 1
        if pressure:
            self._lower(now)
            return
        self._total += seconds
        self._count += 1
        if self._window_ends is None or now >= self._window_ends:
            self._close_window(now)

    def dropped(self) -> None:
        """Note that a request ended without telling anything, such as a cancelled one."""
        self.in_flight -= 1

    def _clear(self) -> None:
        self._total = 0.0
        self._count = 0
        self._reached = False
        self._lowered = False

    def _lower(self, now: float) -> None:
        if self._lowered and self._window_ends is not None and now < self._window_ends:
            return  # the requests of one window meet the same trouble
        self._limit = max(1.0, self._limit * DECREASE)
        self._lowered = True
        self._window_ends = now + self.round_trip

    def _close_window(self, now: float) -> None:
        mean = self._total / self._count
        if self._window_ends is None:
            self.round_trip = mean
        if not self._lowered:
            self._adjust(mean)
        self._learn(mean)
        self._clear()
        self._window_ends = now + self.round_trip

    def _adjust(self, mean: float) -> None:
        noise = self.round_trip * TOLERANCE
        if mean > self.round_trip + max(noise, DEVIATIONS * sqrt(self._variance)):
            self._limit = max(1.0, self._limit * DECREASE)
        elif self._reached and mean <= self.round_trip + noise:
            self._limit = min(float(self.most), self.limit + 1.0)

    def _learn(self, mean: float) -> None:
        step = mean - self.round_trip
        self.round_trip += WEIGHT * step
        self._variance = (1 - WEIGHT) * (self._variance + WEIGHT * step * step)
