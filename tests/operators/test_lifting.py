"""lift: aiostream's lockstep operators over tracked messages, with aiostream itself as the oracle."""

import asyncio
import re
from collections.abc import Callable
from operator import add, mul
from typing import Any

import aiostream
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.operators.lifting import LOCKSTEP
from ackflow.streams.testing import run
from tests.queues import assert_all_closed, closed

s = aiostream.stream
LIFTED: dict[str, tuple[Any, ...]] = {
    "accumulate": (s.accumulate, mul),
    "accumulate from": (s.accumulate, add, 10),
    "action": (s.action, lambda n: None),
    "chain": (s.chain, [7, 8]),
    "delay": (s.delay, 1.0),
    "dropwhile": (s.dropwhile, lambda n: n < 3),
    "enumerate": (s.enumerate,),
    "filter": (s.filter, lambda n: n % 2),
    "getitem": (s.getitem, slice(1, 4, 2)),
    "map": (s.map, lambda n: n + 1),
    "print": (s.print,),
    "skip": (s.skip, 2),
    "smap": (s.smap, lambda n: n + 1),
    "spaceout": (s.spaceout, 1.0),
    "starmap": (s.starmap, lambda n: n, 1),
    "take": (s.take, 3),
    "takewhile": (s.takewhile, lambda n: n < 3),
    "timeout": (s.timeout, 5.0),
    "until": (s.until, lambda n: n == 3),
}
ALL = {name for name, value in vars(s).items() if hasattr(value, "raw")}
PAIRED = {"starmap"}
every_lifted = pytest.mark.parametrize("row", LIFTED)
bounded = settings(max_examples=25, deadline=None, database=None)
numbers = st.lists(st.integers(0, 5), max_size=8)


def lifted(row: str, xs: list[int]) -> tuple[Any, list[Any]]:
    """Return the operator of a row, and what it gets: pairs where it spreads them."""
    operator, *args = LIFTED[row]
    if row in PAIRED:
        return op.lift(operator, lambda n, m: n * m), [(n, 2) for n in xs]
    return op.lift(operator, *args), list(xs)


async def by_aiostream(row: str, xs: list[Any]) -> list[Any]:
    operator, *args = LIFTED[row]
    if row in PAIRED:
        operator, args = s.starmap, [lambda n, m: n * m]
    args = [s.iterate(arg) if isinstance(arg, list) else arg for arg in args]
    result: list[Any] = await s.list(operator(s.iterate(xs), *args))
    return result


def test_every_lockstep_operator_has_a_row() -> None:
    assert {row.split()[0] for row in LIFTED} == LOCKSTEP


@every_lifted
@bounded
@given(numbers, st.sampled_from([1, 2, None]))
def test_it_does_what_aiostream_does_and_settles_every_message(
    row: str, xs: list[int], prefetch: int | None
) -> None:
    async def main() -> None:
        operator, values = lifted(row, xs)
        queue = closed(values, prefetch=prefetch)
        pipeline = queue | operator | sinks.to_list()
        found = await pipeline
        assert found == await by_aiostream(row, values)
        assert sorted(queue.acked + queue.ready) == sorted(values)
        assert queue.rejected == []
        assert pipeline.summary.failures == {}
        assert_all_closed(queue)

    run(main())


@pytest.mark.parametrize(
    ("row", "acked", "ready"),
    [
        ("take", [0, 1, 2], [3, 4]),
        ("takewhile", [0, 1, 2], [3, 4]),
        ("until", [0, 1, 2, 3], [4]),
        ("getitem", [0, 1, 2, 3], [4]),
        ("filter", [0, 1, 2, 3, 4], []),
        ("dropwhile", [0, 1, 2, 3, 4], []),
    ],
)
async def test_what_lies_beyond_the_end_is_given_back(
    row: str, acked: list[int], ready: list[int]
) -> None:
    operator, values = lifted(row, [0, 1, 2, 3, 4])
    queue = closed(values)
    await (queue | operator | sinks.to_list())
    assert (sorted(queue.acked), queue.ready) == (acked, ready)


