"""The documents of one write: their lines, their messages, and what became of each so far."""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from itertools import islice
from typing import Any, TypeVar

from ackflow.sinks.elasticsearch.fence import Fence, Ticket
from ackflow.sinks.elasticsearch.rejection import BulkRejected
from ackflow.sinks.elasticsearch.statistics import BulkStatistics
from ackflow.streams.core import Members, Requeue

T = TypeVar("T")


class Documents:
    """Documents by position, and the only place where their messages are settled.

    `fenced` says that writes of the same document keep their order; `whole`, that each operation
    replaces or deletes the whole document, so that an older one needs no writing once a newer one
    was written.
    """

    def __init__(
        self,
        members: Members[Any],
        positions: list[int],
        lines: Sequence[bytes],
        keys: Sequence[Hashable],
        *,
        fence: Fence,
        fenced: bool,
        whole: bool,
        statistics: BulkStatistics,
    ) -> None:
        """`positions`: of members, lines and keys, those that are to be written."""
        self._members = members
        self._positions = positions
        self._lines = lines
        self._keys = keys
        self._fence = fence
        self._fenced = fenced
        self._whole = whole
        self._statistics = statistics
        self._order = fence.next_order()
        self._ticket = Ticket(self._order)
        self._newest: dict[Hashable, int] = {}
        self._tries: Counter[int] = Counter()
        self._released = 0
        self._entered = False
        self._held_up = False

    @property
    def open(self) -> list[int]:
        """The positions that are not settled and not stale."""
        members = self._members
        return [
            at for at in self._positions if not (members.is_settled(at) or members.is_stale(at))
        ]

    # -- order ------------------------------------------------------------------------------------

    def enter(self) -> tuple[list[int], list[int]]:
        """Line up at the fence; return what may be written now, and what has to wait."""
        # The first time all are open: that was looked at a moment ago.
        positions = self.open if self._entered else self._positions
        positions = self._not_overtaken(positions)
        self._entered = True
        self._ticket = Ticket(self._order)
        self._fence.enter(self._ticket, self._named(positions))
        behind = self._ticket.behind
        if not behind:
            return positions, []
        if self._held_up:
            self._fence.watch(self._order, behind)
        free = [at for at in positions if self._keys[at] not in behind]
        return free, [at for at in positions if self._keys[at] in behind]

    async def turn(self, positions: list[int]) -> list[int]:
        """Wait until earlier writes are done with what has to wait; return what is left of it."""
        await self._ticket.wait()
        return self._not_overtaken(positions)

    def leave(self, *, halted: bool) -> None:
        """Leave the fence, with documents still open if the write was halted or cancelled."""
        if halted:
            self._held_up = True
            self._fence.watch(self._order, self._named(self.open))
        elif self._held_up:
            self._fence.overtaken(self._order, self._named(self._positions))
        if self._released < len(self._positions):
            self._fence.leave(self._ticket, self._named(self._positions))

    def _not_overtaken(self, positions: list[int]) -> list[int]:
        """Accept what newer writes have replaced while an outage held this one up."""
        if not self._held_up:
            return positions
        overtaken = self._fence.overtaken(self._order, self._named(positions))
        if not (overtaken and self._whole):
            return positions
        self.accept([at for at in positions if self._keys[at] in overtaken], "stale")
        return [at for at in positions if self._keys[at] not in overtaken]

    def _named(self, positions: Sequence[int]) -> Sequence[Hashable]:
        if not self._fenced:
            return ()
        return _of(self._keys, positions)

    # -- sending ----------------------------------------------------------------------------------

    def payload(self, part: Sequence[int]) -> bytes:
        """Return the body of a bulk."""
        return b"".join(_of(self._lines, part))

    def current(self, positions: list[int]) -> list[int]:
        """Return what is still worth sending: not stale, and not overtaken within this write."""
        if not self._newest and self._members.fresh:
            return positions
        current = []
        for at in positions:
            if self._members.is_stale(at):
                self._release([at])
            elif self._newest and self._newest.get(self._keys[at], at) > at:
                self.accept([at], "stale")
            else:
                current.append(at)
        return current

    def cut(self, positions: list[int], start: int, most_bytes: int) -> list[int]:
        """Return those from a place on that make a bulk of at most so many bytes, one at least."""
        if start == 0 and sum(map(len, _of(self._lines, positions))) <= most_bytes:
            return positions
        end, room = start, most_bytes
        for at in islice(positions, start, None):
            room -= len(self._lines[at])
            if room < 0 and end > start:
                break
            end += 1
        return positions[start:end]

    def halves(self, part: Sequence[int]) -> tuple[list[int], list[int]]:
        """Cut a bulk in two of about the same number of bytes."""
        half = sum(len(self._lines[at]) for at in part) / 2
        cut = 1
        size = len(self._lines[part[0]])
        while cut < len(part) - 1 and size + len(self._lines[part[cut]]) <= half:
            size += len(self._lines[part[cut]])
            cut += 1
        return list(part[:cut]), list(part[cut:])

    def tries(self, at: int) -> int:
        """Return how often a document was sent before the attempt that is under way."""
        return self._tries[at]

    def again(self, positions: Iterable[int]) -> list[int]:
        """Note that these are to be sent once more."""
        positions = list(positions)
        self._tries.update(positions)
        self._statistics.retries += len(positions)
        return positions

    # -- settling ---------------------------------------------------------------------------------

    def accept(self, positions: Sequence[int], note: str = "") -> None:
        """Settle as written; `note` names the counter of a special case."""
        self._statistics.indexed += len(positions)
        if note:
            self._statistics.note(note, len(positions))
        self._members.accept(positions)
        if self._whole and note != "stale":
            self._fence.written(self._order, self._named(positions))
            if self._ticket.repeats:
                self._newest.update((self._keys[at], at) for at in positions)
        self._release(positions)

    def reject(self, at: int, error: BulkRejected) -> None:
        """Settle as refused for good."""
        self._statistics.rejected[error.error_type or str(error.status)] += 1
        self._members[at].fail(error)
        self._release([at])

    def requeue(self, positions: Iterable[int], reason: str, after: float | None) -> None:
        """Give back to the queue."""
        for at in positions:
            self._statistics.requeued += 1
            self._members[at].fail(Requeue(reason, after))
            self._release([at])

    def _release(self, positions: Sequence[int]) -> None:
        if not self._ticket.repeats:  # otherwise all at the end, since one may still be open
            self._fence.leave(self._ticket, self._named(positions))
            self._released += len(positions)


def _of(items: Sequence[T], positions: Sequence[int]) -> Sequence[T]:
    """Return the items at positions; where these are all, as nearly always, without a step for each."""
    if len(positions) == len(items):
        return items
    return [items[at] for at in positions]
