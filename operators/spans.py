"""When windows by time begin and end."""

from math import inf


class Grid:
    """Windows at equal distances: one begins `every` seconds from the first value on, for `span`."""

    def __init__(self, every: float, span: float) -> None:
        self._every = every
        self._span = span
        self._origin: float | None = None
        self._number = 0

    def enter(self, at: float) -> bool:
        """Go on to the first window that has not ended; say whether it has begun."""
        if self._origin is None:
            self._origin = at
        # There may have been nothing for a long time; what rounding makes of it is too low.
        passed = (at - self._origin - self._span) / self._every
        self._number = max(self._number, int(passed) - 1)
        while self.end <= at:
            self._number += 1
        return self.begin(0) <= at

    def begin(self, further: int) -> float:
        """Return when the window begins that comes so many further on."""
        assert self._origin is not None
        return self._origin + (self._number + further) * self._every

    @property
    def end(self) -> float:
        """When the window that ends next does."""
        if self._span == self._every:
            return self.begin(1)
        return self.begin(0) + self._span


class Sessions:
    """Windows of values of which none comes `gap` seconds after the one before, or later."""

    def __init__(self, gap: float, longest: float) -> None:
        self._gap = gap
        self._longest = longest
        self._began = -inf
        self.end = -inf
        """When the session ends unless something comes before."""

    def enter(self, at: float) -> bool:
        """Begin a session, or have the one that goes on last longer."""
        if at >= self.end:
            self._began = at
        self.end = min(at + self._gap, self._began + self._longest)
        return True

    def begin(self, further: int) -> float:
        """Return when a later session begins: after all that has come."""
        return inf
