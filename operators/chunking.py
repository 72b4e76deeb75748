"""chunk: values joined into lists, by number, by time, by size."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any, TypeVar

from ackflow.operators.functions import check_count, check_seconds
from ackflow.streams.core import (
    END,
    Context,
    Grouping,
    Joined,
    Pull,
    Run,
    Shape,
    Stage,
    Token,
    fresh,
)

A = TypeVar("A")


class Chunk(Stage):
    """Joins values into lists."""

    name = "chunk"

    def __init__(self, size: int, timeout: float | None, max_bytes: int | None) -> None:
        self.size = size
        self.timeout = timeout
        self.max_bytes = max_bytes
        self.holds = size
        self.keeps = timeout or 0.0

    @property
    def settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = {"size": self.size, "timeout": self.timeout}
        return settings if self.max_bytes is None else {**settings, "max_bytes": self.max_bytes}

    def shape(self, before: Shape) -> Shape:
        return (*before, self.size)

    def places(self, before: int) -> int:
        return before + 1

    def runs(self, context: Context, *inputs: AsyncIterator[Run[Any]]) -> AsyncGenerator[Run[Any]]:
        return _Chunker(self, context, inputs[0]).runs()


class _Chunker:
    """The chunks of one `chunk` in one run, and what is kept back for the next."""

    def __init__(self, stage: Chunk, context: Context, upstream: AsyncIterator[Run[Any]]) -> None:
        self._stage = stage
        self._session = context.session
        self._wake = asyncio.Event()
        self._pull = Pull(upstream, self._wake)
        self._values: list[Any] = []
        self._tokens: list[Token] = []
        self._sizes: list[int] = []
        self._deadline: float | None = None
        self._reason: str | None = None
        self._reconnects = 0

    async def runs(self) -> AsyncGenerator[Run[list[Any]]]:
        """Hand out chunks as they fill, as their time is up, or as they are told to flush."""
        self._session.joiners.append(self)
        try:
            while True:
                self._wake.clear()
                if self._pull.ready:
                    self._accept(self._pull.take())
                chunks = self._ripe()
                if chunks:
                    yield Run([values for values, _ in chunks], [(Joined(t), 0) for _, t in chunks])
                elif self._pull.ended:
                    return
                else:
                    await self._wait()
        finally:
            self._session.joiners.remove(self)
            await self._pull.close()

    def _accept(self, run: Any) -> None:
        if run is END:
            return
        if run.error is not None:
            self._session.failed(run.tokens, run.error, repr(self._stage), run.values[0])
            return
        if self._stage.max_bytes is not None:
            run = self._measured(run)
        if not run.values:
            return
        if not self._values:
            self._start_clock()
        self._values += run.values
        self._tokens += run.tokens
        self._session.relieve()

    def _measured(self, run: Run[Any]) -> Run[Any]:
        """Note the sizes of values; one that has none fails by itself."""
        kept: Run[Any] = Run([], tokens := [])
        for value, token in zip(run.values, run.tokens, strict=True):
            try:
                self._sizes.append(len(value))
            except Exception as error:
                error.add_note("op.chunk(max_bytes) counts len(value): give it bytes or str")
                self._session.failed([token], error, repr(self._stage), value)
            else:
                kept.values.append(value)
                tokens.append(token)
        return kept

    def _start_clock(self) -> None:
        if self._stage.timeout is not None:
            self._deadline = asyncio.get_running_loop().time() + self._stage.timeout

    def _ripe(self) -> list[tuple[list[Any], list[Token]]]:
        """Take out the chunks that are full, and the rest too where its time has come."""
        self._purge()
        chunks = []
        while (end := self._full()) is not None:
            reason = "size" if end == self._stage.size else "bytes"
            chunks.append(self._cut(end, reason))
        due = self._due() if self._values else None
        if due is not None:
            chunks.append(self._cut(len(self._values), due))
        return chunks

    def _full(self) -> int | None:
        """Return where the first full chunk ends, or None where there is none."""
        if self._stage.max_bytes is not None:
            total = 0
            for end, size in enumerate(self._sizes[: self._stage.size]):
                total += size
                if total > self._stage.max_bytes and end:
                    return end
        return self._stage.size if len(self._values) >= self._stage.size else None

    def _due(self) -> str | None:
        """Return why what is kept back has to go now, or None."""
        if self._pull.ended:
            return "end"
        if self._reason is not None:
            return self._reason
        now = asyncio.get_running_loop().time()
        return "timeout" if self._deadline is not None and now >= self._deadline else None

    def _cut(self, end: int, reason: str) -> tuple[list[Any], list[Token]]:
        chunk = self._values[:end], self._tokens[:end]
        del self._values[:end]
        del self._tokens[:end]
        del self._sizes[:end]
        self._deadline = self._reason = None
        if self._values:
            self._start_clock()
        flushes = self._session.summary.flushes
        flushes[reason] = flushes.get(reason, 0) + 1
        return chunk

    def _purge(self) -> None:
        """Leave out messages whose channel is gone: they come again (contract 8)."""
        if self._reconnects == self._session.summary.reconnects:
            return
        self._reconnects = self._session.summary.reconnects
        kept = [index for index, token in enumerate(self._tokens) if fresh(token)]
        self._values = [self._values[index] for index in kept]
        self._tokens = [self._tokens[index] for index in kept]
        self._sizes = [self._sizes[index] for index in kept] if self._sizes else []
        if not kept:
            self._reason = None

    async def _wait(self) -> None:
        self._pull.start()
        timer = None
        if self._values and self._deadline is not None:
            timer = asyncio.get_running_loop().call_at(self._deadline, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            if timer is not None:
                timer.cancel()

    # -- Joiner -----------------------------------------------------------------------------------

    def parked(self) -> Sequence[Token]:
        return self._tokens

    def flush(self, reason: str) -> None:
        self._reason = reason
        self._wake.set()


def chunk(size: int, timeout: float | None = 1.0, max_bytes: int | None = None) -> Grouping:
    """Join values into lists of `size`, or of what came within `timeout` seconds of the first.

        in    1-2---------3-|
        out   --------a-----(b|)        chunk(3, timeout=8):  a = [1, 2], b = [3]

    Example:
        await (streams.of(1, 2, 3) | op.chunk(2) | sinks.to_list())      # [[1, 2], [3]]

    Chunks are never empty and never longer than `size`. A partial one goes out when its time is up,
    when the stream ends or drains, and when its source has no credit left and nothing else under way.
    Acks: joins: every member keeps its own delivery, and a sink may settle them one by one.
    `size`: values, 1 and up; `timeout`: seconds, or None for no limit; `max_bytes`: the sum of
    `len(value)` that a chunk does not exceed, unless it is a single value.
    Raises ValueError, where it is written, for settings that can't be meant, and where it is composed,
    for a chunk larger than the source's prefetch.
    """
    check_count("op.chunk(size)", size, 1)
    check_seconds("op.chunk(timeout)", timeout)
    if max_bytes is not None:
        check_count("op.chunk(max_bytes)", max_bytes, 1)
    return Grouping(Chunk(size, timeout, max_bytes))