def fails_for(bad: int, f: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: int) -> Any:
        if args[-1] == bad:
            raise ValueError(f"bad: {bad}")
        return f(*args)

    return call


@pytest.mark.parametrize(
    ("operator", "f", "expected"),
    [
        (s.map, lambda n: n, [0, 1, 3, 4]),
        (s.smap, lambda n: n, [0, 1, 3, 4]),
        (s.filter, lambda n: True, [0, 1, 3, 4]),
        (s.action, lambda n: None, [0, 1, 3, 4]),
        (s.takewhile, lambda n: n < 4, [0, 1, 3]),
        (s.dropwhile, lambda n: n < 3, [3, 4]),
        (s.until, lambda n: n == 3, [0, 1, 3]),
        (s.accumulate, add, [0, 1, 4, 8]),
    ],
)
@pytest.mark.parametrize("prefetch", [1, None])
async def test_a_function_that_raises_fails_its_message_alone(
    operator: Any, f: Any, expected: list[int], prefetch: int | None
) -> None:
    dead = sinks.to_list()
    queue = closed(range(5), dead_letter=dead, prefetch=prefetch)
    step = op.lift(operator, fails_for(2, f))
    assert await (queue | step | sinks.to_list()) == expected
    assert [letter.body for letter in dead.values] == [2]


async def test_a_function_that_returns_a_coroutine_fails_and_names_map_async() -> None:
    async def truth(n: int) -> bool:
        return False

    with pytest.raises(TypeError, match=r"returned a coroutine; use op\.map_async"):
        await (streams.of(1) | op.lift(s.filter, lambda n: truth(n)) | sinks.to_list())


async def test_spaceout_spaces_out() -> None:
    def moment(n: int) -> float:
        return asyncio.get_running_loop().time()

    step = op.lift(s.spaceout, 2.0) | op.map(moment)
    assert await (closed(range(3), prefetch=1) | step | sinks.to_list()) == [0.0, 2.0, 4.0]


async def test_timeout_ends_the_run_and_loses_nothing() -> None:
    queue = streams.memory.queue([1, 2])
    with pytest.raises(TimeoutError):
        await (queue | op.lift(s.timeout, 3.0) | sinks.to_list())
    assert sorted(queue.acked + queue.ready) == [1, 2]
    assert_all_closed(queue)


async def test_it_carries_chunks_whose_members_share_what_becomes_of_them() -> None:
    queue = closed(range(4))
    result = await (queue | op.chunk(2) | op.lift(s.enumerate) | sinks.to_list())
    assert result == [(0, [0, 1]), (1, [2, 3])]
    assert queue.acked == [0, 1, 2, 3]


@pytest.mark.parametrize("title", sorted(ALL - LOCKSTEP))
def test_every_other_operator_is_refused_and_what_exists_instead_is_named(title: str) -> None:
    with pytest.raises(TypeError, match=rf"op\.lift\({title}\).*; use ") as caught:
        op.lift(getattr(s, title))
    text = str(caught.value)
    named = re.findall(r"(op|sinks|streams)\.(\w+)", text.split("; use ")[1])
    assert named or "the stream itself" in text
    modules = {"op": op, "sinks": sinks, "streams": streams}
    for module, name in named:
        assert name in modules[module].__all__, text


@pytest.mark.parametrize("index", [-1, slice(-3, None), slice(None, -1)])
def test_indexes_from_the_end_are_refused_since_they_buffer(index: Any) -> None:
    with pytest.raises(ValueError, match=r"op\.lift\(getitem\).*from the front"):
        op.lift(s.getitem, index)


@pytest.mark.parametrize("wrong", [map, len, 5, aiostream.pipe.map, None])
def test_what_is_no_operator_of_aiostream_is_refused(wrong: Any) -> None:
    with pytest.raises(
        TypeError, match=r"op\.lift\(operator\): must be one of aiostream\.stream's"
    ):
        op.lift(wrong)


def test_coroutine_functions_are_refused() -> None:
    async def truth(n: int) -> bool:
        return True

    with pytest.raises(TypeError, match=r"op\.lift\(filter\).*use op\.map_async"):
        op.lift(s.filter, truth)
