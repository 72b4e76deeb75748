"""Unconfirmed: what a channel was given to publish and has not confirmed, by delivery tag. Pure."""

from operator import itemgetter
from typing import Any, TypeAlias

from ackflow.streams.amqp.outgoing import Outgoing
from ackflow.streams.amqp.tapping import BadFrame
from ackflow.streams.core import Message

_id = itemgetter(2)

Sent: TypeAlias = tuple[Message[Any], Outgoing, bytes]
"""A message that was sent, and the message_id by which it is known when it comes back."""


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
        if sent[2]:
            self.ids.add(sent[2])

    def confirm(self, tag: int, *, multiple: bool) -> list[Sent]:
        """Take off the message with a tag, or all up to it; 0 is the last. One goes but once."""
        if tag > self.last or not (tag or multiple):
            raise BadFrame(f"message {tag:,} was confirmed where {self.last:,} were sent")
        tags = range(tag, tag + 1)
        if multiple:
            tags = range(self._lowest, (tag or self.last) + 1)
            self._lowest = max(self._lowest, tags.stop)
        sent = [self._open.pop(each) for each in tags if each in self._open]
        self.ids.difference_update(map(_id, sent))
        return sent

    def rest(self) -> list[Sent]:
        """Take off all there is."""
        rest = list(self._open.values())
        self._open.clear()
        self.ids.clear()
        return rest
