"""chunk: values joined into lists, by number, by time, by size, by key."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Hashable
from typing import Any, overload

from ackflow.operators.chunks import Chunker
from ackflow.operators.functions import check_function
from ackflow.operators.keys import Keyed
from ackflow.operators.variables import A
from ackflow.streams.core import (
    Context,
    Grouping,
    Operator,
    Run,
    Shape,
    Stage,
    check_count,
    check_seconds,
)

GROUPS = 64
"""Keys whose chunks are filled at a time, unless one says otherwise."""


class Chunk(Stage):
    """Joins values into lists; with `groups`, takes pairs of key and value and joins those of a key."""

    name = "chunk"

    def __init__(
        self, size: int, timeout: float | None, max_bytes: int | None, groups: int | None
    ) -> None:
        self.size = size
        self.timeout = timeout
        self.max_bytes = max_bytes
        self.groups = groups
        self.holds = size * (groups or 1)
        self.keeps = timeout or 0.0

    @property
    def settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = {"size": self.size, "timeout": self.timeout}
        options = {"max_bytes": self.max_bytes, "groups": self.groups}
        return settings | {name: value for name, value in options.items() if value is not None}

    def shape(self, before: Shape) -> Shape:
        return (*before, self.size)

    def places(self, before: int) -> int:
        return before + 1

    def runs(self, context: Context, *inputs: AsyncIterator[Run[Any]]) -> AsyncGenerator[Run[Any]]:
        return Chunker(self, context, inputs[0]).runs()


@overload
def chunk(size: int, timeout: float | None = 1.0, max_bytes: int | None = None) -> Grouping: ...
@overload
def chunk(  # pyright: ignore[reportOverlappingOverload]  # what takes any value comes first
    size: int,
    timeout: float | None = 1.0,
    max_bytes: int | None = None,
    *,
    key: Callable[[object], Hashable],
    groups: int = GROUPS,
) -> Grouping: ...
@overload
def chunk(
    size: int,
    timeout: float | None = 1.0,
    max_bytes: int | None = None,
    *,
    key: Callable[[A], Hashable],
    groups: int = GROUPS,
) -> Operator[A, list[A]]: ...
def chunk(
    size: int,
    timeout: float | None = 1.0,
    max_bytes: int | None = None,
    key: Callable[[Any], Hashable] | None = None,
    groups: int = GROUPS,
) -> Grouping | Operator[Any, Any]:
    """Join values into lists of `size`, or of what came within `timeout` seconds of the first.

        in    1-2---------3-|
        out   --------a-----(b|)        chunk(3, timeout=8):  a = [1, 2], b = [3]

    Example:
        await (streams.of(1, 2, 3) | op.chunk(2) | sinks.to_list())      # [[1, 2], [3]]
        await (streams.of(1, 2, 3) | op.chunk(2, key=lambda n: n % 2) | sinks.to_list())
        # [[1, 3], [2]]

    Chunks are never empty and never longer than `size`. A partial one goes out when its time is up,
    when the stream ends or drains, and when its source has no credit left and nothing else under way.
    With `key` there is one key to a chunk, and each key has a size and a time of its own.
    Acks: joins: every member keeps its own delivery, and a sink may settle them one by one.
    `size`: values, 1 and up; `timeout`: seconds, or None for no limit; `max_bytes`: the sum of
    `len(value)` that a chunk does not exceed, unless it is a single value; `key`: a function of a value;
    `groups`: keys whose chunks are filled at a time, 1 and up: for one more, the chunk that was begun
    first goes out.
    Raises ValueError or TypeError, where it is written, for settings that can't be meant, and where it
    is composed, for a chunk larger than the source's prefetch; a value whose key is not hashable fails
    by itself.
    """
    check_count("op.chunk(size)", size, 1, "op.chunk(1) makes a list of each value")
    check_seconds("op.chunk(timeout)", timeout)
    if max_bytes is not None:
        check_count("op.chunk(max_bytes)", max_bytes, 1, "leave it out for no limit")
    check_count("op.chunk(groups)", groups, 1, f"leave it out for {GROUPS}")
    if key is not None:
        check_function("op.chunk(key)", key, instead="op.map_async before it")
        return Operator(Keyed("chunk", key), Chunk(size, timeout, max_bytes, groups))
    if groups != GROUPS:
        raise TypeError(
            f"op.chunk(groups): must come with key, which says what a group is, got groups={groups}; "
            "leave it out, or give key="
        )
    return Grouping(Chunk(size, timeout, max_bytes, None))
