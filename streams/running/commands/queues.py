"""Queues on a command line: where one is, what waits in it, and looking at that."""

import asyncio
import os
from collections.abc import AsyncIterator, Coroutine
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import SplitResult, unquote, urlsplit

from ackflow import streams
from ackflow.streams.core import Delivery, Stream, printable
from ackflow.streams.running.commands.problems import Code, Problem, problem, quiet

A = TypeVar("A")

VARIABLE = "ACKFLOW_AMQP_URL"
"""Holds the broker's URL where a queue is named alone: a password there is in no list of processes."""
ANSWER_WITHIN = 10.0
"""Seconds that a broker has to answer, and to hand out the first message."""
ALL = 2**31
"""As `deliveries`: refuse nothing for how often it was handed out."""


@dataclass(frozen=True)
class Place:
    """A queue, and the broker it is at."""

    url: str
    queue: str

    @classmethod
    def of(cls, text: str) -> "Place":
        """Take amqp://user:password@host/vhost/queue apart, or the name of a queue alone.

        Example:
            >>> Place.of("amqp://broker/shop/words").queue
            'words'

        Raises Problem for what is neither, with no password in it.
        """
        from ackflow.streams.amqp.server import DEFAULT_URL

        if "://" not in text:
            place = cls(os.environ.get(VARIABLE) or DEFAULT_URL, text)
        else:
            place = cls._of(text)
        place.check()
        return place

    @classmethod
    def _of(cls, text: str) -> "Place":
        shown = printable(streams.amqp.redacted(text), 200)
        try:
            parts = urlsplit(text)
        except ValueError:
            raise Problem(f"{shown}: the URL can't be taken apart") from None
        names = parts.path.split("/")[1:]
        if not 1 <= len(names) <= 2 or not names[-1]:
            raise Problem(
                f"{shown}: a queue is named as amqp://user:password@host/queue, or /vhost/queue; "
                "/ inside a name is written %2F"
            )
        vhost = names[0] if len(names) == 2 else ""
        whole = SplitResult(parts.scheme, parts.netloc, f"/{vhost}", parts.query, parts.fragment)
        return cls(whole.geturl(), unquote(names[-1]))

    def check(self) -> None:
        """Raise Problem for a URL or a queue's name that can't be meant."""
        try:
            self.deliveries()
        except (ValueError, TypeError) as error:
            raise Problem(str(error)) from None

    def deliveries(self, prefetch: int | None = None) -> Stream[Delivery]:
        """Return what is in the queue as a stream that refuses nothing."""
        from ackflow.streams.amqp.settings import LARGEST_BODY

        return streams.amqp.deliveries(
            self.queue,
            url=self.url,
            prefetch=prefetch,
            deliveries=ALL,
            max_body_bytes=LARGEST_BODY,
            connection_name="ackflow",
        )

    async def waiting(self) -> int:
        """Return how many messages wait in the queue; raise Problem where it can't be asked."""
        from ackflow.streams.amqp import connections, refusals
        from ackflow.streams.amqp.link import close
        from ackflow.streams.amqp.server import Server

        link = await connections.join(Server.of(self.url), "consuming", within=ANSWER_WITHIN)
        try:
            channel = await link.channel()
            with refusals.answers(f"looking for queue {self.queue!r} at {link.address}"):
                answer = await channel.queue_declare(
                    self.queue, passive=True, timeout=ANSWER_WITHIN
                )
            await close(channel)
            return answer.message_count or 0
        except refusals.Refused as error:
            if "NOT_FOUND" not in str(error):
                raise
            raise Problem(
                f"there is no queue {self.queue!r} in vhost {link.address.vhost!r} of "
                f"{link.address}; another vhost stands before it, as in amqp://host/vhost/queue",
                Code.AWAY,
            ) from None
        finally:
            await link.leave()


async def some(values: AsyncIterator[A], count: int, within: float) -> AsyncIterator[A]:
    """Hand on up to `count` values, until none came for `within` seconds."""
    seconds = max(within, ANSWER_WITHIN)  # the first one waits for a connection
    for _ in range(count):
        try:
            async with asyncio.timeout(seconds):
                value = await anext(values)
        except (TimeoutError, StopAsyncIteration):
            return
        yield value
        seconds = within


async def looked_at(stream: Stream[A], count: int, within: float) -> list[A]:
    """Look at up to `count` values of a stream, and give them back."""
    found: list[A] = []
    async with stream.open() as values, aclosing(some(values, count, within)) as few:  # type: ignore[type-var]
        async for value in few:
            found.append(value)
    return found


def asked(doing: str, work: Coroutine[Any, Any, A]) -> A:
    """Run what asks a broker, and make of its errors what ends a command."""
    quiet()
    try:
        return asyncio.run(work)
    except Problem:
        raise
    except Exception as error:
        raise problem(error, doing) from None
