"""buffer: values that are ready while the consumer works."""

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Literal

from ackflow.operators.keeping import Keeper
from ackflow.streams.core import (
    SKIPPED,
    Context,
    Run,
    Same,
    Stage,
    Token,
    check_count,
    fresh,
    settle,
    shown,
)

Entry = tuple[Any, Token, Exception | None]

PARTS = 8
"""A run is handed on an eighth of the buffer at a time, so that pulling goes on meanwhile."""


class Buffer(Stage):
    """Keeps values ready, so that a slow consumer and a slow source overlap."""

    name = "buffer"
    passes_failures = True

    def __init__(self, size: int, drop: str | None) -> None:
        self.size = size
        self.drop = drop
        self.holds = size

    @property
    def settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = {"size": self.size}
        return settings if self.drop is None else {**settings, "drop": self.drop}

    def runs(self, context: Context, *inputs: AsyncIterator[Run[Any]]) -> AsyncGenerator[Run[Any]]:
        return _Buffered(self, context, inputs[0]).runs()


class _Buffered(Keeper):
    """The values of one buffer in one run.

    Of what was handed on, one value is in work; the others still count as kept. Where values are
    dropped they are handed on one by one, so that all that waits can be.
    """

    stage: Buffer

    def __init__(self, stage: Buffer, context: Context, upstream: AsyncIterator[Run[Any]]) -> None:
        super().__init__(stage, context, upstream)
        self._waiting: deque[Entry] = deque()
        self._handed = 0

    def has_room(self) -> bool:
        return self.stage.drop is not None or self._kept < self.stage.size

    def held(self) -> int:
        return self._kept

    @property
    def _kept(self) -> int:
        return len(self._waiting) + max(0, self._handed - 1)

    def accept(self, run: Run[Any]) -> None:
        entries = zip(run.values, run.tokens, strict=True)
        self._waiting.extend((value, token, run.error) for value, token in entries)
        if self.stage.drop is None:
            return
        take = self._waiting.pop if self.stage.drop == "newest" else self._waiting.popleft
        surplus = max(0, len(self._waiting) - self.stage.size)
        self._drop([take() for _ in range(surplus)])

    def _drop(self, entries: list[Entry]) -> None:
        """Settle what there is no room for; what had failed has failed."""
        settle([token for _, token, error in entries if error is None], SKIPPED)
        for value, token, error in entries:
            if error is not None:
                self.context.failed(Run([value], [token], error))

    def purge(self) -> None:
        self._waiting = deque(entry for entry in self._waiting if fresh(entry[1]))

    def ready(self) -> Run[Any] | None:
        entries: list[Entry] = []
        most = self._part()
        while self._waiting and len(entries) < most and self._goes_with(entries):
            entries.append(self._waiting.popleft())
        self._handed = len(entries)
        if not entries:
            return None
        values, tokens = [entry[0] for entry in entries], [entry[1] for entry in entries]
        return Run(values, tokens, entries[0][2])

    def _part(self) -> int:
        """Say how many values are handed on at once."""
        if self.stage.drop is not None:
            return 1
        return max(1, max(self.stage.size, len(self._waiting)) // PARTS)

    def _goes_with(self, entries: list[Entry]) -> bool:
        """Say whether what waits first goes with these; a failure goes by itself."""
        return not entries or (entries[-1][2] is None and self._waiting[0][2] is None)

    def due(self) -> float | None:
        return None


def buffer(size: int, drop: Literal["newest", "oldest"] | None = None) -> Same:
    """Keep up to `size` values ready, so that a slow consumer and a slow source overlap.

    Example:
        pages | op.buffer(10) | op.map(parse)
        prices | op.buffer(1, drop="oldest") | sinks.each(draw)     # always the latest

    It pulls while the consumer works. `drop` says what happens when it is full: None stops pulling,
    "newest" drops what comes, "oldest" drops what has waited longest. The same as fs2's `prefetchN`,
    and Reactor's `onBackpressureBuffer` with its DROP_LATEST and DROP_OLDEST.
    Acks: passes. What it drops is settled as skipped, which acks it; a value that had failed before
    fails then.
    `size`: values, 1 and up; of one run that is larger than the room left, the surplus waits too.
    Raises ValueError, where it is written, for settings that can't be meant.
    """
    check_count("op.buffer(size)", size, 1, "leave the buffer out for none")
    if drop not in (None, "newest", "oldest"):
        raise ValueError(
            f'op.buffer(drop): must be None, "newest" or "oldest", got {shown(drop)}; '
            "None has the source wait"
        )
    return Same(Buffer(size, drop))
