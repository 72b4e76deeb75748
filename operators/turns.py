"""The turns of the values of one key in its lane; in strict mode one at a time, failures included."""

from collections import deque
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from ackflow.streams.core import (
    GIVEN_BACK,
    SKIPPED,
    Kind,
    Lane,
    Outcome,
    Parted,
    Pull,
    RootToken,
    Run,
    Stream,
    Token,
    fork,
    fresh,
    settle,
)

if TYPE_CHECKING:
    from ackflow.operators.partitions import Partitions


Roots: TypeAlias = set[RootToken]


class Turn:
    """A value on its way through the lane of its key, until each of its parts is settled."""

    __slots__ = ("_open", "failed", "partition", "roots", "token", "value")

    def __init__(self, value: Any, token: Token, partitions: "Partitions") -> None:
        self.value = value
        self.partition: Partition | None = None
        self.failed: Roots = set()
        """The deliveries that are to come again, since a part of the value failed."""
        self._open = 0
        (self.token,) = fork(token, 1, lambda member: self._part(member, partitions))
        self.roots: Roots = set(self.token[0].roots(self.token[1]))

    def _part(self, token: Token, partitions: "Partitions") -> "_Part":
        self._open += 1
        return _Part(token, partitions, self)

    def settled(self, part: "_Part", outcome: Outcome) -> None:
        """Note that a part, the whole or the member of a chunk, is settled."""
        if outcome.kind is Kind.REQUEUE:
            self.failed |= set(part.roots(0))
        self._open -= 1
        if not self._open and self.partition is not None:
            self.partition.finished(self)


class _Part(Parted):
    """The account of a turn, or of one member of the chunk whose turn it is."""

    __slots__ = ("_turn",)

    def __init__(self, token: Token, partitions: "Partitions", turn: Turn) -> None:
        super().__init__(token, partitions.session, closed=lambda: partitions.closed)
        self._turn = turn

    def settle(self, tags: Sequence[int], outcome: Outcome) -> None:
        super().settle(tags, outcome)
        if tags[0] >= 0:
            self._turn.settled(self, outcome)


class Partition:
    """One key: its lane, whose turn it is in it, and what waits for its turn."""

    def __init__(self, key: Hashable, partitions: "Partitions") -> None:
        self.key = key
        self.used = 0.0
        self.backlog: deque[Turn] = deque()
        self.blocked: Roots = set()
        """In strict mode: the deliveries that failed, and are to be settled before others go in."""
        self._partitions = partitions
        self._turn: Turn | None = None
        self._watched: Roots = set()
        self.reopen()

    def reopen(self) -> None:
        """Begin a lane."""
        owner = self._partitions
        self.ending = False
        self.lane: Lane[Stream[Any]] = Lane(owner.stage.step, (), owner.places, taken=owner.wake)
        self.pull: Pull[Run[Any]] = Pull(
            self.lane.end_piece.attach(owner.session, (), owner.context), self
        )
        self.pull.start()

    def set(self) -> None:
        """Note that there may be something to do: the lane's pull calls it, and what is settled."""
        self._partitions.rung.append(self)
        self._partitions.wake.set()

    @property
    def resting(self) -> bool:
        """Whether it may be closed: nothing waits, for its turn or for an outcome."""
        return not (self.backlog or self._turn or self.blocked or self.ending)

    def arrive(self, turn: Turn) -> None:
        """Have a value wait for its turn; one that the others wait for comes again, and goes first."""
        if turn.roots & self.blocked:
            self.backlog.appendleft(turn)
        else:
            self.backlog.append(turn)
        self.advance()

    def advance(self) -> None:
        """Put in what may go in by now."""
        if self._partitions.session.draining:
            settle([turn.token for turn in self.backlog], GIVEN_BACK)
            self.backlog.clear()
        while self.backlog and not self.ending and self._may_go(self.backlog[0]):
            self._put(self.backlog.popleft())

    def _may_go(self, turn: Turn) -> bool:
        return self._turn is None and (not self.blocked or bool(turn.roots & self.blocked))

    def _put(self, turn: Turn) -> None:
        if self.lane.left:
            settle([turn.token], SKIPPED)
        elif fresh(turn.token):
            if self._partitions.strict:
                self._begin(turn)
            self.lane.put(Run([turn.value], [turn.token]))

    # -- strict mode ------------------------------------------------------------------------------

    def _begin(self, turn: Turn) -> None:
        """Let nothing else in until this one is done; its channel's end is an end, too."""
        self._turn, turn.partition = turn, self
        for root in turn.roots - self._watched:
            self._watched.add(root)
            root[0].watch(root[1], lambda root=root: self._gone(root))  # type: ignore[misc]

    def finished(self, turn: Turn) -> None:
        """Let the next one in, unless this one failed and comes again."""
        if self._turn is turn:
            self._turn = None
        self.blocked |= turn.failed & self._watched
        if turn.failed:
            self._partitions.failed(turn.failed)
        self.set()

    def _gone(self, root: RootToken) -> None:
        """Note that a delivery is settled for good, or has lost its channel."""
        self._watched.discard(root)
        self.blocked.discard(root)
        if self._turn is not None and not self._turn.roots & self._watched:
            self._turn = None
        self.set()

    def give_back(self, roots: Roots) -> None:
        """Give back what waits and belongs to these deliveries: it comes again with them.

        Otherwise two messages, each with parts for two keys, could wait for each other.
        """
        siblings = [turn for turn in self.backlog if turn.roots & roots]
        if siblings:
            self.backlog = deque(turn for turn in self.backlog if not turn.roots & roots)
            settle([turn.token for turn in siblings], GIVEN_BACK)
