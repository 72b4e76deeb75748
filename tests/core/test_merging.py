"""Concat from inside: what it closes, and when the next of its streams begins."""

import asyncio
from typing import Any

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams.core import CREDIT, OVER, Session, Stream
from tests.queues import closed


def two_streams() -> tuple[Stream[str], Stream[str], list[str]]:
    """Two streams of three values, and the names of those that were closed."""
    ended: list[str] = []

    async def source(name: str) -> Any:
        try:
            for number in range(3):
                yield f"{name}{number}"
        finally:
            ended.append(name)

    first, second = (streams.from_iterable(source(name)) for name in "ab")
    return first, second, ended


async def test_concatenated_streams_are_closed_where_what_follows_fails() -> None:
    first, second, ended = two_streams()
    runs = (first + second).attach(Session(), ())
    async for _ in runs:
        break
    await runs.aclose()  # type: ignore[attr-defined]
    assert ended == ["a"]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_concatenated_streams_are_closed_when_what_follows_ends_early() -> None:
    first, second, ended = two_streams()
    values = await ((first + second) | op.take(4) | sinks.to_list())
    assert values == ["a0", "a1", "a2", "b0"]
    assert ended == ["a", "b"]


async def test_failures_pass_through_concatenated_streams_to_the_next_catch() -> None:
    failing = closed(["1", "x"]) | op.map(int)
    joined = (failing + streams.of(3)) | op.catch(lambda error: -1, on=ValueError)
    assert await (joined | sinks.to_list()) == [1, -1, 3]


async def test_the_next_stream_begins_for_an_end_and_not_for_credit_while_it_goes() -> None:
    first, second, _ = two_streams()
    session = Session()
    runs = (first + second).attach(session, ())
    async for _ in runs:
        break
    [joiner] = session.joiners
    assert not joiner.flush(CREDIT)
    assert [joiner.flush(OVER), joiner.flush(OVER)] == [True, False]  # there is no third one
    await runs.aclose()  # type: ignore[attr-defined]
    assert session.joiners == []
