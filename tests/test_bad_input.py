"""What can't be meant, or is broken: each has the error or the outcome it must give, one row each.

Wrong settings are in operators/test_wrong_settings.py; that one operator serves two streams at once is
a law of the kit, and holds for every row in cases.py.
"""

import asyncio
import gc
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from math import inf, nan
from typing import Any

import aiostream
import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams.core import PipelineError
from ackflow.streams.memory import MemoryQueue
from ackflow.streams.testing import VirtualClock, VirtualLoop, run
from tests.queues import assert_all_closed, closed

pytestmark = pytest.mark.usefixtures("virtual_clock")

Function = Callable[[Any], Any]
BAD = 2
VALUES = [1, BAD, 3, 4]
GOOD = [1, 3, 4]


def same(value: Any) -> Any:
    return value


def as_async(f: Function) -> Function:
    async def call(value: Any) -> Any:
        return f(value)

    return call


def as_generator(f: Function) -> Function:
    def parts(value: Any) -> Iterable[Any]:
        yield f(value)

    return parts


def as_async_generator(f: Function) -> Function:
    async def parts(value: Any) -> AsyncIterator[Any]:
        yield f(value)

    return parts


def always(f: Function) -> Function:
    """Call it, and be true."""
    return lambda value: (f(value), True)[1]


def outage(value: Any) -> Any:
    raise LookupError(value)


# Every operator that calls a user's function, around one that is called with each value.
STEPS: dict[str, Callable[[Function], Any]] = {
    "broadcast": lambda f: op.broadcast(op.map(f), op.filter(lambda value: False)),
    "catch": lambda f: op.map(outage) | op.catch(lambda error: f(error.args[0])),
    "chunk by key": lambda f: op.chunk(1, key=f) | op.unchunk(),
    "distinct": lambda f: op.distinct(f),
    "filter": lambda f: op.filter(always(f)),
    "flat_map": lambda f: op.flat_map(lambda value: [f(value)]),
    "flat_map of a generator": lambda f: op.flat_map(as_generator(f)),
    "flat_map of an async generator": lambda f: op.flat_map(as_async_generator(f)),
    "lift": lambda f: op.lift(aiostream.stream.map, f),
    "map": lambda f: op.map(f),
    "map_async": lambda f: op.map_async(as_async(f)),
    "map_chunk": lambda f: op.chunk(1) | op.map_chunk(lambda chunk: [f(chunk[0])]) | op.unchunk(),
    "map_in": lambda f: op.map_in(Inline(), f),
    "partition": lambda f: op.partition(f, op.map(same)),
    "retry": lambda f: op.retry(op.map(f), attempts=1),
    "scan": lambda f: op.scan(lambda state, value: f(value), 0),
    "switch_map": lambda f: op.switch_map(lambda value: [f(value)]),
    "take_until": lambda f: op.take_until(lambda value: not always(f)(value)),
    "take_while": lambda f: op.take_while(always(f)),
    "tap": lambda f: op.tap(f),
}

# Every sink that calls one.
ENDS: dict[str, Callable[[Function], Any]] = {
    "each": lambda f: sinks.each(f),
    "each of an async function": lambda f: sinks.each(as_async(f), concurrency=3),
    "fold": lambda f: sinks.fold(lambda state, value: f(value), 0),
    "reduce": lambda f: op.map(same) | sinks.reduce(lambda state, value: f(value), default=0),
    "retried": lambda f: op.retry(sinks.each(f), attempts=1),
    "route": lambda f: sinks.route(f, {1: sinks.count()}, default=sinks.count()),
    "tee": lambda f: sinks.tee(sinks.each(f), sinks.count(), attempts=1),
}


