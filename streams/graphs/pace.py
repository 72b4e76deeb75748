"""Pace: how many in a second, of late."""

from collections import deque

WINDOW = 5.0
"""Seconds over which a rate is the mean, where nothing else is said."""


class Pace:
    """The rate at which a count has grown in the last seconds."""

    def __init__(self, began: float | None = None, window: float = WINDOW) -> None:
        """`began`: when there was nothing; `window`: seconds over which the rate is the mean."""
        self._seen: deque[tuple[float, int]] = deque([] if began is None else [(began, 0)])
        self._window = window

    def at(self, now: float, count: int) -> float:
        """Note a count, and return by how many it has grown in a second.

        Example:
            >>> pace = Pace()
            >>> [pace.at(0, 0), pace.at(1, 10), pace.at(2, 30)]
            [0.0, 10.0, 15.0]

        """
        self._seen.append((now, count))
        while len(self._seen) > 2 and self._seen[1][0] <= now - self._window:
            self._seen.popleft()
        before, first = self._seen[0]
        return (count - first) / (now - before) if now > before else 0.0
