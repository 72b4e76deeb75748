"""What the laws do not say about catch and retry."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
import tenacity

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import Reject, Requeue, Skip
from tests.queues import closed

# -- catch ----------------------------------------------------------------------------------------


async def test_catch_puts_a_value_in_the_place_of_a_failed_one_and_keeps_the_order() -> None:
    queue = closed(["1", "x", "3"])
    recovered = op.map(int) | op.map(str) | op.catch(lambda error: type(error).__name__)
    pipeline = queue | recovered | sinks.to_list()
    assert await pipeline == ["1", "ValueError", "3"]
    assert (queue.acked, pipeline.summary.accepted) == (["1", "x", "3"], 3)


@pytest.mark.parametrize("ordered", [True, False])
async def test_catch_reaches_across_map_async(ordered: bool) -> None:
    async def parse(text: str) -> int:
        await asyncio.sleep(len(text))
        return int(text)

    step = op.map_async(parse, ordered=ordered) | op.filter(lambda n: n >= 0)
    queue = closed(["333", "x", "-1", "1"], attempts=1)
    result = await (queue | step | op.catch(lambda error: 0) | sinks.to_list())
    assert result == ([333, 0, 1] if ordered else [0, 1, 333])
    assert Counter(queue.acked) == Counter(["333", "x", "-1", "1"])


@pytest.mark.parametrize(
    "between", [op.chunk(1), op.flat_map(lambda n: [n]), op.skip(0), op.take(9)], ids=repr
)
async def test_catch_does_not_reach_across_what_joins_splits_or_counts(between: Any) -> None:
    queue = closed(["1", "x"], dead_letter="discard")
    pipeline = queue | op.map(int) | between | op.catch(lambda error: 0) | sinks.count()
    assert await pipeline == 1
    assert pipeline.summary.rejected == 1


async def test_catch_takes_the_types_it_was_given_and_leaves_the_others_to_the_next() -> None:
    errors: dict[str, Exception] = {"a": ValueError("a"), "b": KeyError("b"), "c": OSError("c")}

    def fails(key: str) -> str:
        raise errors[key]

    steps = (
        op.map(fails)
        | op.catch(lambda error: "value", on=ValueError)
        | op.catch(lambda error: "other", on=(KeyError, OSError))
    )
    assert await (streams.of("a", "b", "c") | steps | sinks.to_list()) == [
        "value",
        "other",
        "other",
    ]


@pytest.mark.parametrize("verdict", [Reject("no"), Skip("test"), Requeue("later", after=1)])
async def test_verdicts_pass_catch_by(verdict: Exception) -> None:
    verdicts = iter([verdict])

    def choose(value: str) -> str:
        if error := next(verdicts, None):
            raise error
        return value

    queue = closed(["a"], dead_letter="discard")
    pipeline = queue | op.map(choose) | op.catch(lambda error: "caught") | sinks.to_list()
    assert "caught" not in await pipeline


async def test_an_error_in_the_catching_function_fails_the_message_with_it() -> None:
    def worse(error: Exception) -> str:
        raise KeyError("worse")

    dead = sinks.to_list()
    queue = closed(["x"], dead_letter=dead)
    await (queue | op.map(int) | op.catch(worse) | sinks.count())
    assert dead.values[0].headers["x-ackflow-error-type"] == "KeyError"


async def test_failures_after_catch_are_none_of_its() -> None:
    queue = closed(["x"], dead_letter="discard")
    pipeline = queue | op.catch(lambda error: "0") | op.map(int) | sinks.count()
    assert await pipeline == 0
    assert pipeline.summary.rejected == 1


# -- retry of functions and operators -------------------------------------------------------------


class Failing:
    """Fails so many times for each value, then returns it."""

    def __init__(self, times: int, error: type[Exception] = OSError) -> None:
        self.times = times
        self.error = error
        self.calls: Counter[Any] = Counter()
        self.moments: list[float] = []

    def sync(self, value: Any) -> Any:
        self.calls[value] += 1
        self.moments.append(asyncio.get_running_loop().time())
        if self.calls[value] <= self.times:
            raise self.error(value)
        return value

    async def __call__(self, value: Any) -> Any:
        return self.sync(value)


@pytest.mark.parametrize("form", ["function", "map_async", "map"])
async def test_what_failed_is_tried_again_and_nothing_else(form: str) -> None:
    failing = Failing(2)

    async def call(value: str) -> str:
        return failing.sync(value) if value == "b" else value

    step: Any = {
        "function": lambda: op.map_async(op.retry(call, attempts=3)),
        "map_async": lambda: op.retry(op.map_async(call), attempts=3),
        "map": lambda: op.retry(op.map(lambda v: failing.sync(v) if v == "b" else v), attempts=3),
    }[form]()
    queue = closed("abc", attempts=1)
    pipeline = queue | step | sinks.to_list()
    assert await pipeline == ["a", "b", "c"]
    assert failing.calls == {"b": 3}
    assert pipeline.summary.retried == 0


async def test_the_last_error_is_that_of_the_message_when_attempts_are_spent() -> None:
    failing = Failing(99)
    dead = sinks.to_list()
    queue = closed(["a"], attempts=1, dead_letter=dead)
    await (queue | op.map_async(op.retry(failing, attempts=4)) | sinks.count())
    assert failing.calls == {"a": 4}
    assert dead.values[0].headers["x-ackflow-error"] == "OSError: a"


async def test_tenacity_waits_are_taken_as_they_are() -> None:
    failing = Failing(3)
    step = op.retry(op.map_async(failing), wait=tenacity.wait_incrementing(start=1, increment=2))
    await (streams.of("a") | step | sinks.count())
    assert failing.moments == [0, 1, 4, 9]


async def test_tenacity_stops_are_taken_as_they_are() -> None:
    failing = Failing(99)
    stop = tenacity.stop_after_delay(5)
    step = op.retry(op.map_async(failing), attempts=stop, wait=tenacity.wait_fixed(2))
    with pytest.raises(OSError, match="a"):
        await (streams.of("a") | step | sinks.count())
    assert failing.moments == [0, 2, 4, 6]


@pytest.mark.parametrize(
    "on",
    [
        OSError,
        (KeyError, OSError),
        tenacity.retry_if_exception_type(OSError),
        tenacity.retry_if_exception(lambda error: isinstance(error, OSError)),
        tenacity.retry_if_not_exception_type(ValueError),
    ],
)
async def test_only_errors_worth_it_are_tried_again(on: Any) -> None:
    for error, calls in ((OSError, 2), (ValueError, 1)):
        failing = Failing(1, error)
        queue = closed(["a"], attempts=1, dead_letter="discard")
        await (queue | op.retry(op.map_async(failing), on=on) | sinks.count())
        assert failing.calls == {"a": calls}


@pytest.mark.parametrize("error", [Reject, Skip])
async def test_verdicts_are_not_tried_again(error: type[Exception]) -> None:
    failing = Failing(9, error)
    queue = closed(["a"], dead_letter="discard")
    await (queue | op.retry(op.map_async(failing)) | sinks.count())
    assert failing.calls == {"a": 1}


async def test_outages_halt_and_spend_none_of_the_tries() -> None:
    failing = Failing(9, ConnectionError)
    pipeline = streams.of("a") | op.retry(op.map_async(failing), attempts=2) | sinks.to_list()
    assert await pipeline == ["a"]
    assert pipeline.summary.halts == 1


async def test_the_timeout_of_map_async_is_that_of_one_try() -> None:
    seconds = iter([9.0, 0.5])

    async def slow_at_first(value: str) -> str:
        await asyncio.sleep(next(seconds))
        return value

    step = op.retry(op.map_async(slow_at_first, timeout=1), wait=tenacity.wait_fixed(5))
    assert await (streams.of("a") | step | sinks.to_list()) == ["a"]
    assert asyncio.get_running_loop().time() == 1 + 5 + 0.5


# -- retry of sinks -------------------------------------------------------------------------------


class Store:
    """A sink that refuses some values for a number of times, by name or by raising."""

    max_items = 10

    def __init__(self, refused: dict[int, int], *, raises: bool = False) -> None:
        self.refused = refused
        self.raises = raises
        self.written: list[list[int]] = []
        self.stored: list[int] = []

    async def write(self, items: Sequence[Any]) -> Sequence[Exception | None]:
        values = items[0] if items and isinstance(items[0], list) else list(items)
        self.written.append(list(values))
        bad = {n for n in values if self.refused.get(n, 0) > 0}
        for n in bad:
            self.refused[n] -= 1
        if bad and self.raises:
            raise OSError(f"refused: {sorted(bad)}")
        self.stored += [n for n in values if n not in bad]
        return [OSError(n) if n in bad else None for n in values]


@pytest.mark.parametrize("chunked", [True, False])
async def test_only_the_failed_elements_of_a_sink_are_written_again(chunked: bool) -> None:
    store = Store({2: 2})
    queue = closed([1, 2, 3], attempts=1)
    step = op.chunk(3) if chunked else op.tap(lambda n: None)
    pipeline = queue | step | op.retry(store, attempts=3)
    await pipeline
    assert store.written == [[1, 2, 3], [2], [2]]
    assert (queue.acked, pipeline.summary.accepted) == ([1, 2, 3], 3)


@pytest.mark.parametrize("chunked", [True, False])
async def test_a_member_that_keeps_failing_fails_alone(chunked: bool) -> None:
    dead = sinks.to_list()
    store = Store({2: 99})
    queue = closed([1, 2, 3], attempts=1, dead_letter=dead)
    step = op.chunk(3) if chunked else op.tap(lambda n: None)
    await (queue | step | op.retry(store, attempts=3))
    assert store.written == [[1, 2, 3], [2], [2]]
    assert [letter.body for letter in dead.values] == [2]


class NamesThenRaises(Store):
    """Names the failed element in its first answer, and raises from then on."""

    async def write(self, items: Sequence[Any]) -> Sequence[Exception | None]:
        answer = await super().write(items)
        self.raises = True
        return answer


async def test_what_was_accepted_stays_so_when_writing_the_rest_again_raises() -> None:
    dead = sinks.to_list()
    store = NamesThenRaises({2: 99})
    queue = closed([1, 2, 3], attempts=1, dead_letter=dead)
    await (queue | op.chunk(3) | op.retry(store, attempts=3))
    assert store.stored == [1, 3]
    assert store.written == [[1, 2, 3], [2], [2]]
    assert [letter.body for letter in dead.values] == [2]


async def test_an_outage_while_writing_the_rest_again_repeats_only_the_rest() -> None:
    class Away(Store):
        async def write(self, items: Sequence[Any]) -> Sequence[Exception | None]:
            if len(self.written) in (1, 2):
                self.written.append([])
                raise ConnectionError("away")
            return await super().write(items)

    store = Away({2: 1})
    queue = closed([1, 2, 3], attempts=1)
    pipeline = queue | op.chunk(3) | op.retry(store, attempts=2)
    await pipeline
    assert store.written == [[1, 2, 3], [], [], [2]]
    assert (store.stored, pipeline.summary.halts) == ([1, 3, 2], 1)


async def test_a_sink_that_raises_about_all_is_written_to_again_as_a_whole() -> None:
    store = Store({2: 2}, raises=True)
    queue = closed([1, 2, 3], attempts=1)
    await (queue | op.chunk(3) | op.retry(store, attempts=3))
    assert store.written == [[1, 2, 3]] * 3


async def test_a_function_as_a_sink_is_called_again_with_the_whole_element() -> None:
    failing = Failing(1)
    queue = closed([1, 2], attempts=1)
    written = op.chunk(2) | op.map(tuple) | op.retry(sinks.each(failing), on=OSError)
    await (queue | written)
    assert failing.calls == {(1, 2): 2}


async def test_the_result_is_that_of_the_sink_and_every_run_has_its_own() -> None:
    pipeline = streams.of(1, 2) | op.retry(sinks.fold(lambda total, n: total + n, 0))
    assert await pipeline == 3
    assert await pipeline == 3


async def test_the_waits_of_a_sink_are_tenacitys() -> None:
    failing = Failing(2)
    stop = tenacity.stop_after_delay(3)
    sink = op.retry(sinks.each(failing), attempts=stop, wait=tenacity.wait_fixed(2))
    await (streams.of("a") | sink)
    assert failing.moments == [0, 2, 4]
