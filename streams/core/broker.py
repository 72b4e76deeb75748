"""Broker and Channel: what each kind of message broker brings to a feed."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from ackflow.streams.core.delivery import Delivery
from ackflow.streams.core.ledger import Frame

if TYPE_CHECKING:
    from ackflow.streams.core.epoch import Epoch

Raw = TypeVar("Raw")


class Channel(Protocol):
    """One epoch's line to the broker."""

    lost: asyncio.Future[None]
    """Done when the channel is gone, however that came about."""

    async def send(self, frames: Sequence[Frame]) -> None:
        """Send frames, in order. Only one `send` is under way at a time."""
        ...

    async def cancel(self) -> None:
        """Ask for no more deliveries; return when the broker has confirmed."""
        ...

    async def close(self) -> None:
        """Close; what is not settled goes back to the queue."""
        ...


class Broker(Protocol[Raw]):
    """What opens channels."""

    name: str
    start_timeout: float
    """Seconds until a first connection that can't be made is an error."""
    patience: float | None
    """Seconds that a delivery may be held at most; None for as long as it takes."""

    @property
    def ended(self) -> bool:
        """Whether no message will come any more; a broker on a network never knows."""
        ...

    async def connect(self, epoch: "Epoch[Raw]") -> Channel:
        """Open a channel whose deliveries go to `epoch.deliver`."""
        ...

    def describe(self, raw: Raw) -> Delivery:
        """Return a raw delivery as a Delivery."""
        ...
