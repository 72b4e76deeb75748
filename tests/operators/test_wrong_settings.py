"""Settings that can't be meant are errors where they are written, and say what to write instead."""

import asyncio
import queue as threads
from collections.abc import Callable
from math import inf, nan
from typing import Any

import aiostream
import pytest
import tenacity

from ackflow import operators as op
from ackflow import sinks, streams


async def coroutine_function(value: Any) -> Any:
    return value


async def async_generator(value: Any) -> Any:
    yield value


def generator(value: Any) -> Any:
    yield value


def identity(value: Any) -> Any:
    return value


untyped: Any = op
unsinks: Any = sinks
some: Any = streams.of(1, 2)
WHOLE = "must be a whole number from {} up, got {!r}"
SECONDS = "must be seconds above 0, or None for no limit, got {!r}"

Row = tuple[str, Callable[[], Any], type[Exception], list[str]]


def counts() -> list[Row]:
    """Every count, with what is none."""
    calls: list[tuple[str, Callable[[Any], Any], int]] = [
        ("op.chunk(size)", lambda n: op.chunk(n), 1),
        ("op.chunk(max_bytes)", lambda n: op.chunk(1, max_bytes=n), 1),
        ("op.map_async(concurrency)", lambda n: op.map_async(coroutine_function, n), 1),
        ("op.take(n)", lambda n: op.take(n), 0),
        ("op.skip(n)", lambda n: op.skip(n), 0),
        ("op.retry(attempts)", lambda n: op.retry(coroutine_function, n), 1),
        ("op.operator(holds)", lambda n: op.operator(holds=n), 0),
        ("sinks.each(concurrency)", lambda n: sinks.each(print, concurrency=n), 1),
        ("sinks.tee(attempts)", lambda n: sinks.tee(print_all(), print_all(), attempts=n), 1),
    ]
    wrong = (-1, 0, 1.5, nan, "3", True)
    return [
        (f"{call}={value!r}", lambda make=make, value=value: make(value), ValueError,
         [call, WHOLE.format(least, value)])
        for call, make, least in calls
        for value in wrong
        if not (value == 0 and least == 0 and value is not False)
    ]  # fmt: skip


def seconds() -> list[Row]:
    """Every time limit, with what is none."""
    calls: list[tuple[str, Callable[[Any], Any]]] = [
        ("op.chunk(timeout)", lambda t: op.chunk(1, timeout=t)),
        ("op.map_async(timeout)", lambda t: op.map_async(coroutine_function, timeout=t)),
    ]
    return [
        (f"{call}={value!r}", lambda make=make, value=value: make(value), ValueError,
         [call, SECONDS.format(value)])
        for call, make in calls
        for value in (-1.0, 0, nan, -inf, "1", True)
    ]  # fmt: skip


def print_all() -> Any:
    return sinks.each(print)


