"""Backlog: what has come and was not handed out yet."""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import chain

from ackflow.streams.core.token import joined_tags


class Backlog:
    """Delivery tags in the order in which they came, kept in the pieces in which they came.

    >>> backlog = Backlog()
    >>> backlog.add(range(1, 5))
    >>> backlog.take(3), len(backlog)
    (range(1, 4), 1)
    """

    def __init__(self) -> None:
        self._pieces: deque[Sequence[int]] = deque()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[int]:
        return chain.from_iterable(self._pieces)

    def add(self, tags: Sequence[int]) -> None:
        """Put tags behind the others."""
        if tags:
            self._pieces.append(tags)
            self._count += len(tags)

    def take(self, most: int) -> Sequence[int]:
        """Take out the first `most`, or as many as there are."""
        taken: list[Sequence[int]] = []
        missing = min(most, self._count)
        self._count -= missing
        while missing:
            piece = self._pieces.popleft()
            if len(piece) > missing:
                self._pieces.appendleft(piece[missing:])
                piece = piece[:missing]
            taken.append(piece)
            missing -= len(piece)
        return joined_tags(taken) if taken else ()

    def clear(self) -> None:
        """Let go of all of it."""
        self._pieces.clear()
        self._count = 0
