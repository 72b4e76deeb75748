"""Lanes: streams within a stream, and messages that have a part in several."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ackflow import operators as op
from ackflow import sinks
from ackflow.streams.core import ACCEPTED, GIVEN_BACK, SKIPPED, Kind, Lane, Outcome, Parted, Session
from ackflow.streams.core.lane import lane_demand
from tests.core.recording import Recording

REJECTED = Outcome(Kind.REJECT, ValueError("bad"))


def opened(lane: Any) -> AsyncIterator[Any]:
    runs: AsyncIterator[Any] = lane.end_piece.attach(Session(), ())
    return runs


async def values(runs: AsyncIterator[Any]) -> list[Any]:
    return [value async for run in runs for value in run.values]


async def test_what_is_put_in_comes_out_the_other_way_until_the_lane_is_ended() -> None:
    lane, account = Lane(op.map(str), (), 0), Recording()
    runs = opened(lane)
    lane.put(account.run(1, 2))
    lane.put(account.run(3))
    assert (lane.waiting, lane.left) == (3, False)
    taking = asyncio.create_task(values(runs))
    await asyncio.sleep(5)
    assert (lane.waiting, lane.left, taking.done()) == (0, False, False)
    lane.put(account.run(4))
    lane.end()
    assert await taking == ["1", "2", "3", "4"]
    assert lane.left


async def test_a_lane_has_the_shape_and_the_places_of_what_is_put_in() -> None:
    lane = Lane(op.tap(print), (3, 2), 1)
    assert (lane.end_piece.shape, lane.end_piece.places) == ((3, 2), 1)


async def test_room_is_there_when_all_is_taken_or_nothing_is_any_more() -> None:
    lane, account = Lane(op.map(str), (), 0), Recording()
    await lane.room()
    runs: Any = opened(lane)
    lane.put(account.run(1))
    waiting = asyncio.create_task(lane.room())
    await asyncio.sleep(1)
    assert not waiting.done()
    assert (await anext(runs)).values == ["1"]
    await waiting
    lane.put(account.run(2))
    waiting = asyncio.create_task(lane.room())
    await asyncio.sleep(1)
    assert not waiting.done()
    await runs.aclose()
    await waiting
    assert (lane.left, lane.waiting) == (True, 1)
    assert lane.rest() == [(account, 0)]
    assert (lane.waiting, lane.rest()) == (0, [])


async def test_a_bell_rings_for_each_run_taken_and_for_the_end() -> None:
    class Bell:
        rung = 0

        def set(self) -> None:
            self.rung += 1

    bell = Bell()
    lane = Lane(op.map(str), (), 0, taken=bell)
    runs: Any = opened(lane)
    lane.put(Recording().run(1))
    lane.put(Recording().run(2))
    await anext(runs)
    assert bell.rung == 1
    await anext(runs)
    assert bell.rung == 2
    lane.end()
    assert await anext(runs, None) is None
    assert bell.rung == 3


def test_a_lane_that_ends_in_a_sink_says_what_it_holds() -> None:
    lane = Lane(lambda stream: stream | op.chunk(10) | sinks.each(print, concurrency=3), (), 0)
    needed = lane_demand(lane)
    assert (needed.sum, needed.largest) == (10 + 3 * 10, 10)
    steps = op.chunk(10) | op.map_async(sum, 2)
    order = Lane(lambda stream: stream | steps | sinks.each(print), (), 0)
    assert (lane_demand(order).sum, lane_demand(order).largest) == (10 + 2 * 10 + 10, 10)
    bare = Lane(lambda stream: stream | sinks.each(print), (), 0)
    assert (lane_demand(bare).sum, lane_demand(bare).largest) == (1, 1)


def parted(*, stopping: bool = False, over: bool = False) -> tuple[Any, Any, Recording]:
    """The two parts of a message in two lanes."""
    account, session = Recording(), Session()
    session.stopping = stopping
    split = Parted((account, 5), session, lambda: over)
    parts = split.part(), split.part()
    split.seal()
    return split, parts, account


@pytest.mark.parametrize(
    ("outcomes", "stopping", "over", "whole"),
    [
        ((ACCEPTED, REJECTED), False, False, "REJECT"),
        ((ACCEPTED, GIVEN_BACK), False, False, "ACCEPTED"),
        ((GIVEN_BACK, REJECTED), False, True, "REJECT"),
        ((SKIPPED, GIVEN_BACK), False, False, "SKIPPED"),
        ((GIVEN_BACK, GIVEN_BACK), False, False, "SKIPPED"),
        ((GIVEN_BACK, GIVEN_BACK), False, True, "REQUEUE"),
        ((ACCEPTED, GIVEN_BACK), True, False, "REQUEUE"),
        ((GIVEN_BACK, GIVEN_BACK), True, False, "REQUEUE"),
        ((Outcome(Kind.REQUEUE), ACCEPTED), False, False, "REQUEUE"),
    ],
)
def test_a_part_given_back_counts_only_while_the_source_is_stopped(
    outcomes: Any, stopping: bool, over: bool, whole: str
) -> None:
    split, parts, account = parted(stopping=stopping, over=over)
    for (_, tag), outcome in zip(parts, outcomes, strict=True):
        assert account.calls == []
        split.settle([tag], outcome)
    assert account.kinds == {5: whole}


def test_without_more_said_no_lane_is_over() -> None:
    account = Recording()
    split = Parted((account, 5), Session())
    _, tag = split.part()
    split.seal()
    split.settle([tag], GIVEN_BACK)
    assert account.kinds == {5: "SKIPPED"}
