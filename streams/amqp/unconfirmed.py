"""Unconfirmed: what a channel was given to publish and has not confirmed, by delivery tag. Pure."""

from typing import Any, NamedTuple

from ackflow.streams.amqp.outgoing import Outgoing
from ackflow.streams.amqp.tapping import BadFrame
from ackflow.streams.core import Message


class Sent(NamedTuple):
    """A message that was sent; `message_id`: by which it is known when it comes back."""

    message: Message[Any]
    outgoing: Outgoing
    message_id: bytes


class Unconfirmed:
    """Counts delivery tags as the broker does, and knows whose they are."""

    def __init__(self) -> None:
        self.last = 0
        """The delivery tag of the last message."""
        self.ids: set[bytes] = set()
        """Those by which messages are known when they come back."""
        self._open: dict[int, Sent] = {}
        self._lowest = 1

    def __len__(self) -> int:
        return len(self._open)

    def add(self, sent: Sent) -> None:
        """Add what is sent next."""
        self.last += 1
        self._open[self.last] = sent
        if sent.message_id:
            self.ids.add(sent.message_id)

    def confirm(self, tag: int, *, multiple: bool) -> list[Sent]:
        """Take off the message with a tag, or all up to it; 0 is the last. One goes but once."""
        if tag > self.last or not (tag or multiple):
            raise BadFrame(f"message {tag:,} was confirmed where {self.last:,} were sent")
        tags = range(tag, tag + 1)
        if multiple:
            tags = range(self._lowest, (tag or self.last) + 1)
            self._lowest = max(self._lowest, tags.stop)
        sent = [self._open.pop(each) for each in tags if each in self._open]
        self.ids.difference_update(each.message_id for each in sent)
        return sent

    def rest(self) -> list[Sent]:
        """Take off all there is."""
        rest = list(self._open.values())
        self._open.clear()
        self.ids.clear()
        return rest
