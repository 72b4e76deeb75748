"""Looking: a stream without a sink; what was looked at is given back (contract 7)."""

import asyncio
import warnings
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, TypeVar

from ackflow.streams.core.errors import PrefetchExhausted
from ackflow.streams.core.handle import Handle, Interrupted
from ackflow.streams.core.message import Message
from ackflow.streams.core.pulling import END, close
from ackflow.streams.core.roster import Roster
from ackflow.streams.core.session import Session
from ackflow.streams.core.token import Token

if TYPE_CHECKING:
    from ackflow.streams.core.stream import Stream

T = TypeVar("T")


class Looking:
    """One iteration over a stream without a sink."""

    holds = 0
    catches = False
    passes_failures = False

    def __init__(self, stream: "Stream[Any]", count: int | None) -> None:
        """`count`: how many values are wanted, 0 for unknown, None when messages are settled by hand."""
        self._stream = stream
        self._by_hand = count is None
        self._session = Session(Roster(stream), looking=count or 0)
        self._seen: list[Token] = []
        self._most = 64

    def shape(self, before: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape as it is; looking changes nothing."""
        return before

    async def values(self) -> AsyncGenerator[Any]:
        """Hand out values."""
        async with aclosing(self.messages()) as messages:
            async for message in messages:
                yield message.value

    async def messages(self) -> AsyncGenerator[Message[Any]]:
        """Hand out messages, and give back at the end what nobody settled."""
        runs = self._stream.attach(self._session, (self,))
        handed: list[Message[Any]] = []
        if not self._by_hand:
            self._session.looker = self
        self.loop = asyncio.get_running_loop()
        try:
            await self._awaited(self._session.open())
            while (run := await self._awaited(anext(runs, END))) is not END:
                if run.error is not None:
                    self._session.failed(run, "looking")
                    continue
                for value, token in zip(run.values, run.tokens, strict=True):
                    message = Message(value, token, self._session, "by hand", self._stream.places)
                    self._keep(message, token, handed)
                    yield message
            if self._session.error is not None:
                raise self._session.error
        finally:
            await close(runs)
            await self._session.close()
            self._report(handed)

    async def _awaited(self, pull: Awaitable[T]) -> T:
        """Await a pull; where a notebook's cell is interrupted meanwhile, say so."""
        with Handle.interrupts(self) as interrupted:
            try:
                return await pull
            except asyncio.CancelledError:
                if not interrupted():
                    raise
                raise Interrupted("interrupted: what was not settled is given back") from None

    def give_up(self) -> None:
        """Do nothing more at a second interrupt: the first has ended the pull."""

    def _keep(self, message: Message[Any], token: Token, handed: list[Message[Any]]) -> None:
        if not self._by_hand:
            self._seen.append(token)
            return
        handed.append(message)
        if len(handed) >= self._most:  # twice as many as were unsettled the last time
            handed[:] = [message for message in handed if not message.settled]
            self._most = 2 * len(handed) + 64

    def _report(self, handed: Sequence[Message[Any]]) -> None:
        left = [message for message in handed if not message.settled and message.stale]
        if left:
            warnings.warn(
                f"stream.messages(): {len(left)} messages were not settled and were requeued; "
                "settle each by ack(), requeue() or reject(), or use `with message:`",
                ResourceWarning,
                stacklevel=2,
            )

    # -- what the session asks a looker -----------------------------------------------------------

    def parked(self) -> Sequence[Token]:
        """Return the tokens that were looked at."""
        return self._seen

    def exhausted(self) -> None:
        """End the iteration: the source has handed out all it may."""
        self._session.fail(
            PrefetchExhausted(
                f"looking at {self._stream!r}: {len(self._seen)} values were looked at and prefetch "
                "lets out no more until some are settled; ask for fewer, raise prefetch=, or end "
                "the stream in a sink"
            )
        )
