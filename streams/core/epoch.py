"""Epoch: one channel's lifetime, and the account of the deliveries that came over it."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ackflow.streams.core.broker import Broker, Channel
from ackflow.streams.core.delivery import Delivery
from ackflow.streams.core.ledger import Ledger
from ackflow.streams.core.outcome import Outcome
from ackflow.streams.core.suspects import Suspects
from ackflow.streams.core.token import RootToken, Token
from ackflow.streams.core.watching import Heard, Watchers

if TYPE_CHECKING:
    from ackflow.streams.core.feed import Feed
    from ackflow.streams.core.policy import FailurePolicy

Raw = TypeVar("Raw")

MANY = 64
"""Runs whose arrival is remembered before those that are settled are looked for."""


class Epoch(Generic[Raw]):
    """One channel's lifetime. What it settles after its end is a counted no-op (contract 8)."""

    def __init__(self, feed: "Feed[Any, Raw]") -> None:
        self._feed = feed
        self.ledger: Ledger[Raw] = Ledger()
        self.channel: Channel | None = None
        self.attempts: dict[int, int] = {}
        """How often each failed delivery has failed."""
        self.refused: dict[int, Exception] = {}
        """What is held against deliveries that nobody may work on."""
        self.suspects = Suspects()
        self.cancelled = False
        """Whether the broker was asked for no more deliveries."""
        self._arrivals: dict[int, float] = {}
        self._watchers = Watchers()

    @property
    def closed(self) -> bool:
        return self.ledger.closed

    @property
    def broker(self) -> Broker[Raw]:
        """Who handed these deliveries out."""
        return self._feed.broker

    @property
    def policy(self) -> "FailurePolicy":
        """What their source makes of failures."""
        return self._feed.policy

    def deliver(
        self,
        raws: Sequence[Raw],
        refused: Mapping[int, Exception] | None = None,
        suspects: Sequence[int] = (),
    ) -> None:
        """Take deliveries; by position, the `refused` fail at once, `suspects` are handed out alone."""
        tags = self.ledger.deliver(raws)
        self.suspects.add([tags[position] for position in suspects])
        now = asyncio.get_running_loop().time()
        self._arrivals[tags[-1]] = now
        if len(self._arrivals) > MANY:
            self._forget_settled()
        self._feed.arrived(self, tags, refused or {})

    def notify(self) -> None:
        """Say that the broker's state has changed without a delivery."""
        self._feed.woken()

    def settle(self, tags: Sequence[int], outcome: Outcome) -> None:
        self._feed.ladder.settle(self, tags, outcome)

    def judge(self, error: Exception) -> Outcome:
        return self._feed.policy.judge(error)

    def eased(self) -> None:
        """Have the source look again who keeps what it waits for."""
        self._feed.eased()

    def wholes(self, tags: Set[int]) -> Sequence[Token]:
        return ()

    def roots(self, tag: int) -> Iterator[RootToken]:
        yield (self, tag)

    def watch(self, tag: int, heard: Heard) -> None:
        self._watchers.add(tag, heard)

    def tell(self, tags: Sequence[int]) -> None:
        """Let go of what was kept about deliveries that are settled for good."""
        if self.attempts or self.refused:
            for tag in tags:
                self.attempts.pop(tag, None)
                self.refused.pop(tag, None)
        if self.suspects:
            self.suspects.forget(tags)
        if self._watchers:
            self._watchers.tell(tags)

    def end(self) -> None:
        """Say that the channel is gone: what is not settled comes again by itself."""
        self.ledger.close()
        self._watchers.tell_all()
        if (observer := self._feed.session.observer) is not None:
            observer.ended(self)

    def delivery(self, tag: int) -> Delivery | None:
        return None if self.closed else self._feed.broker.describe(self.ledger.item(tag))

    @property
    def oldest(self) -> float:
        """The age of the oldest open delivery in seconds; 0.0 where none is open."""
        self._forget_settled()
        lowest = next(self.ledger.tags(), None)
        return 0.0 if lowest is None else self.age(lowest)

    def age(self, tag: int) -> float:
        """Return how many seconds ago an open delivery came."""
        arrived = next(time for last, time in self._arrivals.items() if last >= tag)
        return asyncio.get_running_loop().time() - arrived

    def _forget_settled(self) -> None:
        """Drop the times of runs all of which is settled."""
        lowest = next(self.ledger.tags(), None)
        for last in list(self._arrivals):
            if lowest is not None and last >= lowest:
                break
            del self._arrivals[last]
