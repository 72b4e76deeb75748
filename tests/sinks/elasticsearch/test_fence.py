"""The fence: writes of one document keep their order; and outages, which are pure."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ackflow.sinks.elasticsearch.fence import Fence, Ticket
from ackflow.sinks.elasticsearch.outage import Outage
from tests.sinks.elasticsearch.doubles import virtually

Log = list[tuple[str, str]]


def write(
    fence: Fence, log: Log, name: str, keys: Sequence[str], takes: float
) -> "asyncio.Task[None]":
    """Enter now, and write what is free first and the rest when it is its turn."""
    ticket = Ticket(fence.next_order())
    fence.enter(ticket, keys)
    free = [key for key in keys if key not in ticket.behind]
    rest = [key for key in keys if key in ticket.behind]

    async def go() -> None:
        try:
            for part in (free, rest):
                if part is rest:
                    await ticket.wait()
                if part:
                    await asyncio.sleep(takes)
                    log.extend((name, key) for key in part)
                    fence.leave(ticket, part)
        finally:
            fence.leave(ticket, keys)

    return asyncio.create_task(go())


def test_a_document_is_written_in_order_and_the_others_of_the_chunk_do_not_wait() -> None:
    log: Log = []

    async def main() -> None:
        fence = Fence()
        await asyncio.gather(
            write(fence, log, "first", ["a", "b"], 5),
            write(fence, log, "second", ["b", "c"], 1),
            write(fence, log, "third", ["c", "b"], 1),
        )

    virtually(main)
    assert log.index(("second", "c")) < log.index(("first", "a"))
    assert [name for name, key in log if key == "b"] == ["first", "second", "third"]
    assert [name for name, key in log if key == "c"] == ["second", "third"]


def test_a_key_is_free_as_soon_as_its_write_is_done_with_it() -> None:
    async def main() -> None:
        fence = Fence()
        first, second = Ticket(1), Ticket(2)
        fence.enter(first, ["a", "b"])
        fence.leave(first, ["a"])
        fence.enter(second, ["a", "b"])
        assert list(second.behind) == ["b"]

    virtually(main)


def test_one_that_gives_up_before_its_turn_lets_nobody_overtake_those_before() -> None:
    log: Log = []

    async def main() -> None:
        fence = Fence()
        first = write(fence, log, "first", ["a"], 5)
        second = write(fence, log, "second", ["a"], 1)
        third = write(fence, log, "third", ["a"], 1)
        await asyncio.sleep(1)
        second.cancel()
        fourth = write(fence, log, "fourth", ["a"], 1)
        await asyncio.gather(first, third, fourth)

    virtually(main)
    assert log == [("first", "a"), ("third", "a"), ("fourth", "a")]


@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from("abcd"), min_size=1, max_size=4, unique=True),
            st.floats(0.1, 3),
            st.none() | st.floats(0.01, 5),
        ),
        max_size=10,
    )
)
def test_nobody_overtakes_and_nobody_waits_for_ever(
    plans: list[tuple[list[str], float, float | None]],
) -> None:
    log: Log = []

    async def main() -> None:
        fence = Fence()
        tasks = [
            write(fence, log, f"{number:02}", keys, takes)
            for number, (keys, takes, _) in enumerate(plans)
        ]
        for task, (_, _, end) in zip(tasks, plans, strict=True):
            if end is not None:
                asyncio.get_running_loop().call_later(end, task.cancel)
        async with asyncio.timeout(100):
            await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(1)
        assert not fence._lined_up

    virtually(main)
    for key in "abcd":
        names = [name for name, written in log if written == key]
        assert names == sorted(names)


def test_a_write_that_comes_back_learns_what_newer_ones_have_overtaken() -> None:
    async def main() -> None:
        fence = Fence()
        old, new = Ticket(fence.next_order()), Ticket(fence.next_order())
        fence.enter(old, ["a", "b"])
        fence.enter(new, ["a"])
        fence.watch(old.order, ["a", "b"])
        fence.leave(old, ["a", "b"])
        await new.wait()
        fence.written(new.order, ["a"])
        fence.leave(new, ["a"])
        assert fence.overtaken(old.order, ["a", "b"]) == {"a"}
        assert fence.overtaken(old.order, ["a", "b"]) == set()
        assert not fence._held_up

    virtually(main)


def test_an_older_write_overtakes_nothing() -> None:
    fence = Fence()
    old, new = Ticket(fence.next_order()), Ticket(fence.next_order())
    fence.watch(new.order, ["a"])
    fence.written(old.order, ["a"])
    assert fence.overtaken(new.order, ["a"]) == set()


# -- outages ------------------------------------------------------------------------------------


def test_failures_are_an_outage_when_nothing_else_came_for_a_while() -> None:
    outage = Outage(30)
    assert not outage.suspected
    assert [outage.failed(now) for now in (0, 10, 29.9, 30)] == [False, False, False, True]
    assert outage.suspected
    outage.mended()
    assert not outage.suspected
    assert not outage.failed(40)


@pytest.mark.parametrize("patience", [0.0, 30.0])
def test_three_requests_in_a_row_without_an_answer_are_an_outage(patience: float) -> None:
    outage = Outage(patience)
    assert [outage.lost(0) for _ in range(3)] == [patience == 0, patience == 0, True]
    outage.mended()
    assert outage.lost(0) == (patience == 0)
