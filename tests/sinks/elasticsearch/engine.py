"""What the engine does with a sink: it writes chunks, and an outage makes it probe and go on."""

from __future__ import annotations

import asyncio
import copy
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from ackflow.sinks.elasticsearch import BulkStatistics, bulk
from ackflow.sinks.elasticsearch.sink import BulkSink
from ackflow.streams.core import Circuit, Message
from tests.sinks.elasticsearch.doubles import Source, now


class Board:
    """Notes when the sink was halted and why, and when it went on."""

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.resumed_at: list[float] = []
        self.is_halted = False

    def halted(self, part: str, reason: str) -> None:
        self.reasons.append(reason)
        self.is_halted = True

    def resumed(self, part: str) -> None:
        self.resumed_at.append(now())
        self.is_halted = False


class Engine:
    """Writes chunks of a source to a sink."""

    def __init__(self, sink: BulkSink) -> None:
        self.source = Source()
        self.board = Board()
        self.sink = copy.copy(sink)
        self.circuit = Circuit("sink", self.board)

    @property
    def statistics(self) -> BulkStatistics:
        return self.sink.statistics

    async def write(self, *values: Any) -> None:
        """Write one chunk until it is settled, as the engine's writer does."""
        await self.send(self.source.chunk(*values))

    async def send(self, chunk: Message[Any]) -> None:
        await self.circuit.run(lambda: self.sink.write_messages([chunk]))
        for member in chunk.members:
            assert member.settled or member.stale, f"{member!r} was left unsettled"

    def start(self, *values: Any) -> asyncio.Task[None]:
        return asyncio.create_task(self.write(*values))


@asynccontextmanager
async def running(
    where: Any, *, chance: random.Random | None = None, **settings: Any
) -> AsyncIterator[Engine]:
    """Open a sink to a server or a URL, and close it."""
    settings = {"index": "words", "id": "word"} | settings
    engine = Engine(bulk(where, **settings))
    engine.sink.random = chance or random.Random(1)
    try:
        await engine.circuit.run(engine.sink.open)
        yield engine
    finally:
        await engine.sink.close()


def words(*names: str) -> list[dict[str, str]]:
    return [{"word": name} for name in names]
