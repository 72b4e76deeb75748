"""Watchdog: looks after deliveries that stay unacked for so long that the broker may cut the line."""

import asyncio
import logging
from collections.abc import Callable

logger = logging.getLogger("ackflow.amqp")

LOOKS = 20
"""How often a consumer_timeout's time is looked at."""


class Watchdog:
    """At half of consumer_timeout it warns, or during an outage gives everything back (contract 5)."""

    def __init__(
        self,
        name: str,
        consumer_timeout: float,
        *,
        oldest: Callable[[], float],
        halted: Callable[[], bool],
        give_back: Callable[[str], None],
    ) -> None:
        self._name = name
        self._timeout = consumer_timeout
        self._oldest = oldest
        self._halted = halted
        self._give_back = give_back
        self._warned = False
        self._look_later()

    def stop(self) -> None:
        """Look no more."""
        self._timer.cancel()

    def _look_later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._timeout / LOOKS, self._look)

    def _look(self) -> None:
        age = self._oldest()
        if age < self._timeout / 2:
            self._warned = False
        elif self._halted():
            self._give_back(
                f"what is unacked for {age:,.0f} s, half of consumer_timeout, goes back to the queue "
                "until the outage is over"
            )
            return
        elif not self._warned:
            self._warned = True
            logger.warning(
                "%s: a message is unacked for %.0f s; after %.0f s (consumer_timeout) the broker cuts "
                "the channel, and all that is unacked comes again",
                self._name,
                age,
                self._timeout,
                extra={"event": "unacked_long", "part": self._name, "seconds": age},
            )
        self._look_later()
