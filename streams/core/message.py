"""Message: a value and its token, for work by hand."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Generic, TypeVar, overload

from ackflow.streams.core.delivery import Delivery
from ackflow.streams.core.errors import AlreadySettled, Reject, Requeue, shown
from ackflow.streams.core.outcome import ACCEPTED, SKIPPED, Outcome
from ackflow.streams.core.session import Session
from ackflow.streams.core.token import Joined, Split, Token, all_fresh, settle

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
        self._members: Members[Any] | None = None
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
    def trace_headers(self) -> Mapping[str, str]:
        """Headers by which what a sink of yours makes of it belongs to its trace, where it has one."""
        observer = self._session.observer
        return {} if observer is None else observer.headers(self._token)

    @property
    def members(self) -> "Members[Any]":
        """The messages in a chunk, each to be settled by itself; a message that is no chunk is its own.

        Taking them apart hands the chunk's settlement over to them.
        """
        if self._members is None:
            if not isinstance(self.value, list | tuple):
                return Members.of([self])  # not kept: it would hold what holds it
            self._members = self._apart(self.value)
        return self._members

    def _apart(self, values: Sequence[Any]) -> "Members[Any]":
        account, _ = self._token
        self.settled = True
        if self._places and isinstance(account, Joined) and len(account.tokens) == len(values):
            make = partial(
                Message, session=self._session, stage=self._stage, places=self._places - 1
            )
            return Members(values, account.tokens, make)
        return Members.of(self.split(values))

    def unsettled(self) -> "Iterator[Message[Any]]":
        """Yield this message, or those of its members that are left where it was taken apart."""
        if not self.settled:
            yield self
        elif self._members is not None:
            yield from self._members.unsettled()

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
        children = [Message(value, split.part(), self._session, self._stage) for value in values]
        split.seal()
        return children

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


class Members(Sequence[Message[A]]):
    """The messages of a chunk, each made when somebody asks for it.

    A sink that settles them alike, as nearly always, works with positions, and makes none.
    """

    __slots__ = ("_accepted", "_made", "_make", "_tokens", "values")

    def __init__(
        self,
        values: Sequence[A],
        tokens: Sequence[Token],
        make: "Callable[[A, Token], Message[A]] | None" = None,
    ) -> None:
        """`make`: what makes a message of a value and its token, where they are not there already."""
        self.values = values
        self._tokens = tokens
        self._make = make
        self._made: dict[int, Message[A]] = {}
        self._accepted: set[int] = set()

    @classmethod
    def of(cls, messages: "Sequence[Message[A]]") -> "Members[A]":
        """Return messages that are there already as members."""
        tokens = [each._token for each in messages]
        members = cls([each.value for each in messages], tokens)
        members._made.update(enumerate(messages))
        return members

    def __len__(self) -> int:
        return len(self._tokens)

    @overload
    def __getitem__(self, index: int) -> Message[A]: ...
    @overload
    def __getitem__(self, index: slice) -> "list[Message[A]]": ...
    def __getitem__(self, index: int | slice) -> "Message[A] | list[Message[A]]":
        places = range(len(self))[index]  # raises IndexError, counts from the end
        if isinstance(places, range):
            return [self[place] for place in places]
        if places not in self._made:
            assert self._make is not None
            made = self._made[places] = self._make(self.values[places], self._tokens[places])
            made.settled = places in self._accepted
        return self._made[places]

    def is_settled(self, position: int) -> bool:
        """Say whether a member is settled."""
        made = self._made.get(position)
        return position in self._accepted if made is None else made.settled

    def is_stale(self, position: int) -> bool:
        """Say whether a member's channel is gone."""
        return self._tokens[position][0].closed

    @property
    def fresh(self) -> bool:
        """Whether no member's channel is gone."""
        return all_fresh(self._tokens)

    @property
    def open(self) -> list[int]:
        """The positions of the members that are not settled."""
        if not (self._made or self._accepted):
            return list(range(len(self)))
        return [at for at in range(len(self)) if not self.is_settled(at)]

    def unsettled(self) -> Iterator[Message[A]]:
        """Yield the members that are not settled."""
        if len(self._accepted) < len(self):
            yield from [self[at] for at in self.open]

    def accept(self, positions: Sequence[int]) -> None:
        """Settle members as done, all at once."""
        for at in positions if self._made or self._accepted else ():
            if self.is_settled(at):
                raise AlreadySettled(f"message {shown(self.values[at])} was settled twice")
        self._accepted.update(positions)
        for at in self._made.keys() & self._accepted:
            self._made[at].settled = True
        whole = len(positions) == len(self)
        settle(self._tokens if whole else [self._tokens[at] for at in positions], ACCEPTED)


def apart(messages: Sequence[Message[Any]]) -> list[Message[Any]]:
    """Return messages, and in the place of each chunk its members."""
    found: list[Message[Any]] = []
    for message in messages:
        if isinstance(message.value, list | tuple):
            found += message.members
        else:
            found.append(message)
    return found
