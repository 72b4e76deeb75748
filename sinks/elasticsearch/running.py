"""What lives for one run of a pipeline: the server, the limiter, the counters, and the order."""

import asyncio
import random
from typing import NoReturn

from ackflow.sinks.elasticsearch.addressing import Addressing
from ackflow.sinks.elasticsearch.answers import Answer
from ackflow.sinks.elasticsearch.conduct import Conduct
from ackflow.sinks.elasticsearch.connection import Connection
from ackflow.sinks.elasticsearch.encoding import Encoder
from ackflow.sinks.elasticsearch.fence import Fence
from ackflow.sinks.elasticsearch.gate import Gate, Passage
from ackflow.sinks.elasticsearch.limiter import Limiter
from ackflow.sinks.elasticsearch.outage import Outage
from ackflow.sinks.elasticsearch.sending import NoAnswerError
from ackflow.sinks.elasticsearch.server import Server
from ackflow.sinks.elasticsearch.sizing import Sizing
from ackflow.sinks.elasticsearch.statistics import BulkStatistics


class Running:
    """One run of a bulk sink."""

    def __init__(
        self,
        connection: Connection,
        addressing: Addressing,
        conduct: Conduct,
        statistics: BulkStatistics,
        random: random.Random,
    ) -> None:
        self.addressing = addressing
        self.conduct = conduct
        self.rules = conduct.rules(addressing)
        self.encoder = Encoder(addressing, conduct.max_bytes)
        # One connection more, for probes while bulks hang.
        self.server = Server(connection, parameters=conduct.parameters())
        self.fence = Fence()
        self.fenced = conduct.fenced(addressing)
        self.outage = Outage(conduct.halt_after)
        self.statistics = statistics
        self.random = random
        self.sizing = Sizing(conduct.max_bytes, connection.request_timeout)
        self._gate = Gate(Limiter(conduct.concurrency))
        self._ensured = conduct.ensure is None
        self._show()

    async def open(self) -> None:
        """Probe the server and create the index if asked to; raise Unavailable if it is away."""
        await self.server.probe()
        if not self._ensured and isinstance(self.addressing.index, str):
            await self.server.ensure(self.addressing.index, self.conduct.ensure or {})
            self._ensured = True

    async def exchange(self, payload: bytes) -> Answer:
        """Send one bulk when the limiter lets it pass."""
        status = 0
        packed = await self.server.packed(payload)
        async with Passage(self._gate) as passage:
            self.statistics.bytes += len(packed)
            self._show()
            began = self.now()
            try:
                answer = await self.server.bulk(packed)
                status, passage.pressure = answer.status, answer.pressure
                done = 200 <= status < 300 and not answer.pressure
                self._took(began, len(payload), done=done)
            except NoAnswerError as lost:
                passage.pressure = lost.timeout
                if lost.timeout:
                    self._took(began, len(payload), done=False)
                raise
            finally:
                self.statistics.bulks[status] += 1
        self._show()
        return answer

    def _took(self, began: float, size: int, *, done: bool) -> None:
        now = self.now()
        self.sizing.ended(now, now - began, size, done=done)

    def _show(self) -> None:
        limiter = self._gate.limiter
        self.statistics.limit = limiter.limit
        self.statistics.in_flight = limiter.in_flight
        self.statistics.round_trip = limiter.round_trip
        self.statistics.bytes_limit = self.sizing.limit

    def pause(self, rounds: int, *, slow: bool) -> float:
        """Return seconds to wait before the next attempt: exponential with full jitter.

        After M. Brooker, https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.
        """
        first, longest = self.conduct.backoff
        exponent = min(rounds + (4 if slow else 0), 32)
        return self.random.uniform(0.0, min(longest, first * 2.0**exponent))

    def halt(self, reason: str) -> NoReturn:
        """Say that it is an outage."""
        self.server.halt(f"{self.server.name} {reason}")

    def now(self) -> float:
        """Return the loop's time in seconds."""
        return asyncio.get_running_loop().time()

    async def close(self) -> None:
        """Close what was opened."""
        await self.server.close()