class Inline(Executor):
    """Calls at once, in the thread that submits."""

    def submit(self, f: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(f(*args, **options))
        except BaseException as error:
            future.set_exception(error)
        return future


def failing(make: Callable[[], BaseException]) -> Function:
    def fail(value: Any) -> Any:
        if value == BAD:
            raise make()
        return value

    return fail


async def settled(
    way: Any, values: Iterable[Any] = VALUES
) -> tuple[Any, MemoryQueue[Any], list[Any]]:
    """Run a queue into a sink; return its result, the queue, and the dead letters."""
    dead = sinks.to_list()
    queue = closed(values, dead_letter=dead, attempts=1)
    result = await (queue | way)
    assert_all_closed(queue)
    return result, queue, dead.values


def told(letters: Sequence[Any]) -> list[tuple[Any, str]]:
    """The values of dead letters, and their errors."""
    return [(letter.body, letter.headers["x-ackflow-error"]) for letter in letters]


# -- what user functions raise ------------------------------------------------------------------------


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


@dataclass(frozen=True)
class Frozen(Exception):
    """Can't be given a note."""

    code: int = 7


class Uncopyable(Exception):
    def __reduce__(self) -> Any:
        raise RuntimeError("no copy")

    __copy__ = __deepcopy__ = __reduce__  # type: ignore[assignment]


class BadHeaders(ValueError):
    def headers(self) -> Any:
        raise RuntimeError("no headers")


class OtherHeaders(ValueError):
    """Has a method of that name that means something else."""

    def headers(self) -> Any:
        return 5


RAISED: dict[str, tuple[Callable[[], BaseException], str]] = {
    "an exception": (lambda: ValueError("bad"), "ValueError: bad"),
    "StopIteration": (StopIteration, "StopIteration"),
    "StopAsyncIteration": (StopAsyncIteration, "StopAsyncIteration"),
    "CancelledError": (asyncio.CancelledError, "cancelled"),
    "one whose text raises": (Unspeakable, "its text can't be shown: RuntimeError"),
    "one that can't be changed": (Frozen, "Frozen"),
    "one that can't be copied": (Uncopyable, "Uncopyable"),
    "one whose headers raise": (BadHeaders, "BadHeaders"),
    "one with headers of another kind": (OtherHeaders, "OtherHeaders"),
    "an exception group": (lambda: ExceptionGroup("two", [OSError(1)]), "ExceptionGroup: two"),
}


@pytest.mark.parametrize("error", RAISED)
@pytest.mark.parametrize("step", STEPS)
async def test_what_a_function_raises_is_its_own_messages_failure(step: str, error: str) -> None:
    make, text = RAISED[error]
    result, queue, letters = await settled(STEPS[step](failing(make)) | sinks.to_list())
    assert (sorted(result), sorted(queue.acked), queue.requeued) == (GOOD, VALUES, [])
    ((value, said),) = told(letters)
    assert value == BAD
    assert text.lower() in said.lower()


@pytest.mark.parametrize("error", RAISED)
@pytest.mark.parametrize("end", ENDS)
async def test_what_a_function_of_a_sink_raises_is_its_own_messages_failure(
    end: str, error: str
) -> None:
    make, text = RAISED[error]
    _, queue, letters = await settled(ENDS[end](failing(make)))
    assert (sorted(queue.acked), queue.requeued) == (VALUES, [])
    ((value, said),) = told(letters)
    assert value == BAD
    assert text.lower() in said.lower()


class Base(BaseException):
    """No Exception: it is meant to end more than a message."""


# Whatever a worker raises is told as its message's.
HERE = [way for way in (*STEPS, *ENDS) if way != "map_in"]


@pytest.mark.parametrize("error", [Base, GeneratorExit])
@pytest.mark.parametrize("way", HERE)
async def test_what_is_no_exception_ends_the_run_and_gives_back(
    way: str, error: type[BaseException]
) -> None:
    queue = closed(VALUES)
    step = {**STEPS, **ENDS}[way](failing(error))
    with pytest.raises(error):
        await (queue | step | sinks.to_list() if way in STEPS else queue | step)
    assert_all_closed(queue)
    assert sorted([*queue.acked, *queue.requeued]) == VALUES
    assert BAD in queue.requeued


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("way", HERE)
def test_what_ends_the_program_ends_the_run_and_gives_back(
    way: str, error: type[BaseException]
) -> None:
    queue = closed(VALUES)

    async def main() -> None:
        step = {**STEPS, **ENDS}[way](failing(error))
        await (queue | step | sinks.to_list() if way in STEPS else queue | step)

    with pytest.raises(error):
        run(main())
    # asyncio logs the exception of a task that the end of the loop left alone when the task is freed:
    # here, and not into the log of a later test.
    gc.collect()
    assert (queue.channels, queue.unsettled) == (0, [])
    assert BAD not in queue.acked


# -- what user functions return -----------------------------------------------------------------------


class Custom:
    def __await__(self) -> Any:
        yield


AWAITABLES: dict[str, tuple[Callable[[], Any], str]] = {
    "a coroutine": (lambda: as_async(same)(1), "returned a coroutine"),
    "a Future": (lambda: asyncio.get_running_loop().create_future(), "an awaitable Future"),
    "a Task": (lambda: asyncio.ensure_future(asyncio.sleep(0)), "an awaitable Task"),
    "one of a class of its own": (Custom, "an awaitable Custom"),
}
ORDINARY = {
    **{name: STEPS[name] for name in STEPS if "async" not in name and name != "retry"},
    **{name: ENDS[name] for name in ("fold", "reduce", "route")},
    # An answer that is an awaitable itself, and not one that is made of it.
    "filter": lambda f: op.filter(lambda value: f(value) if value == BAD else True),
    "flat_map": lambda f: op.flat_map(lambda value: f(value) if value == BAD else [value]),
    "switch_map": lambda f: op.switch_map(lambda value: f(value) if value == BAD else [value]),
    "take_until": lambda f: op.take_until(lambda value: f(value) if value == BAD else False),
    "take_while": lambda f: op.take_while(lambda value: f(value) if value == BAD else True),
    "map_chunk": lambda f: (
        op.chunk(1) | op.map_chunk(lambda chunk: f(BAD) if chunk == [BAD] else chunk) | op.unchunk()
    ),
}
del ORDINARY["flat_map of a generator"], ORDINARY["broadcast"]


@pytest.mark.parametrize("awaitable", AWAITABLES)
@pytest.mark.parametrize("way", ORDINARY)
async def test_an_awaitable_out_of_an_ordinary_function_fails_its_message(
    way: str, awaitable: str
) -> None:
    make, text = AWAITABLES[awaitable]
    step = ORDINARY[way](lambda value: make() if value == BAD else value)
    _, queue, letters = await settled(step if way in ENDS else step | sinks.to_list())
    assert (sorted(queue.acked), queue.requeued) == (VALUES, [])
    ((value, said),) = told(letters)
    assert value == BAD
    assert said.startswith("TypeError")
    assert text in said
    assert "use op.map_async for it" in said


async def test_streams_and_pipelines_are_values_like_others() -> None:
    made = [streams.of(1), streams.of(1) | sinks.count()]
    assert await (streams.of(0, 1) | op.map(made.__getitem__) | sinks.to_list()) == made


@pytest.mark.parametrize("key", [[], {}, set(), bytearray(), nan])
async def test_a_key_that_is_no_key_fails_its_message(key: Any) -> None:
    fits = key != key  # not a number is a key, of nothing but itself
    for step in (op.distinct(lambda value: key), op.partition(lambda value: key, op.map(same))):
        result, queue, letters = await settled(step | sinks.to_list(), [1])
        assert (result, queue.acked) == ([1] * fits, [1])
        assert all("must return something hashable" in text for _, text in told(letters))


# -- what values do -----------------------------------------------------------------------------------


class BadEq:
    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no eq")

    def __hash__(self) -> int:
        return 1


class BadHash:
    def __hash__(self) -> int:
        raise RuntimeError("no hash")


class BadBool:
    def __bool__(self) -> bool:
        raise RuntimeError("no bool")


class BadRepr:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class AllBad(BadEq, BadBool, BadRepr):
    def __hash__(self) -> int:
        raise RuntimeError("no hash")

    def __len__(self) -> int:
        raise RuntimeError("no len")

    def __iter__(self) -> Any:
        raise RuntimeError("no iter")


ODD: list[Callable[[], Any]] = [BadEq, BadHash, BadBool, BadRepr, AllBad, lambda: None]
ODD_NAMES = ["eq raises", "hash raises", "bool raises", "repr raises", "all raise", "None"]
every_odd = pytest.mark.parametrize("make", ODD, ids=ODD_NAMES)

# Operators that look at no value, or only at what a function makes of it.
THROUGH: dict[str, Callable[[], Any]] = {
    "broadcast": lambda: op.broadcast(op.map(same), op.filter(lambda value: False)),
    "buffer": lambda: op.buffer(2),
    "catch": lambda: op.catch(lambda error: 0),
    "chunk": lambda: op.chunk(2) | op.unchunk(),
    "concat": lambda: op.concat(streams.of()),
    "delay": lambda: op.delay(1),
    "distinct": lambda: op.distinct(id),
    "enumerate": lambda: op.enumerate() | op.map(lambda pair: pair[1]),
    "filter": lambda: op.filter(lambda value: True),
    "flat_map": lambda: op.flat_map(lambda value: [value]),
    "lift": lambda: op.lift(aiostream.stream.delay, 0),
    "map": lambda: op.map(same),
    "map_async": lambda: op.map_async(as_async(same)),
    "map_chunk": lambda: op.chunk(2) | op.map_chunk(same) | op.unchunk(),
    "map_in": lambda: op.map_in(Inline(), same),
    "merge": lambda: op.merge(streams.of()),
    "partition": lambda: op.partition(id, op.map(same), keys=1),
    "pipe": lambda: op.pipe(op.map(same)),
    "rate_limit": lambda: op.rate_limit(1),
    "retry": lambda: op.retry(op.map(same)),
    "scan": lambda: op.scan(lambda state, value: value, 0),
    "skip": lambda: op.skip(0),
    "switch_map": lambda: op.switch_map(lambda value: [value]),
    "take": lambda: op.take(9),
    "take_until": lambda: op.take_until(lambda value: False),
    "take_while": lambda: op.take_while(lambda value: True),
    "tap": lambda: op.tap(same),
    "window": lambda: op.window(count=2) | op.flatten(),
    "zip": lambda: op.zip(streams.from_iterable(range(9))) | op.map(lambda pair: pair[0]),
}
INTO: dict[str, Callable[[list[Any]], Any]] = {
    "count": lambda found: sinks.count(),
    "each": lambda found: sinks.each(found.append),
    "first": lambda found: sinks.first(),
    "fold": lambda found: sinks.fold(lambda state, value: found.append(value), None),
    "last": lambda found: sinks.last(),
    "optional": lambda found: sinks.optional(sinks.each(found.append)),
    "reduce": lambda found: sinks.reduce(lambda state, value: value),
    "route": lambda found: sinks.route(type, {int: sinks.count()}, default=sinks.count()),
    "tee": lambda found: sinks.tee(sinks.each(found.append), sinks.count()),
    "to_list": lambda found: sinks.to_list(),
    "to_queue": lambda found: sinks.to_queue(asyncio.Queue()),
}


def identical(found: Sequence[Any], values: Sequence[Any]) -> bool:
    """Compare values that can't be compared."""
    return len(found) == len(values) and all(map(lambda a, b: a is b, found, values))


@every_odd
@pytest.mark.parametrize("step", THROUGH)
async def test_a_value_of_any_kind_goes_through(step: str, make: Callable[[], Any]) -> None:
    values = [1, odd := make(), 3, odd]
    dead = sinks.to_list()
    queue = closed(values, dead_letter=dead)
    found = await (queue | THROUGH[step]() | sinks.to_list())
    distinct = step == "distinct"
    assert identical(found, values[:3] if distinct else values) or step == "partition"
    assert sorted(map(id, found)) == sorted(map(id, values[:3] if distinct else values))
    assert (len(queue.acked), dead.values) == (4, [])


@every_odd
@pytest.mark.parametrize("end", INTO)
async def test_a_value_of_any_kind_is_written(end: str, make: Callable[[], Any]) -> None:
    values = [1, odd := make(), 3, odd]
    dead = sinks.to_list()
    queue = closed(values, dead_letter=dead)
    await (queue | INTO[end]([]))
    assert identical(sorted([*queue.acked, *queue.requeued], key=id), sorted(values, key=id))
    assert dead.values == []


def test_a_kind_of_value_goes_through_every_operator_and_into_every_sink() -> None:
    # These drop what comes at once, make pairs, take values apart, or do as their user says.
    others = {"debounce", "throttle", "pairwise", "zip_latest", "flatten", "unchunk", "operator"}
    assert {*others, *THROUGH, "RateLimiter"} == set(op.__all__)
    modules = {"amqp", "elasticsearch", "files", "sqlite"}
    assert modules | set(INTO) == set(sinks.__all__)


LOOKING: dict[str, Callable[[], Any]] = {
    "chunk of bytes": lambda: op.chunk(9, max_bytes=9) | op.unchunk(),
    "distinct": lambda: op.distinct(),
    "filter": lambda: op.filter(same),
    "flatten": lambda: op.flatten(),
    "partition": lambda: op.partition(same, op.map(same)),
    "take_while": lambda: op.take_while(same),
    "raising": lambda: op.map(lambda value: 1 // 0 if isinstance(value, AllBad) else value),
}


@pytest.mark.parametrize("step", LOOKING)
async def test_a_value_that_breaks_who_looks_at_it_fails_alone(step: str) -> None:
    values = ["a", odd := AllBad(), "b"]
    result, queue, letters = await settled(LOOKING[step]() | sinks.to_list(), values)
    assert sorted(result) == ["a", "b"]
    assert identical([letter.body for letter in letters], [odd])
    assert len(queue.acked) == 3


@pytest.mark.parametrize("step", ["distinct", "partition"])
async def test_a_key_that_can_not_be_compared_fails_alone(step: str) -> None:
    values = [1, BadEq(), 3]  # the hash of 1 is that of the other: they are compared
    result, queue, letters = await settled(LOOKING[step]() | sinks.to_list(), values)
    assert result == [1, 3]
    assert [text for _, text in told(letters)] == ["RuntimeError: no eq"]
    assert len(queue.acked) == 3


async def test_a_route_whose_key_can_not_be_compared_fails_alone() -> None:
    way = sinks.route(same, {1: sinks.to_list()}, default=sinks.to_list())
    result, _, letters = await settled(way, [1, BadEq(), 3])
    assert result == {1: [1], None: [3]}
    assert [text for _, text in told(letters)] == ["RuntimeError: no eq"]


@every_odd
async def test_a_plain_source_tells_any_value_that_failed(make: Callable[[], Any]) -> None:
    dead = sinks.to_list()
    odd = make()
    source = streams.from_iterable([odd, 1], on_error=dead)
    kept = await (source | op.filter(lambda value: 1 // (value is not odd)) | sinks.to_list())
    assert kept == [1]
    assert identical([letter.body for letter in dead.values], [odd])


async def test_none_of_a_plain_source_is_a_value_that_was_delivered() -> None:
    source = streams.from_iterable([None], on_error=sinks.to_list())
    async for message in source.messages():
        assert message.delivery == streams.Delivery(None, source="from_iterable")
        message.ack()


async def test_a_state_that_can_not_be_shown_is_no_harm_to_errors() -> None:
    step = op.scan(lambda state, value: 1 // 0, BadRepr())
    _, _, letters = await settled(step | sinks.to_list(), [1])
    assert [value for value, _ in told(letters)] == [1]


# -- what sinks answer --------------------------------------------------------------------------------


class Answers(streams.Sink[Any, streams.Summary]):
    """Says the same of everything it is given."""

    name = "answers"

    def __init__(self, answer: Callable[[Sequence[Any]], Any], max_items: int, twice: bool) -> None:
        self.answer = answer
        self.max_items = max_items
        self.idempotent = twice

    async def write(self, items: Sequence[Any]) -> Any:
        return self.answer(items)


class Sync:
    def write(self, items: Sequence[Any]) -> None: ...


ANSWERS: dict[str, Callable[[Sequence[Any]], Any]] = {
    "True": lambda items: True,
    "a number": lambda items: 0,
    "not a number": lambda items: nan,
    "a generator": lambda items: (None for _ in items),
    "a mapping": lambda items: dict.fromkeys(range(len(items))),
    "a set": lambda items: {None},
    "a text of that length": lambda items: "x" * len(items),
    "fewer entries": lambda items: [],
    "more entries": lambda items: [None] * 9,
    "exception types": lambda items: [ValueError] * len(items),
    "numbers": lambda items: [1] * len(items),
    "what is no Exception": lambda items: [KeyboardInterrupt()] * len(items),
    "NotImplemented": lambda items: NotImplemented,
}


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("most", [1, 3])
@pytest.mark.parametrize("chunk", [None, 2])
@pytest.mark.parametrize("idempotent", [False, True])
async def test_an_answer_that_means_nothing_fails_what_was_written(
    answer: str, most: int, chunk: int | None, idempotent: bool
) -> None:
    sink = Answers(ANSWERS[answer], most, idempotent)
    _, queue, letters = await settled(sink if chunk is None else op.chunk(chunk) | sink)
    assert sorted(queue.acked) == VALUES
    assert sorted(value for value, _ in told(letters)) == VALUES
    assert {text.split(": ")[0] for _, text in told(letters)} == {"RuntimeError"}
    assert all("answers.write(items) must return None" in text for _, text in told(letters))


@pytest.mark.parametrize("answer", ANSWERS)
async def test_an_answer_that_means_nothing_is_not_asked_for_again(answer: str) -> None:
    sink = op.retry(Answers(ANSWERS[answer], 1, False), attempts=1)
    _, _, letters = await settled(sink, [1])
    assert "answers.write(items) must return None" in told(letters)[0][1]


async def test_a_write_that_is_not_async_says_so() -> None:
    _, _, letters = await settled(Sync(), [1])
    assert told(letters)[0][1].startswith("TypeError: sink.write(items) must be async, got None")


# -- what sources do ----------------------------------------------------------------------------------


class Counting:
    """An async iterator of 1, 2, 3 without `aclose`."""

    def __init__(self) -> None:
        self.number = 0
        self.closes = 0

    def __aiter__(self) -> Any:
        return self

    async def __anext__(self) -> int:
        if self.number == 3:
            raise StopAsyncIteration
        self.number += 1
        return self.number


class Closing(Counting):
    async def aclose(self) -> None:
        self.closes += 1
        raise OSError("does not close")


class Raising:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        raise self.error


class AsyncRaising(Raising):
    __iter__ = None  # type: ignore[assignment]

    def __aiter__(self) -> Any:
        return self

    async def __anext__(self) -> Any:
        raise self.error


class NoIterator:
    def __iter__(self) -> Any:
        raise OSError("no iterator")


class NoAsyncIterator:
    def __aiter__(self) -> Any:
        return 5


def at_once() -> Iterable[int]:
    raise OSError("at once")
    yield


def half_way() -> Iterable[int]:
    yield from (1, 2, 3, 4)
    raise OSError("half way")


async def half_way_async() -> AsyncIterator[int]:
    for number in (1, 2, 3):
        yield number
    raise OSError("half way")


async def stubborn() -> AsyncIterator[int]:
    """Goes on after it was closed."""
    number = 0
    while True:
        number += 1
        try:
            yield number
        except GeneratorExit:
            yield 99


async def numbers_for_lists() -> AsyncIterator[Any]:
    yield [1]
    yield 5


SourceRow = tuple[Callable[[], Any], type[BaseException] | None, str, list[int]]
SOURCES: dict[str, SourceRow] = {
    "raises at once": (at_once, OSError, "at once", []),
    "raises half way": (half_way, OSError, "half way", [1, 2, 3, 4]),
    "raises half way, async": (half_way_async, OSError, "half way", [1, 2, 3]),
    "has no iterator": (NoIterator, OSError, "no iterator", []),
    "has something else as iterator": (NoAsyncIterator, TypeError, "async iterator", []),
    "raises StopIteration late": (lambda: Raising(StopIteration()), None, "", []),
    "raises CancelledError": (lambda: Raising(asyncio.CancelledError()), streams.SourceError,
                              "its iterator raised CancelledError", []),
    "raises CancelledError, async": (lambda: AsyncRaising(asyncio.CancelledError()),
                                     streams.SourceError, "CancelledError", []),
    "raises what is no exception": (lambda: Raising(Base("end")), Base, "end", []),
    "raises what is no exception, async": (lambda: AsyncRaising(Base("end")), Base, "end", []),
    "has no aclose": (Counting, None, "", [1, 2, 3]),
    "does not close": (Closing, OSError, "does not close", [1, 2, 3]),
    "hands out no lists": (lambda: streams.from_lists(numbers_for_lists, name="pages"), TypeError,
                           "pages: must yield lists, got 5", [1]),
    "hands out nothing": (lambda: streams.from_lists(lambda: None, name="pages"),  # type: ignore[arg-type, return-value]
                          TypeError, "iterator", []),
}  # fmt: skip


@pytest.mark.parametrize("source", SOURCES)
async def test_an_iterator_that_breaks_ends_the_run_after_what_came_before(source: str) -> None:
    make, error, text, before = SOURCES[source]
    made = make()
    sink = sinks.to_list()
    stream = made if isinstance(made, streams.Stream) else streams.from_iterable(made)
    pipeline = stream | op.map(same) | sink
    if error is None:
        await pipeline
    else:
        with pytest.raises(error, match=text):
            await pipeline
    assert sink.values == before
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_an_iterator_that_does_not_close_loses_nothing_of_what_was_taken() -> None:
    sink = sinks.to_list()
    with pytest.raises(OSError, match="does not close"):
        await (streams.from_iterable(source := Closing()) | op.take(2) | sink)
    assert (sink.values, source.closes) == ([1, 2], 1)


async def test_an_iterator_that_goes_on_after_its_end_is_an_error_at_the_end() -> None:
    generator, sink = stubborn(), sinks.to_list()
    with pytest.raises(RuntimeError, match="ignored GeneratorExit"):
        await (streams.from_iterable(generator) | op.take(2) | sink)
    assert sink.values == [1, 2]


async def ones() -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize("make", [lambda: (n for n in (1, 2)), lambda: iter([1]), ones, Counting])
async def test_an_iterator_is_read_by_one_run_only(make: Callable[[], Any]) -> None:
    stream = streams.from_iterable(make())
    assert await (stream | sinks.count()) > 0
    for again in (stream | sinks.to_list(), stream[:1] | sinks.to_list()):
        with pytest.raises(streams.SourceError, match=r"read by one run only.*; give a list"):
            await again
    with pytest.raises(streams.SourceError):
        await stream.peek(1)


@pytest.mark.parametrize("values", [[1, 2], (1, 2), range(1, 3), {1: 0, 2: 0}, "12"], ids=repr)
async def test_what_is_no_iterator_is_read_by_any_number_of_runs(values: Iterable[Any]) -> None:
    stream = streams.from_iterable(values)
    assert [value async for value in stream] == [value async for value in stream] == list(values)
    assert await (stream | sinks.to_list()) == await (stream | sinks.to_list()) == list(values)


async def test_closing_an_iterator_twice_is_no_error() -> None:
    closes = 0

    async def values() -> AsyncIterator[int]:
        nonlocal closes
        try:
            yield 1
            yield 2
        finally:
            closes += 1

    generator = values()
    assert await streams.from_iterable(generator).peek(1) == [1]
    await generator.aclose()  # type: ignore[attr-defined]
    assert closes == 1
    looking = streams.of(1, 2, 3).__aiter__()
    assert await anext(looking) == 1
    for _ in range(2):
        await looking.aclose()  # type: ignore[attr-defined]
    with pytest.raises(StopAsyncIteration):
        await anext(looking)


# -- sizes and times at the far end -------------------------------------------------------------------

HUGE = 10**400
FAR: dict[str, tuple[Callable[[], Any], list[Any]]] = {
    "buffer(size)": (lambda: op.buffer(HUGE), [1, 2, 3]),
    "chunk(size)": (lambda: op.chunk(HUGE, timeout=None), [[1, 2, 3]]),
    "chunk(max_bytes)": (lambda: op.map(str) | op.chunk(9, max_bytes=HUGE), [["1", "2", "3"]]),
    "chunk(timeout)": (lambda: op.chunk(9, timeout=inf), [[1, 2, 3]]),
    "chunk(timeout) of a number": (lambda: op.chunk(9, timeout=1.7e308), [[1, 2, 3]]),
    "delay(max_items)": (lambda: op.delay(1, max_items=HUGE), [1, 2, 3]),
    "delay(seconds)": (lambda: op.delay(1e9), [1, 2, 3]),
    "distinct(keys)": (lambda: op.distinct(keys=HUGE, within=inf), [1, 2, 3]),
    "enumerate(start)": (lambda: op.enumerate(HUGE) | op.map(lambda pair: pair[1]), [1, 2, 3]),
    "map_async(concurrency)": (lambda: op.map_async(as_async(same), HUGE, timeout=inf), [1, 2, 3]),
    "map_in(concurrency)": (lambda: op.map_in(Inline(), same, HUGE), [1, 2, 3]),
    "partition(keys)": (lambda: op.partition(bool, op.map(same), keys=HUGE, idle=inf), [1, 2, 3]),
    "rate_limit(n)": (lambda: op.rate_limit(HUGE), [1, 2, 3]),
    "retry(attempts)": (lambda: op.retry(op.map(same), attempts=HUGE), [1, 2, 3]),
    "skip(n)": (lambda: op.skip(HUGE), []),
    "take(n)": (lambda: op.take(HUGE), [1, 2, 3]),
    "throttle(seconds)": (lambda: op.throttle(1.7e308), [1]),
    "window(count)": (lambda: op.window(count=HUGE), [[1, 2, 3]]),
    "window(every)": (lambda: op.window(every=1e9, max_items=HUGE), [[1, 2, 3]]),
}


@pytest.mark.parametrize("setting", FAR)
async def test_the_largest_sizes_and_times_work(setting: str) -> None:
    make, result = FAR[setting]
    assert await (streams.of(1, 2, 3) | make() | sinks.to_list()) == result


async def test_the_largest_limits_of_runs_and_sources_work() -> None:
    queue = streams.memory.queue([1, 2], attempts=HUGE, until_idle=1.7e300, prefetch=65_535)
    handle = (queue | sinks.each(same, concurrency=HUGE)).start(limit=HUGE, timeout=inf)
    await asyncio.sleep(1e9)
    queue.close()
    assert (await handle).accepted == 2


@pytest.mark.parametrize("deadline", [-1, nan, inf, "1", True, None])
async def test_a_drain_has_a_deadline_that_is_a_time(deadline: Any) -> None:
    handle = (streams.of(1) | sinks.count()).start()
    with pytest.raises(ValueError, match=r"handle\.drain\(deadline\): must be .*; leave it out"):
        await handle.drain(deadline)
    assert await handle == 1


@pytest.mark.parametrize("after", [-1, nan, inf, "soon"])
async def test_a_requeue_to_no_time_fails_its_message_and_holds_up_no_other(after: Any) -> None:
    def again(value: Any) -> Any:
        if value == BAD:
            raise streams.Requeue(after=after)
        return value

    result, queue, letters = await settled(op.map(again) | sinks.to_list())
    assert (result, sorted(queue.acked)) == (GOOD, VALUES)
    assert "streams.Requeue(after): must be seconds from 0 up" in told(letters)[0][1]


@pytest.mark.parametrize("seconds", [-1, nan, 0])
async def test_a_wait_that_is_no_time_is_none_at_all(seconds: float) -> None:
    tries: list[int] = []

    def twice(value: int) -> int:
        tries.append(value)
        if tries.count(BAD) == 1 and value == BAD:
            raise OSError
        return value

    queue = closed(VALUES, wait=lambda state: seconds)
    assert sorted(await (queue | op.map(twice) | sinks.to_list())) == VALUES
    assert tries.count(BAD) == 2


async def test_a_wait_that_raises_ends_the_run_and_gives_back() -> None:
    queue = closed(VALUES, wait=outage)
    with pytest.raises(LookupError):
        await (queue | op.map(failing(OSError)) | sinks.to_list())
    assert_all_closed(queue)
    assert sorted([*queue.acked, *queue.requeued]) == VALUES


# -- the same thing twice -----------------------------------------------------------------------------


async def test_a_stream_iterated_twice_at_once_hands_out_all_of_it_twice() -> None:
    stream = streams.of(1, 2, 3) | op.scan(lambda total, n: total + n, 0) | op.chunk(2)
    pairs = [(one, other) async for one in stream async for other in stream]
    assert pairs == [(one, other) for one in ([1, 3], [6]) for other in ([1, 3], [6])]


async def test_a_sink_in_two_runs_at_once_keeps_them_apart() -> None:
    for make in (sinks.to_list, sinks.count, lambda: sinks.fold(lambda t, n: t + n, 0), sinks.last):
        sink: Any = make()
        apart = [await (streams.of(*values) | sink) for values in ((1, 2), (3, 4, 5))]
        source = [
            streams.of(*values) | op.delay(1) | op.rate_limit(1) for values in ((1, 2), (3, 4, 5))
        ]
        assert await asyncio.gather(*((s | sink).start() for s in source)) == apart


async def test_a_pipeline_is_awaited_again_in_turn() -> None:
    pipeline = streams.of(1, 2) | op.map(str) | sinks.to_list()
    assert [await pipeline for _ in range(3)] == [["1", "2"]] * 3
    handle = pipeline.start()
    assert [await handle, await handle] == [["1", "2"]] * 2


async def test_a_pipeline_that_failed_is_awaited_again() -> None:
    errors = [OSError("once")]
    pipeline = streams.of(1) | op.map(lambda n: outage(n) if errors else n) | sinks.to_list()
    with pytest.raises(LookupError):
        await pipeline
    errors.clear()
    assert await pipeline == [1]


async def test_a_pipeline_awaited_while_it_runs_is_an_error() -> None:
    pipeline = streams.of(1) | op.delay(1) | sinks.to_list()
    handle = pipeline.start()
    for again in (pipeline.start, pipeline.__await__):
        with pytest.raises(RuntimeError, match=r"this pipeline is running; .* build a second one"):
            again()
    assert await handle == [1]


async def test_a_stream_merged_with_itself_has_its_values_twice() -> None:
    stream = streams.of(1, 2)
    assert sorted(await (stream | op.merge(stream) | sinks.to_list())) == [1, 1, 2, 2]
    assert await (stream | op.concat(stream) | sinks.to_list()) == [1, 2, 1, 2]
    queue = closed([1, 2, 3, 4], prefetch=1)
    assert sorted(await (queue | op.merge(queue) | sinks.to_list())) == [1, 2, 3, 4]
    assert sorted(queue.acked) == [1, 2, 3, 4]


async def test_a_stream_zipped_with_itself_is_an_error_where_it_is_composed() -> None:
    for zipped in (op.zip, op.zip_latest):
        with pytest.raises(ValueError, match="must have a source of its own"):
            (stream := streams.of(1)) | zipped(stream | op.map(str))


async def test_a_queue_written_into_itself_goes_round_until_it_is_ended() -> None:
    queue = streams.memory.queue([1])
    turns = queue | op.map(lambda n: n + 1) | op.take(100) | sinks.to_queue(queue)
    assert (await turns).accepted == 100
    assert queue.ready == [101]


# -- functions that do not end, and loops that do not turn --------------------------------------------


async def swallows_for_ever(value: Any) -> Any:
    while not over:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            continue


async def swallows_once(value: Any) -> Any:
    try:
        await asyncio.sleep(1000)
    except asyncio.CancelledError:
        return value


async def parts_for_ever(value: Any) -> AsyncIterator[Any]:
    yield await swallows_for_ever(value)


class Endless:
    def __aiter__(self) -> Any:
        return self

    async def __anext__(self) -> Any:
        if over:
            raise StopAsyncIteration
        return await swallows_for_ever(0)


over: list[bool] = []
"""Not empty when a test is over, so that what it left behind can end."""

STUBBORN: dict[str, Callable[[Function], Any]] = {
    "map_async": lambda f: op.map_async(f) | sinks.to_list(),
    "map_async, retried": lambda f: op.retry(op.map_async(f)) | sinks.to_list(),
    "behind buffer": lambda f: op.map_async(f) | op.buffer(3) | sinks.to_list(),
    "behind chunk": lambda f: op.map_async(f) | op.chunk(2) | sinks.to_list(),
    "partition": lambda f: op.partition(same, op.map_async(f)) | sinks.to_list(),
    "broadcast": lambda f: op.broadcast(op.map_async(f), op.map(str)) | sinks.to_list(),
    "each": lambda f: sinks.each(f),
    "each, several": lambda f: sinks.each(f, concurrency=3),
    "tee": lambda f: sinks.tee(sinks.each(f), sinks.count()),
    "optional": lambda f: sinks.optional(sinks.each(f)),
    "flat_map": lambda f: op.flat_map(parts_for_ever) | sinks.to_list(),
    "switch_map": lambda f: op.switch_map(parts_for_ever) | sinks.to_list(),
    "a source": lambda f: op.merge(streams.from_iterable(Endless())) | sinks.to_list(),
}

# Those that are given the function, and may swallow once.
ONCE = [way for way in STUBBORN if way not in ("flat_map", "switch_map", "a source")]


async def leave(handle: Any, exit: str) -> None:
    if exit == "abort":
        await handle.abort()
    elif exit == "drain":
        await handle.drain(deadline=10)
    else:
        waiting = asyncio.ensure_future(handle._result())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])


@pytest.mark.parametrize("exit", ["abort", "drain", "cancel"])
@pytest.mark.parametrize("way", STUBBORN)
async def test_a_function_that_swallows_its_cancellation_is_left_behind_in_time(
    way: str, exit: str, virtual_clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "ackflow.cancelling")
    over.clear()
    queue = streams.memory.queue(VALUES)
    handle = (queue | STUBBORN[way](swallows_for_ever)).start()
    waiting = asyncio.ensure_future(handle._result())
    await virtual_clock.advance(1)
    began = virtual_clock.now
    await leave(handle, exit)
    assert virtual_clock.now - began <= 4 + 10 * (exit == "drain")
    await virtual_clock.idle()
    assert waiting.done()
    assert (handle.done, queue.channels, queue.unsettled) == (True, 0, [])
    assert sorted([*queue.acked, *queue.requeued]) == VALUES
    assert "after it was cancelled, and is left behind" in caplog.text
    assert (": a call goes on" in caplog.text) == ("map_async(f" in repr(STUBBORN[way](same)))
    over.append(True)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.wait(left)


@pytest.mark.parametrize("exit", ["abort", "drain", "cancel"])
@pytest.mark.parametrize("way", ONCE)
async def test_a_function_that_swallows_one_cancellation_does_not_keep_the_run_going(
    way: str, exit: str, virtual_clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    queue = streams.memory.queue(range(30))
    handle = (queue | STUBBORN[way](swallows_once)).start()
    await virtual_clock.advance(1)
    began = virtual_clock.now
    await leave(handle, exit)
    assert virtual_clock.now - began <= 10 * (exit == "drain")
    assert (handle.done, queue.channels, caplog.text) == (True, 0, "")
    assert sorted([*queue.acked, *queue.requeued]) == list(range(30))


async def test_a_function_that_blocks_the_loop_lets_it_turn_between_values() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    turns: list[int] = []

    def blocking(value: int) -> int:
        turns.append(loop.turns)
        time.sleep(0.006)  # really: more than the engine works without a turn of the loop
        return value

    async def busy() -> AsyncIterator[int]:
        while True:
            await asyncio.sleep(0)
            yield 1

    other = (streams.from_iterable(busy()) | sinks.count()).start()
    blocked = await (streams.of(*range(30)) | op.map(blocking) | sinks.to_list())
    await other.drain()
    assert blocked == list(range(30))
    # Runs begin with more values than a slow function should have: later ones are cut short.
    assert len(set(turns[-10:])) == 10
    assert await other > 5


# -- executors ----------------------------------------------------------------------------------------


class Broken(Executor):
    def submit(self, f: Any, /, *args: Any, **options: Any) -> Any:
        raise BrokenExecutor("its workers are gone")


class NoFutures(Executor):
    def submit(self, f: Any, /, *args: Any, **options: Any) -> Any:
        return 5


def shut_down() -> ThreadPoolExecutor:
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    return executor


EXECUTORS: dict[str, tuple[Callable[[], Any], str]] = {
    "shut down": (shut_down, r"takes no more calls .*; shut it down when the run has ended"),
    "broken": (Broken, r"is broken .*; give a function that makes it"),
    "made shut down": (lambda: shut_down, "must make a new one whenever it is called"),
    "made broken": (lambda: Broken, "breaks at an empty call"),
    "makes none": (lambda: lambda: 5, "must make an executor, made 5"),
    "can't be made": (lambda: lambda: 1 // 0, "ZeroDivisionError"),
    "without futures": (NoFutures, r"must return a concurrent\.futures\.Future, got 5"),
}


@pytest.mark.parametrize("executor", EXECUTORS)
async def test_an_executor_that_takes_no_calls_ends_the_run_and_gives_back(executor: str) -> None:
    make, text = EXECUTORS[executor]
    queue = closed(VALUES)
    with pytest.raises(PipelineError, match=rf"op\.map_in\(executor\): .*{text}"):
        await (queue | op.map_in(make(), same) | sinks.to_list())
    assert_all_closed(queue)
    assert (queue.acked, sorted(queue.requeued)) == ([], VALUES)