FUNCTIONS = ["map", "filter", "flat_map", "map_chunk", "tap", "catch"]
ROWS: list[Row] = [
    *counts(),
    *seconds(),
    *(
        (f"{name} of None", lambda name=name: getattr(untyped, name)(None), TypeError,
         [f"op.{name}(f)", "must be a function of one value", "None"])
        for name in FUNCTIONS
    ),
    *(
        (f"{name} of a coroutine function",
         lambda name=name: getattr(untyped, name)(coroutine_function), TypeError,
         [f"op.{name}(f)", "must be an ordinary function", "coroutine_function", "; use "])
        for name in FUNCTIONS
    ),
    ("map of a coroutine function", lambda: op.map(coroutine_function), TypeError,
     ["use op.map_async(f)"]),
    ("map_async of None", lambda: untyped.map_async(None), TypeError,
     ["op.map_async(f)", "async function", "None"]),
    ("map_async of a generator", lambda: untyped.map_async(generator), TypeError,
     ["op.map_async(f)", "generator", "op.flat_map"]),
    ("map_async of an async generator", lambda: untyped.map_async(async_generator), TypeError,
     ["op.map_async(f)", "async_generator", "op.flat_map"]),
    ("catch on a text", lambda: untyped.catch(identity, on="OSError"), TypeError,
     ["op.catch(on)", "exception type", "'OSError'"]),
    ("catch on KeyboardInterrupt", lambda: untyped.catch(identity, on=KeyboardInterrupt), TypeError,
     ["op.catch(on)", "KeyboardInterrupt"]),
    ("catch on nothing", lambda: op.catch(identity, on=()), ValueError,
     ["op.catch(on)", "at least one"]),
    ("retry of a number", lambda: untyped.retry(5), TypeError,
     ["op.retry(step)", "op.map_async or a sink", "5"]),
    ("retry of a class", lambda: untyped.retry(dict), TypeError, ["op.retry(step)", "dict"]),
    ("retry of chunk", lambda: untyped.retry(op.chunk(2)), TypeError,
     ["op.retry(step)", "op.map or op.map_async", "chunk(size=2"]),
    ("retry of several", lambda: op.retry(op.map(str) | op.map(int)), TypeError,
     ["op.retry(step)", "wrap each of several by itself"]),
    ("retry of flat_map", lambda: op.retry(op.flat_map(str.split)), TypeError, ["op.retry(step)"]),
    ("retry of tee", lambda: op.retry(sinks.tee(print_all(), print_all())), TypeError,
     ["op.retry(step)", "tee(", "retry the sinks inside it"]),
    ("retry of first", lambda: op.retry(sinks.first()), TypeError, ["op.retry(step)", "first()"]),
    ("retry with seconds as wait", lambda: untyped.retry(coroutine_function, wait=3), TypeError,
     ["op.retry(wait)", "tenacity.wait_fixed(1)", "3"]),
    ("retry with a class as wait",
     lambda: untyped.retry(coroutine_function, wait=tenacity.wait_fixed), TypeError,
     ["op.retry(wait)", "wait_fixed"]),
    ("retry on a text", lambda: op.retry(coroutine_function, on="x"), TypeError,
     ["op.retry(on)", "'x'"]),
    ("retry on a class of tenacity's",
     lambda: op.retry(coroutine_function, on=tenacity.retry_if_exception_type), TypeError,
     ["op.retry(on)", "retry_if_exception_type"]),
    ("merge of nothing", lambda: op.merge(), ValueError, ["op.merge(*streams)", "at least one"]),
    ("merge of a list", lambda: untyped.merge([1]), TypeError,
     ["op.merge(*streams)", "[1]", "streams.from_iterable"]),
    ("concat of nothing", lambda: op.concat(), ValueError, ["op.concat(*streams)"]),
    ("concat of an operator", lambda: untyped.concat(op.take(1)), TypeError,
     ["op.concat(*streams)", "take(n=1)"]),
    ("operator without parentheses", lambda: untyped.operator(async_generator), TypeError,
     ["@op.operator", "parentheses"]),
    ("operator of a function", lambda: untyped.operator()(identity), TypeError,
     ["@op.operator", "async generator", "identity"]),
    ("pipe of a number", lambda: op.pipe(op.map(str), 5), TypeError, ["operator or a sink", "5"]),
    ("pipe past a sink", lambda: op.pipe(sinks.count(), op.map(str)), TypeError,
     ["op.pipe(*steps)", "after a sink", "map(f=str)"]),
    ("fold of a number", lambda: unsinks.fold(5, 0), TypeError, ["sinks.fold(f)", "5"]),
    ("fold of a coroutine function", lambda: unsinks.fold(coroutine_function, 0), TypeError,
     ["sinks.fold(f)", "coroutine_function", "op.map_async"]),
    ("each of a list", lambda: unsinks.each([1]), TypeError, ["sinks.each(f)", "[1]"]),
    ("each idempotent='no'", lambda: unsinks.each(print, idempotent="no"), TypeError,
     ["sinks.each(idempotent)", "'no'"]),
    ("to_queue of a list", lambda: unsinks.to_queue([]), TypeError,
     ["sinks.to_queue(queue)", "asyncio.Queue", "sinks.each"]),
    ("to_queue of a queue that blocks", lambda: unsinks.to_queue(threads.Queue()), TypeError,
     ["sinks.to_queue(queue)", "asyncio.Queue", "queue.Queue"]),
    ("tee of one", lambda: sinks.tee(print_all()), ValueError, ["sinks.tee(*sinks)", "two", "1"]),
    ("tee of a function", lambda: sinks.tee(print_all(), print), TypeError,
     ["sinks.tee(*sinks)", "print", "sinks.each(function)"]),
    ("tee with seconds as wait", lambda: unsinks.tee(print_all(), print_all(), wait=2), TypeError,
     ["sinks.tee(wait)", "tenacity", "2"]),
    ("optional of a function", lambda: sinks.optional(print), TypeError,
     ["sinks.optional(sink)", "print", "sinks.each(function)"]),
    ("route by a text", lambda: unsinks.route("lang", {1: print_all()}), TypeError,
     ["sinks.route(key)", "function", "'lang'"]),
    ("route by a coroutine function",
     lambda: unsinks.route(coroutine_function, {1: print_all()}), TypeError,
     ["sinks.route(key)", "coroutine_function", "op.map_async"]),
    ("route to nowhere", lambda: sinks.route(str, {}), ValueError,
     ["sinks.route(routes)", "at least one", "{}"]),
    ("route to a list", lambda: unsinks.route(str, [print_all()]), ValueError,
     ["sinks.route(routes)", "map"]),
    ("route to a function", lambda: sinks.route(str, {"a": print}), TypeError,
     ["sinks.route(key, routes)", "print", "sinks.each(function)"]),
    ("a number after |", lambda: some | 5, TypeError,
     ["stream | step", "operator or a sink", "5", "op.map(function)"]),
    ("None after an operator", lambda: op.map(str) | some_none(), TypeError,
     ["operator | step", "operator or a sink", "None"]),
    ("a list before an operator", lambda: untyped.map(str)([1]), TypeError,
     ["map(f=str)", "[1]", "streams.from_iterable"]),
    ("an aiostream before an operator",
     lambda: aiostream.stream.just(1) | untyped.map(str), TypeError, ["op.lift"]),
    ("a list before a sink", lambda: unsinks.to_list()([1]), TypeError, ["to_list()", "[1]"]),
    *(
        (f"{name} of an unknown keyword",
         lambda make=make: make(sise=3), TypeError, ["unexpected keyword", "'sise'"])
        for name, make in [("chunk", untyped.chunk), ("map", untyped.map), ("take", untyped.take),
                           ("map_async", untyped.map_async), ("retry", untyped.retry),
                           ("each", unsinks.each), ("tee", unsinks.tee), ("fold", unsinks.fold)]
    ),
]  # fmt: skip


