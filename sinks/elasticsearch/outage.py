"""When is it an outage? Pure: the clock is passed in."""

MOST_LOST = 3
"""Requests in a row without an answer that count as an outage."""


class Outage:
    """Notices that for a while nothing but failures came back.

    `patience`: seconds without a success after which failures are an outage.
    """

    def __init__(self, patience: float) -> None:
        self.patience = patience
        self._since: float | None = None
        self._lost = 0

    @property
    def suspected(self) -> bool:
        """Whether the last thing that happened was a failure."""
        return self._since is not None

    def failed(self, now: float) -> bool:
        """Note an answer that nobody's document is to blame for; True means outage."""
        if self._since is None:
            self._since = now
        return now - self._since >= self.patience

    def lost(self, now: float) -> bool:
        """Note a request that may have arrived but was not answered; True means outage."""
        self._lost += 1
        return self.failed(now) or self._lost >= MOST_LOST

    def mended(self) -> None:
        """Note a success."""
        self._since = None
        self._lost = 0
