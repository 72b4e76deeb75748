"""Watching: who wants to hear when a delivery is settled for good."""

from collections.abc import Callable, Iterable

Heard = Callable[[], None]


class Watchers:
    """Calls to be made, once each, when deliveries are settled for good or their channel is gone.

    What an operator sees of a message is an outcome; a requeue is not the end of it. Who must wait
    for the end, as `partition(strict=True)` does, is told here. The calls must not settle anything.
    """

    __slots__ = ("_calls",)

    def __init__(self) -> None:
        self._calls: dict[int, list[Heard]] = {}

    def __bool__(self) -> bool:
        return bool(self._calls)

    def add(self, tag: int, heard: Heard) -> None:
        """Have `heard` called when this tag is settled."""
        self._calls.setdefault(tag, []).append(heard)

    def tell(self, tags: Iterable[int]) -> None:
        """Call those who wait for these tags."""
        for tag in tags:
            for heard in self._calls.pop(tag, ()):
                heard()

    def tell_all(self) -> None:
        """Call everybody: there is nothing left to wait for."""
        self.tell(list(self._calls))