def some_none() -> Any:
    return None


@pytest.mark.parametrize(
    ("write", "kind", "parts"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
def test_a_wrong_setting_is_an_error_where_it_is_written(
    write: Callable[[], Any], kind: type[Exception], parts: list[str]
) -> None:
    with pytest.raises(kind) as caught:
        write()
    text = str(caught.value)
    assert all(part in text for part in parts), text


async def test_single_values_into_a_sink_that_takes_chunks_are_refused() -> None:
    class TakesChunks(streams.Sink[list[int], streams.Summary]):
        name = "bulk"
        chunks = True

    with pytest.raises(TypeError, match=r"bulk takes chunks.*put op\.chunk\(256, timeout=1\.0\)"):
        some | TakesChunks()
    some | op.chunk(5) | TakesChunks()


async def test_awaiting_a_stream_names_the_parentheses() -> None:
    with pytest.raises(TypeError, match=r"await stream: .* sinks\.to_list.* parentheses"):
        await some
    with pytest.raises(TypeError, match="parentheses"):
        await some | sinks.to_list()


@pytest.mark.parametrize("index", [-1, 3, slice(-2, None), slice(None, -1), slice(0, 4, 0), "a"])
async def test_a_stream_is_sliced_from_the_front_only(index: Any) -> None:
    with pytest.raises(TypeError, match="must be a slice from the front"):
        some[index]


@pytest.mark.parametrize("prefetch", [0, -1, 65_536, 1.5, True, "many"])
async def test_prefetch_fits_into_16_bits(prefetch: Any) -> None:
    with pytest.raises(ValueError, match="prefetch must be a whole number from 1 to 65,535"):
        streams.memory.queue(prefetch=prefetch)


def test_settings_at_their_edges_are_taken() -> None:
    op.chunk(1, timeout=0.001, max_bytes=1)
    op.chunk(1, timeout=inf)
    op.map_async(coroutine_function, 1, timeout=5)
    op.take(0)
    op.skip(0)
    op.retry(coroutine_function, 1)
    op.retry(coroutine_function, tenacity.stop_never, tenacity.wait_none())
    sinks.to_queue(asyncio.Queue())
