"""The chunks of one `chunk` in one run, and what is kept back for them, key by key."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Hashable, Iterator, Sequence
from itertools import compress, groupby
from typing import Any

from ackflow.operators.keeping import now, rest
from ackflow.streams.core import END, Context, Joined, Pull, Run, Token, fresh, together


class Group:
    """What is kept back for the next chunk of one key, and when its time is up."""

    __slots__ = ("deadline", "pieces", "sizes", "values")

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.pieces: list[Sequence[Token]] = []
        """The values' tokens, as they came."""
        self.sizes: list[int] = []
        self.deadline: float | None = None

    def add(self, run: Run[Any], sizes: list[int]) -> None:
        """Keep values back."""
        self.values += run.values
        self.pieces.append(run.tokens)
        self.sizes += sizes

    @property
    def tokens(self) -> Sequence[Token]:
        """The values' tokens."""
        return together(self.pieces)

    def purge(self) -> bool:
        """Leave out messages whose channel is gone (contract 8); say whether any are left."""
        run = Run(self.values, self.tokens)
        mask = list(map(fresh, run.tokens))
        self.sizes = list(compress(self.sizes, mask))
        kept = run.select(mask)
        self.values, self.pieces = kept.values, [kept.tokens]
        return bool(kept)

    def cut(self, end: int) -> tuple[list[Any], Sequence[Token]]:
        """Take out the first ones."""
        values, tokens = self.values, self.tokens
        self.values, self.pieces, self.sizes = values[end:], [tokens[end:]], self.sizes[end:]
        return values[:end], tokens[:end]


class Chunker:
    """The chunks of one `chunk` in one run, and what is kept back for the next."""

    def __init__(self, stage: Any, context: Context, upstream: AsyncIterator[Run[Any]]) -> None:
        self._stage = stage
        self.context = context
        self._session = context.session
        self._wake = asyncio.Event()
        self._pull = Pull(upstream, self._wake)
        self._groups: dict[Hashable, Group] = {}
        """What is kept back by key, the group that was begun first before the others."""
        self._ripe: list[tuple[list[Any], Sequence[Token]]] = []
        self._reason: str | None = None
        self._reconnects = 0
        context.holding(lambda: sum(len(group.values) for group in self._groups.values()))

    async def runs(self) -> AsyncGenerator[Run[list[Any]]]:
        """Hand out chunks as they fill, as their time is up, or as they are told to flush."""
        self._session.joiners.append(self)
        try:
            while True:
                self._wake.clear()
                self._take()
                self._cut_due()
                if self._ripe:
                    chunks, self._ripe = self._ripe, []
                    yield Run([values for values, _ in chunks], [(Joined(t), 0) for _, t in chunks])
                elif self._pull.ended:
                    return
                else:
                    await self._wait()
        finally:
            self._session.joiners.remove(self)
            await self._pull.close()

    # -- values in --------------------------------------------------------------------------------

    def _take(self) -> None:
        """Take what was pulled, and leave out messages whose channel is gone: they come again."""
        reconnects = self._session.summary.reconnects
        lost, self._reconnects = self._reconnects != reconnects, reconnects
        if lost:
            self._groups = {key: group for key, group in self._groups.items() if group.purge()}
        run: Any = self._pull.take() if self._pull.ready else END
        if run is END:
            return
        if run.error is not None:
            self.context.failed(run)
            return
        for key, part in self._by_key(run.living() if lost else run):
            self._add(key, part)
        self._session.relieve()

    def _by_key(self, run: Run[Any]) -> Iterator[tuple[Hashable, Run[Any]]]:
        """Yield the stretches of a run that have the same key."""
        if self._stage.groups is None:
            yield None, run
            return
        start = 0
        values = [value for _, value in run.values]
        for key, same in groupby(key for key, _ in run.values):
            end = start + sum(1 for _ in same)
            yield key, Run(values[start:end], run.tokens[start:end])
            start = end

    def _add(self, key: Hashable, run: Run[Any]) -> None:
        """Keep values back, and cut the chunks that are full."""
        sizes: list[int] = []
        if self._stage.max_bytes is not None:
            run, sizes = self._measured(run)
        if not run.values:
            return
        group = self._groups.get(key) or self._begin(key)
        group.add(run, sizes)
        while (end := self._full(group)) is not None:
            self._cut(key, end, "size" if end == self._stage.size else "bytes")

    def _begin(self, key: Hashable) -> Group:
        """Begin a group; where there are too many, the one that was begun first goes out."""
        if self._stage.groups is not None and len(self._groups) >= self._stage.groups:
            first, group = next(iter(self._groups.items()))
            self._cut(first, len(group.values), "groups")
        group = self._groups[key] = Group()
        self._start_clock(group)
        return group

    def _measured(self, run: Run[Any]) -> tuple[Run[Any], list[int]]:
        """Return values with their sizes; one that has none fails by itself."""
        kept: Run[Any] = Run([], tokens := [])
        sizes: list[int] = []
        for value, token in zip(run.values, run.tokens, strict=True):
            try:
                sizes.append(len(value))
            except Exception as error:
                error.add_note("op.chunk(max_bytes) counts len(value): give it bytes or str")
                self.context.failed(Run([value], [token], error))
            else:
                kept.values.append(value)
                tokens.append(token)
        return kept, sizes

    def _start_clock(self, group: Group) -> None:
        if self._stage.timeout is not None:
            group.deadline = now() + self._stage.timeout

    # -- chunks out -------------------------------------------------------------------------------

    def _full(self, group: Group) -> int | None:
        """Return where the first full chunk ends, or None where there is none."""
        if self._stage.max_bytes is not None:
            total = 0
            for end, size in enumerate(group.sizes[: self._stage.size]):
                total += size
                if total > self._stage.max_bytes and end:
                    return end
        return self._stage.size if len(group.values) >= self._stage.size else None

    def _cut_due(self) -> None:
        """Cut what has to go now: each group by its own time, all of them at the end."""
        told, self._reason = self._reason, None
        reason = "end" if self._pull.ended else told
        for key, group in list(self._groups.items()):
            due = reason or self._timed_out(group)
            if due is None:
                return
            self._cut(key, len(group.values), due)

    def _timed_out(self, group: Group) -> str | None:
        return "timeout" if group.deadline is not None and now() >= group.deadline else None

    def _cut(self, key: Hashable, end: int, reason: str) -> None:
        """Cut a chunk; what is left of its group begins anew, behind all others."""
        group = self._groups.pop(key)
        self._ripe.append(group.cut(end))
        if group.values:
            self._groups[key] = group
            self._start_clock(group)
        flushes = self._session.summary.flushes
        flushes[reason] = flushes.get(reason, 0) + 1

    async def _wait(self) -> None:
        self._pull.start()
        first = next(iter(self._groups.values()), None)
        await rest(self._wake, None if first is None else first.deadline)

    # -- Joiner -----------------------------------------------------------------------------------

    def parked(self) -> Sequence[Token]:
        return [token for group in self._groups.values() for token in group.tokens]

    def flush(self, reason: str) -> bool:
        if not self._groups:
            return False
        self._reason = reason
        self._wake.set()
        return True
