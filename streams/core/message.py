"""Message: a value and its token, for work by hand."""

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Generic, TypeVar

from ackflow.streams.core.delivery import Delivery
from ackflow.streams.core.errors import AlreadySettled, Reject, Requeue, shown
from ackflow.streams.core.outcome import ACCEPTED, SKIPPED, Outcome
from ackflow.streams.core.session import Session
from ackflow.streams.core.token import Joined, Split, Token, settle

A = TypeVar("A")
B = TypeVar("B")


class Message(Generic[A]):
    """A value and what settles the deliveries behind it.

    Example:
        async for message in stream.messages():
            with message:            # acks, or follows the source's failure policy
                await store(message.value)

    """

    __slots__ = ("_members", "_places", "_session", "_stage", "_token", "settled", "value")

    def __init__(
        self, value: A, token: Token, session: Session, stage: str = "", places: int = 0
    ) -> None:
        self.value = value
        self.settled = False
        self._members: Sequence[Message[Any]] | None = None
        self._token = token
        self._session = session
        self._stage = stage
        self._places = places

    @property
    def stale(self) -> bool:
        """Whether its channel is gone: the message comes again, and settling it reaches nobody."""
        return self._token[0].closed

    @property
    def delivery(self) -> Delivery | None:
        """The delivery behind it, or None where there isn't exactly one."""
        return self._token[0].delivery(self._token[1])

    @property
    def members(self) -> "Sequence[Message[Any]]":
        """The messages in a chunk, each to be settled by itself; a message that is no chunk is its own.

        Taking them apart hands the chunk's settlement over to them.
        """
        if self._members is None:
            if not isinstance(self.value, (list, tuple)):
                return [self]  # not kept: a cycle, for each message, until memory is tidied up
            self._members = self._apart(self.value)
        return self._members

    def _apart(self, values: Sequence[Any]) -> "Sequence[Message[Any]]":
        account, _ = self._token
        self.settled = True
        if self._places and isinstance(account, Joined) and len(account.tokens) == len(values):
            pairs = zip(values, account.tokens, strict=True)
            return [self._child(value, token, self._places - 1) for value, token in pairs]
        return self.split(values)

    def with_value(self, value: B) -> "Message[B]":
        """Hand this message on with another value."""
        self.settled = True
        return Message(value, self._token, self._session, self._stage)

    def token(self) -> Token:
        """Take the token out, for whoever settles it from now on."""
        if self.settled:
            raise AlreadySettled(f"message with the value {shown(self.value)} was handed on twice")
        self.settled = True
        return self._token

    def split(self, values: Sequence[B]) -> "list[Message[B]]":
        """Make several messages of this one, which together settle it, with the worst outcome."""
        self.settled = True
        split = Split(self._token)
        children = [self._child(value, split.part()) for value in values]
        split.seal()
        return children

    def _child(self, value: B, token: Token, places: int = 0) -> "Message[B]":
        return Message(value, token, self._session, self._stage, places)

    def accept(self) -> None:
        """Settle as done: acked once everything else made of its delivery is done too."""
        self._settle(ACCEPTED)

    ack = accept

    def skip(self) -> None:
        """Settle as dropped on purpose."""
        self._settle(SKIPPED)

    def requeue(self, after: float | None = None) -> None:
        """Have it come again, `after` seconds from now or at the pace of the source's policy."""
        self.fail(Requeue(after=after))

    def reject(self, reason: str) -> None:
        """Settle as failed for good: to the dead letter with it."""
        self.fail(Reject(reason))

    def fail(self, error: Exception) -> None:
        """Settle as what the source's policy makes of an error."""
        self._session.record(error, self._stage, self.value)
        self._settle(self._token[0].judge(error))

    def _settle(self, outcome: Outcome) -> None:
        if self.settled:
            raise AlreadySettled(f"message with the value {shown(self.value)} was settled twice")
        self.settled = True
        settle([self._token], outcome)

    @staticmethod
    def accept_all(messages: "Sequence[Message[Any]]") -> None:
        """Settle messages as done, faster than one by one."""
        for message in messages:
            if message.settled:
                raise AlreadySettled(f"message {shown(message.value)} was settled twice")
            message.settled = True
        settle([message._token for message in messages], ACCEPTED)

    def __enter__(self) -> A:
        return self.value

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if self.settled:
            return False
        if error is None:
            self.accept()
        elif isinstance(error, Exception):
            self.fail(error)
            return True
        return False

    def __repr__(self) -> str:
        return f"Message({shown(self.value)}{', settled' if self.settled else ''})"
