"""Replaying: one pass over a queue of dead letters, which copies those that are meant and acks them."""

import warnings
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ackflow import sinks, streams
from ackflow.streams.core import Delivery, Message, Stream
from ackflow.streams.running.commands.letters import Letter, Wanted, copy
from ackflow.streams.running.commands.queues import some

BATCH = 500
"""Copies that are confirmed together before their letters are acked."""


@dataclass
class Group:
    """The letters of one queue and one error."""

    count: int = 0
    first: datetime | None = None
    last: datetime | None = None
    example: str = ""

    def add(self, letter: Letter) -> None:
        """Count one more."""
        self.count += 1
        self.example = self.example or letter.text
        if letter.time is not None:
            self.first = min(self.first or letter.time, letter.time)
            self.last = max(self.last or letter.time, letter.time)


@dataclass
class Report:
    """What was found in a pass, and what became of it."""

    looked: int = 0
    groups: dict[tuple[str, str], Group] = field(default_factory=dict)
    """The letters that are meant, by the queue they go to and their error."""
    lost: int = 0
    """Those that are meant, and say of no queue that they came from it."""
    copied: int = 0
    failures: list[str] = field(default_factory=list)
    """Why letters could not be copied, one text for each."""

    @property
    def meant(self) -> int:
        """How many would go back, or did."""
        return sum(group.count for group in self.groups.values())


class Replay:
    """One pass over dead letters; those that are meant are copied by a sink and acked, if it is to act.

    Acks: a letter is acked when the sink accepted its copy, and given back otherwise. One whose
    connection is lost between the two comes again, and so twice.
    """

    def __init__(
        self,
        letters: Stream[Delivery],
        wanted: Wanted,
        sink: Callable[[], Any] | None,
        *,
        to: str | None = None,
        limit: int | None = None,
    ) -> None:
        """`sink`: makes what takes the copies, None only to look; `to`: a queue for all of them."""
        self.report = Report()
        self._letters = letters
        self._wanted = wanted
        self._sink = sink
        self._to = to
        self._limit = limit
        self._batch: list[tuple[Message[Delivery], Delivery]] = []

    async def run(self, look: int, within: float) -> Report:
        """Look at so many letters, until none came for `within` seconds."""
        with warnings.catch_warnings():
            # That what is left unsettled goes back is what we want.
            warnings.simplefilter("ignore", ResourceWarning)
            async with (
                aclosing(self._letters.messages()) as messages,  # type: ignore[type-var]
                aclosing(some(messages, look, within)) as few,  # type: ignore[type-var]
            ):
                async for message in few:
                    self.report.looked += 1
                    self._take(message)
                    if len(self._batch) >= BATCH:
                        await self._send()
                    if self.report.meant == self._limit:
                        break
                await self._send()
        return self.report

    def _take(self, message: Message[Delivery]) -> None:
        letter = Letter.of(message.value)
        if not self._wanted.takes(letter):
            return
        queue = self._to or letter.source
        if not queue:
            self.report.lost += 1
            return
        self.report.groups.setdefault((queue, letter.error), Group()).add(letter)
        if self._sink is not None:
            self._batch.append((message, copy(message.value, queue)))

    async def _send(self) -> None:
        """Copy what has gathered, and ack each letter whose copy was accepted."""
        batch, self._batch = self._batch, []
        if not batch or self._sink is None:
            return
        failed: list[Delivery] = []
        copies = streams.from_iterable(
            [each for _, each in batch], on_error=sinks.each(failed.append)
        )
        await (copies | self._sink())
        refused = {id(letter.body) for letter in failed}
        for message, each in batch:
            if id(each) not in refused:
                message.ack()
        self.report.copied += len(batch) - len(failed)
        self.report.failures += _reasons(failed)


def _reasons(failed: Sequence[Delivery]) -> list[str]:
    return [str(letter.headers.get("x-ackflow-error", "failed")) for letter in failed]
