"""Ledger: a source's account of its deliveries in one epoch, as a pure state machine.

It knows which delivery tags are open and which frames settle the others with as few frames as
possible. It does no I/O, has no clock and starts no task: whoever owns it asks for the `frames` and
sends them. Tags are AMQP 0-9-1 delivery tags (section 3.1.8): they rise by one from 1 for each epoch.
"""

from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Generic, NamedTuple, TypeVar

from ackflow.streams.core.errors import AlreadySettled

Item = TypeVar("Item")


class Verb(Enum):
    """What a frame tells the broker. Blame picks the verb of a message that goes back.

    Since RabbitMQ 4.3 a returned message counts toward its queue's delivery limit after basic.reject
    (processed, failed) but not after basic.nack (not processed):
    https://www.rabbitmq.com/docs/4.3/nack
    """

    ACK = "basic.ack"
    REJECT = "basic.reject, requeue=false"
    RETURN_FAILED = "basic.reject, requeue=true"
    RETURN_UNTOUCHED = "basic.nack, requeue=true"


class Frame(NamedTuple):
    """One settlement on the wire; `multiple` covers every open tag up to this one."""

    verb: Verb
    tag: int
    multiple: bool = False


class Ledger(Generic[Item]):
    """Which deliveries of one epoch are open, and which frames settle the rest.

    Example:
        >>> ledger = Ledger[str]()
        >>> ledger.deliver(["a", "b", "c"])
        range(1, 4)
        >>> ledger.settle([1, 2], Verb.ACK)
        >>> ledger.frames()
        [Frame(verb=<Verb.ACK: 'basic.ack'>, tag=2, multiple=True)]

    """

    def __init__(self) -> None:
        self._last = 0
        self._open: dict[int, Item] = {}
        self._acked: set[int] = set()
        self._untouched: set[int] = set()
        self._returns: list[Frame] = []
        self.closed = False
        self.stale = 0
        """Settlements that came after the epoch's end, and reached nobody."""

    def deliver(self, items: Sequence[Item]) -> range:
        """Open the next tags, one per item, and return them."""
        tags = range(self._last + 1, self._last + 1 + len(items))
        self._last += len(items)
        self._open.update(zip(tags, items, strict=True))
        return tags

    def item(self, tag: int) -> Item:
        """Return what was delivered under an open tag."""
        return self._open[tag]

    def items(self, tags: Sequence[int]) -> Iterator[Item]:
        """Yield what was delivered under open tags."""
        return map(self._open.__getitem__, tags)

    def settle(self, tags: Sequence[int], verb: Verb) -> None:
        """Settle open tags; after the epoch's end a counted no-op.

        Raises AlreadySettled, and settles nothing, when one of the tags is not open.
        """
        if self.closed:
            self.stale += len(tags)
            return
        given = set(tags)
        if len(given) < len(tags) or not given <= self._open.keys():
            unknown = [tag for tag in tags if tag not in self._open]
            raise AlreadySettled(
                f"delivery tags {unknown or list(tags)} are not open: settled twice?"
            )
        for tag in tags:
            del self._open[tag]
        if verb is Verb.ACK:
            self._acked.update(tags)
        elif verb is Verb.RETURN_UNTOUCHED:
            self._untouched.update(tags)
        else:
            self._returns += [Frame(verb, tag) for tag in tags]

    def frames(self, singly: bool = False) -> list[Frame]:
        """Take out the frames that settle what was settled since the last call.

        One ack covers all acked tags below the lowest open one. With `singly`, acked tags beyond it
        are acked one by one, so that a stuck message does not starve the prefetch. Returns and
        rejects come first: a multiple ack must not pass over them. Untouched ones that lie behind all
        of that go back in one frame: RabbitMQ can lose settlements that pile up before a close.
        """
        lowest = next(iter(self._open), self._last + 1)
        last = max(self._acked, default=lowest)
        if last < lowest and not (self._returns or self._untouched):
            # Nothing but acks, and none beyond an open tag: what a pipeline does nearly always.
            ack = Frame(Verb.ACK, last, multiple=len(self._acked) > 1)
            self._acked.clear()
            return [ack]
        frames, self._returns = self._returns, []
        covered = [tag for tag in self._acked if tag < lowest]
        single = sorted(self._acked.difference(covered)) if singly else []
        behind = max([0, *covered, *single])
        late = [tag for tag in self._untouched if behind < tag < lowest]
        early = sorted(self._untouched.difference(late))
        frames += [Frame(Verb.RETURN_UNTOUCHED, tag) for tag in early]
        if covered:
            frames.append(Frame(Verb.ACK, max(covered), multiple=len(covered) > 1))
        frames += [Frame(Verb.ACK, tag) for tag in single]
        if late:
            frames.append(Frame(Verb.RETURN_UNTOUCHED, max(late), multiple=len(late) > 1))
        self._acked.difference_update(covered, single)
        self._untouched.clear()
        return frames

    def close(self) -> list[int]:
        """End the epoch: return the tags that were open; later settlements are counted no-ops."""
        left = list(self._open)
        self._open.clear()
        self._acked.clear()
        self._untouched.clear()
        self._returns.clear()
        self.closed = True
        return left

    @property
    def open(self) -> int:
        """How many deliveries are not settled."""
        return len(self._open)

    @property
    def unsent(self) -> int:
        """How many settlements wait to be sent."""
        return len(self._acked) + len(self._untouched) + len(self._returns)

    @property
    def outstanding(self) -> int:
        """How many deliveries the broker holds open, as far as it has been told."""
        return len(self._open) + self.unsent

    def tags(self) -> Iterator[int]:
        """Yield the open tags, lowest first."""
        return iter(self._open)
