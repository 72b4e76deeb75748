"""The bulk sink, as the engine sees it."""

import random
from collections.abc import Sequence
from typing import Any

from ackflow.sinks.elasticsearch.addressing import Addressing
from ackflow.sinks.elasticsearch.conduct import Conduct
from ackflow.sinks.elasticsearch.connection import Connection
from ackflow.sinks.elasticsearch.documents import Documents
from ackflow.sinks.elasticsearch.encoding import Document
from ackflow.sinks.elasticsearch.running import Running
from ackflow.sinks.elasticsearch.statistics import BulkStatistics
from ackflow.sinks.elasticsearch.writing import Write
from ackflow.streams.core import Figure, Members, Message, Sink, Summary, Unavailable, apart


class BulkSink(Sink[Sequence[Document], Summary]):
    """Writes chunks of documents with the bulk API; made by `bulk`.

    Each run of a pipeline works on a shallow copy, so what belongs to a run is made in `open`.
    """

    name = "elasticsearch.bulk"
    chunks = True
    # One document that fails does not fail the others: they are told apart here.
    idempotent = False

    def __init__(self, connection: Connection, addressing: Addressing, conduct: Conduct) -> None:
        self.concurrency = conduct.concurrency
        self.random = random.Random()
        self._connection = connection
        self._addressing = addressing
        self._conduct = conduct
        self._running: Running | None = None
        self._halted: dict[int, tuple[object, Write]] = {}
        # Shared with the copies, so that the sink somebody holds shows what its last run counted.
        self._latest = [BulkStatistics()]

    @property
    def statistics(self) -> BulkStatistics:
        """The counters of the run that was opened last."""
        return self._latest[0]

    def figures(self) -> list[Figure]:
        return self.statistics.figures()

    async def open(self) -> None:
        """Get ready for a run; raise Unavailable while Elasticsearch is away."""
        if self._running is None:
            self._latest[0] = BulkStatistics()
            self._running = Running(
                self._connection, self._addressing, self._conduct, self._latest[0], self.random
            )
            self._halted = {}
        try:
            await self._running.open()
        except Unavailable:
            self.statistics.halts += 1
            raise

    async def write_messages(self, messages: Sequence[Message[Any]]) -> None:
        """Write chunks and settle each member; raise Unavailable with the open ones untouched."""
        if not messages:
            return
        # The engine brings halted messages again: their write goes on where it was.
        first, write = self._halted.pop(id(messages[0]), (None, None))
        if write is None or first is not messages[0]:
            write = self._prepare(messages)
        try:
            await write.run()
        except Unavailable:
            self.statistics.halts += 1
            self._halted[id(messages[0])] = (messages[0], write)
            raise

    def _prepare(self, messages: Sequence[Message[Any]]) -> Write:
        running = self._running
        if running is None:
            raise RuntimeError(f"{self!r}: write_messages() needs open() first")
        members = messages[0].members
        if len(messages) > 1:
            members = Members.of(apart(messages))
        encoded = running.encoder.encode(members.values)
        for at, error in encoded.refused.items():
            if not members.is_settled(at):
                kind = getattr(error, "error_type", type(error).__name__)
                running.statistics.rejected[kind] += 1
                members[at].fail(error)
        documents = Documents(
            members,
            members.open,
            encoded.lines,
            encoded.keys,
            fence=running.fence,
            fenced=running.fenced,
            whole=self._addressing.op in ("index", "delete"),
            statistics=running.statistics,
        )
        return Write(running, documents)

    async def close(self) -> None:
        """Close the client if it is our own."""
        running, self._running = self._running, None
        self._halted = {}
        if running is not None:
            await running.close()

    @property
    def trace_attributes(self) -> dict[str, str | int]:
        index = self._addressing.index
        place: dict[str, str | int] = (
            {"db.collection.name": index} if isinstance(index, str) else {}
        )
        return {"db.system.name": "elasticsearch", "db.operation.name": "bulk", **place}

    @property
    def shown_settings(self) -> dict[str, Any]:
        addressing = self._addressing
        settings = {"url": self._connection.name, "index": addressing.index, "id": addressing.id}
        return settings if addressing.op == "index" else {**settings, "op": addressing.op}

    def __repr__(self) -> str:
        where = f"{self._connection}, index={self._addressing.index!r}, id={self._addressing.id!r}"
        op = "" if self._addressing.op == "index" else f", op={self._addressing.op!r}"
        return f"{self.name}({where}{op})"
