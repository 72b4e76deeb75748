"""Gathering: what the plain consumer of aiormq hands out, one by one, put together into runs."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ackflow.streams.core import texts_among

if TYPE_CHECKING:
    from aiormq.abc import DeliveredMessage


class Received:
    """A raw delivery as aiormq decoded it: see `Raw`."""

    __slots__ = ("body", "header", "method", "size")

    def __init__(self, message: "DeliveredMessage", kept_bytes: int) -> None:
        self.body = message.body[:kept_bytes]
        self.size = len(message.body)
        self.method: Any = message.delivery
        self.header: Any = message.header

    def texts(self, names: Sequence[str]) -> dict[str, str]:
        """Return those of the named headers whose value is a text."""
        return texts_among(self.header.properties.headers or {}, names)

    @property
    def tag(self) -> int:
        tag: int = self.method.delivery_tag
        return tag

    @property
    def redelivered(self) -> bool:
        return bool(self.method.redelivered)


class Gathering:
    """Makes one run of all deliveries that come in one turn of the loop."""

    def __init__(self, deliver: Callable[[list[Received]], None], kept_bytes: int) -> None:
        self._deliver = deliver
        self._kept_bytes = kept_bytes
        self._run: list[Received] = []

    async def add(self, message: "DeliveredMessage") -> None:
        """Take a delivery; a callback of aiormq's basic_consume."""
        if not self._run:
            asyncio.get_running_loop().call_soon(self.hand_on)
        self._run.append(Received(message, self._kept_bytes))

    def hand_on(self) -> None:
        """Hand on what there is."""
        if self._run:
            run, self._run = self._run, []
            self._deliver(run)
