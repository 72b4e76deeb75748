"""Settings that can't be meant are errors where they are written, and say what to write instead."""

import asyncio
import queue as threads
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from inspect import isfunction, ismodule, signature
from math import inf, nan
from pathlib import Path
from types import SimpleNamespace
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
SECONDS = "must be seconds above 0, got {}"

Row = tuple[str, Callable[[], Any], type[Exception], list[str]]


def counts() -> list[Row]:
    """Every count, with what is none."""
    calls: list[tuple[str, Callable[[Any], Any], int]] = [
        ("op.chunk(size)", lambda n: op.chunk(n), 1),
        ("op.chunk(max_bytes)", lambda n: op.chunk(1, max_bytes=n), 1),
        ("op.chunk(groups)", lambda n: op.chunk(1, key=identity, groups=n), 1),
        ("op.map_async(concurrency)", lambda n: op.map_async(coroutine_function, n), 1),
        ("op.map_in(concurrency)", lambda n: op.map_in(ThreadPoolExecutor, identity, n), 1),
        ("op.rate_limit(n)", lambda n: op.rate_limit(n), 1),
        ("op.RateLimiter(n)", lambda n: op.RateLimiter(n), 1),
        ("op.delay(max_items)", lambda n: op.delay(1, max_items=n), 1),
        ("op.buffer(size)", lambda n: op.buffer(n), 1),
        ("op.distinct(keys)", lambda n: op.distinct(keys=n), 1),
        ("op.partition(keys)", lambda n: op.partition(identity, op.map(str), keys=n), 1),
        ("op.take(n)", lambda n: op.take(n), 0),
        ("op.lift(take)", lambda n: op.lift(aiostream.stream.take, n), 0),
        ("op.skip(n)", lambda n: op.skip(n), 0),
        ("op.retry(attempts)", lambda n: op.retry(coroutine_function, n), 1),
        ("op.operator(holds)", lambda n: op.operator(holds=n), 0),
        ("op.window(count)", lambda n: op.window(count=n), 1),
        ("op.window(max_items)", lambda n: op.window(gap=1, max_items=n), 1),
        ("op.window(step)", lambda n: op.window(count=1, step=n), 1),
        ("odd.concurrency", lambda n: some | Odd(concurrency=n), 1),
        ("odd.max_items", lambda n: sinks.optional(Odd(max_items=n)), 1),
        ("pipeline.run(limit)", lambda n: (some | sinks.count()).start(limit=n), 1),
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
        ("op.distinct(within)", lambda t: op.distinct(within=t)),
        ("op.partition(idle)", lambda t: op.partition(identity, op.map(str), idle=t)),
        ("streams.memory.queue(until_idle)", lambda t: streams.memory.queue(until_idle=t)),
        ("pipeline.run(timeout)", lambda t: (some | sinks.count()).start(timeout=t)),
    ]
    return [
        (f"{call}={value!r:.9}", lambda make=make, value=value: make(value), ValueError,
         [call, SECONDS.format(f"{value!r:.99}"), "; None sets no limit"])
        for call, make in calls
        for value in (-1.0, 0, nan, -inf, "1", True, 10**400)
    ]  # fmt: skip


def durations() -> list[Row]:
    """Every time that is waited for, with what is none."""
    calls: list[tuple[str, Callable[[Any], Any]]] = [
        ("op.rate_limit(per)", lambda t: op.rate_limit(1, per=t)),
        ("op.RateLimiter(per)", lambda t: op.RateLimiter(1, per=t)),
        ("op.throttle(seconds)", lambda t: op.throttle(t)),
        ("op.debounce(seconds)", lambda t: op.debounce(t)),
        ("op.delay(seconds)", lambda t: op.delay(t)),
        ("streams.every(seconds)", lambda t: streams.every(t)),
        ("streams.exponential(first)", lambda t: streams.exponential(t)),
    ]
    return [
        (f"{call}={value!r:.9}", lambda make=make, value=value: make(value), ValueError,
         [call, f"must be a finite number of seconds above 0, got {value!r:.99}"])
        for call, make in calls
        for value in (-1.0, 0, nan, inf, -inf, "1", True, None, 10**400)
    ]  # fmt: skip


def windows() -> list[Row]:
    """What windows may be given, and what not beside what else."""
    times: list[tuple[str, Callable[[Any], Any]]] = [
        ("op.window(every)", lambda t: op.window(every=t, max_items=1)),
        ("op.window(span)", lambda t: op.window(every=1, span=t, max_items=1)),
        ("op.window(gap)", lambda t: op.window(gap=t, max_items=1)),
        ("op.window(longest)", lambda t: op.window(gap=1, longest=t, max_items=1)),
    ]
    kinds: list[tuple[dict[str, Any], str]] = [
        ({}, "none of them"),
        ({"max_items": 3}, "none of them"),
        ({"every": 1, "count": 2}, "every=1 and count=2"),
        ({"every": 1, "gap": 2, "max_items": 3}, "every=1 and gap=2"),
    ]
    strangers: list[tuple[dict[str, Any], str]] = [
        ({"every": 1, "step": 2, "max_items": 3}, "op.window(step): must come with count="),
        ({"every": 1, "longest": 2, "max_items": 3}, "op.window(longest): must come with gap="),
        ({"gap": 1, "span": 2, "max_items": 3}, "op.window(span): must come with every="),
        ({"count": 1, "span": 2}, "op.window(span): must come with every="),
        ({"count": 1, "max_items": 2}, "op.window(max_items): must come with every= or gap="),
    ]
    rows: list[Row] = [
        (f"{call}={value!r:.9}", lambda make=make, value=value: make(value), ValueError,
         [call, f"must be a finite number of seconds above 0, got {value!r:.99}"])
        for call, make in times
        for value in (-1.0, 0, nan, inf, -inf, "1", True, 10**400)
    ]  # fmt: skip
    rows += [
        (f"window({given})", lambda given=given: untyped.window(**given), TypeError,
         ["op.window(every, gap, count): must be given exactly one", f"got {got};"])
        for given, got in kinds
    ]  # fmt: skip
    rows += [
        (f"window({given})", lambda given=given: untyped.window(**given), TypeError,
         [text, ", got ", "; leave one of them out"])
        for given, text in strangers
    ]  # fmt: skip
    rows += [
        ("window by time without a bound", lambda: untyped.window(every=1), TypeError,
         ["op.window(max_items): must be given with every=", "bounds", "; op.window(every=…"]),
        ("window by session without a bound", lambda: untyped.window(gap=1, longest=3), TypeError,
         ["op.window(max_items): must be given with gap=", "bounds", "; op.window(gap=…"]),
        ("windows no timer can tell apart", lambda: op.window(every=0.0009, max_items=1), ValueError,
         ["op.window(every)", "0.001 s at least", "0.0009", "; op.window(count=…"]),
        ("window that overlaps too many", lambda: op.window(every=1, span=1001, max_items=1),
         ValueError, ["op.window(span)", "1000 times every", "1001", "every=1", "; make every"]),
        ("session shorter than its gap", lambda: op.window(gap=2, longest=1.5, max_items=1),
         ValueError, ["op.window(longest)", "gap at least", "1.5", "gap=2", "; op.window(every=…"]),
    ]  # fmt: skip
    return rows


def flags() -> list[Row]:
    """Everything that is True or False, with what is neither."""
    calls: list[tuple[str, Callable[[Any], Any]]] = [
        ("op.map_async(ordered)", lambda flag: op.map_async(coroutine_function, ordered=flag)),
        ("op.map_in(ordered)", lambda flag: op.map_in(ThreadPoolExecutor, identity, ordered=flag)),
        ("op.partition(strict)", lambda flag: op.partition(identity, op.map(str), strict=flag)),
        ("sinks.each(idempotent)", lambda flag: sinks.each(print, idempotent=flag)),
        ("streams.memory.queue(history)", lambda flag: streams.memory.queue(history=flag)),
    ]
    return [
        (f"{call}={value!r}", lambda make=make, value=value: make(value), TypeError,
         [f"{call}: must be True or False, got {value!r}; "])
        for call, make in calls
        for value in (None, 1, "no")
    ]  # fmt: skip


def lifted() -> list[Row]:
    """What an operator of aiostream is given when it is lifted."""
    stream: Any = aiostream.stream
    return [
        ("lift of a number", lambda: op.lift(5), TypeError,
         ["op.lift(operator)", "5", "; @op.operator"]),
        ("lift of what can't be tracked", lambda: op.lift(stream.merge), TypeError,
         ["op.lift(merge)", "; use op.merge"]),
        ("lift without an argument", lambda: op.lift(stream.spaceout), TypeError,
         ["op.lift(spaceout)", "got ()", "; missing a required argument: 'interval'"]),
        ("lift with an unknown keyword", lambda: op.lift(stream.spaceout, 1, sise=3), TypeError,
         ["op.lift(spaceout)", "{'sise': 3}", "; got an unexpected keyword argument 'sise'"]),
        ("lift of a number as function", lambda: op.lift(stream.map, 5), TypeError,
         ["op.lift(map)", "5", "; give the function itself"]),
        ("lift of a coroutine function", lambda: op.lift(stream.map, coroutine_function), TypeError,
         ["op.lift(map)", "coroutine_function", "; use op.map_async"]),
        ("lift of the end", lambda: op.lift(stream.getitem, -1), ValueError,
         ["op.lift(getitem)", "-1", "; what lies at the end"]),
        *((f"lift of {name} by {value!r}",
           lambda name=name, value=value: op.lift(getattr(stream, name), value), ValueError,
           [f"op.lift({name})", "seconds from 0 up", repr(value), "; 0 waits for nothing"])
          for name in ("spaceout", "delay", "timeout")
          for value in (-1, nan, inf, "1", None)),
    ]  # fmt: skip


def sources() -> list[Row]:
    """What streams begin with, what they are run with, and verdicts."""
    of: Any = streams
    on_error: list[tuple[str, Callable[[Any], Any]]] = [
        ("streams.every(on_error)", lambda e: of.every(1, on_error=e)),
        ("streams.from_iterable(on_error)", lambda e: of.from_iterable([1], on_error=e)),
        ("streams.from_queue(on_error)", lambda e: of.from_queue(asyncio.Queue(), on_error=e)),
        ("pages(on_error)", lambda e: of.from_lists(async_generator, name="pages", on_error=e)),
    ]
    pages: Callable[..., Any] = of.from_lists
    queue: Callable[..., Any] = of.memory.queue
    rows: list[Row] = [
        (f"{call}={value!r}", lambda make=make, value=value: make(value), ValueError,
         [call, '"raise", "skip" or a sink', repr(value), '; leave it out for "raise"'])
        for call, make in on_error
        for value in (None, "ignore", 5, [])
    ]  # fmt: skip
    rows += [
        (f"prefetch={value!r}", lambda value=value: queue(prefetch=value), ValueError,
         ["streams.memory.queue(prefetch)", "from 1 to 65,535", repr(value), "; leave it out"])
        for value in (0, -1, 65_536, 1.5, nan, True, "many")
    ]  # fmt: skip
    rows += [
        (f"attempts={value!r}", lambda value=value: queue(attempts=value), ValueError,
         ["streams.memory.queue(attempts)", "from 1 up", repr(value), "; leave it out for 5"])
        for value in (0, -1, 1.5, nan, True, "many", None)
    ]  # fmt: skip
    rows += [
        (f"Requeue(after={value!r})", lambda value=value: streams.Requeue(after=value), ValueError,
         ["streams.Requeue(after)", "seconds from 0 up", repr(value), "; leave it out"])
        for value in (-1, nan, inf, "1", True)
    ]  # fmt: skip
    rows += [
        ("from_iterable of a number", lambda: of.from_iterable(5), TypeError,
         ["streams.from_iterable(values)", "5", "; streams.of(value)"]),
        ("graph of a number", lambda: of.graph(5), TypeError,
         ["streams.graph(part)", "must be a stream, operator, sink or pipeline", "got 5", "; op.map"]),
        ("from_queue of a list", lambda: of.from_queue([]), TypeError,
         ["streams.from_queue(queue)", "[]", "; streams.from_iterable"]),
        ("from_queue of a queue that blocks", lambda: of.from_queue(threads.Queue()), TypeError,
         ["streams.from_queue(queue)", "queue.Queue", "; streams.from_iterable"]),
        ("from_lists of a list", lambda: pages([[1]], name="x"), TypeError,
         ["streams.from_lists(lists)", "[[1]]", "; give the function itself"]),
        ("from_lists without a name", lambda: pages(async_generator, name=None), TypeError,
         ["streams.from_lists(name)", "None", "; reprs and errors"]),
        ("from_lists with settings that are none",
         lambda: pages(async_generator, name="x", settings=5), TypeError,
         ["streams.from_lists(settings)", "5", "; leave it out"]),
        ("exponential to -1", lambda: streams.exponential(longest=-1), ValueError,
         ["streams.exponential(longest)", "-1", "; leave it out for 60 s"]),
        ("a queue of a number", lambda: queue(5), TypeError,
         ["streams.memory.queue(values)", "5", "; [value] makes"]),
        ("a queue with seconds as wait", lambda: queue(wait=2), TypeError,
         ["streams.memory.queue(wait)", "2", "; tenacity"]),
        ("a queue with one type as permanent", lambda: queue(permanent=ValueError), TypeError,
         ["streams.memory.queue(permanent)", "ValueError", "; []"]),
        ("a queue with a text as permanent", lambda: queue(permanent=["ValueError"]), TypeError,
         ["streams.memory.queue(permanent)", "'ValueError'", "; []"]),
        ("a queue with a function as dead letter", lambda: queue(dead_letter=print), TypeError,
         ["streams.memory.queue(dead_letter)", "print", "; sinks.each(function)"]),
        ("broadcast of one", lambda: op.broadcast(op.map(str)), ValueError,
         ["op.broadcast(*steps)", "two operators", "got 1", "; a single one needs no broadcast"]),
        ("broadcast of a sink", lambda: untyped.broadcast(op.map(str), sinks.count()), TypeError,
         ["op.broadcast(*steps)", "count()", "sinks.tee"]),
        ("partition by a text", lambda: untyped.partition("id", op.map(str)), TypeError,
         ["op.partition(key)", "'id'", "; give the function itself"]),
        ("partition through a function", lambda: untyped.partition(identity, str), TypeError,
         ["op.partition(step)", "str", "; op.map(function)"]),
        ("scan of a number", lambda: untyped.scan(5, 0), TypeError,
         ["op.scan(f)", "5", "; give the function itself"]),
        ("reduce of a number", lambda: unsinks.reduce(5), TypeError,
         ["sinks.reduce(f)", "5", "; give the function itself"]),
        ("reduce of a coroutine function", lambda: unsinks.reduce(coroutine_function), TypeError,
         ["sinks.reduce(f)", "coroutine_function", "; use op.map_async"]),
    ]  # fmt: skip
    return rows


class Odd(streams.Sink[Any, streams.Summary]):
    """A sink with numbers that can't be meant."""

    name = "odd"

    def __init__(self, **numbers: Any) -> None:
        self.__dict__.update(numbers)


def print_all() -> Any:
    return sinks.each(print)


FUNCTIONS = ["map", "filter", "flat_map", "map_chunk", "tap", "catch", "take_while", "take_until"]
ROWS: list[Row] = [
    *counts(),
    *seconds(),
    *durations(),
    *windows(),
    ("chunk by a text", lambda: untyped.chunk(2, key="id"), TypeError, ["op.chunk(key)", "'id'"]),
    ("chunk by a coroutine function", lambda: op.chunk(2, key=coroutine_function), TypeError,
     ["op.chunk(key)", "coroutine_function", "op.map_async"]),
    ("chunk of groups without a key", lambda: untyped.chunk(2, groups=3), TypeError,
     ["op.chunk(groups)", "must come with key", "got groups=3", "; leave it out, or give key="]),
    ("rate_limit with a limiter and a time", lambda: op.rate_limit(op.RateLimiter(2, per=3), per=5),
     TypeError, ["op.rate_limit(n, per)", "RateLimiter(2, per=3)", "5", "leave it out"]),
    ("buffer that drops all", lambda: untyped.buffer(2, drop="all"), ValueError,
     ["op.buffer(drop)", "'all'", '"newest"', '"oldest"']),
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
    ("map_in of None", lambda: untyped.map_in(ThreadPoolExecutor, None), TypeError,
     ["op.map_in(f)", "must be a function of one value", "None"]),
    ("map_in of a coroutine function",
     lambda: untyped.map_in(ThreadPoolExecutor, coroutine_function), TypeError,
     ["op.map_in(f)", "coroutine_function", "use op.map_async(f)"]),
    *(
        (f"map_in with {getattr(executor, '__name__', executor)}",
         lambda executor=executor: untyped.map_in(executor, identity), TypeError,
         ["op.map_in(executor)", "must be an executor of concurrent.futures", repr(executor),
          "op.map_in(ThreadPoolExecutor, f)"])
        for executor in (None, 4, "threads", identity, coroutine_function,
                         SimpleNamespace(submit=None))
    ),
    ("switch_map of None", lambda: untyped.switch_map(None), TypeError,
     ["op.switch_map(f)", "must be a function of one value", "None"]),
    ("switch_map of a coroutine function", lambda: untyped.switch_map(coroutine_function), TypeError,
     ["op.switch_map(f)", "coroutine_function", "an async generator function, or op.map_async"]),
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
    *(
        (f"{name} of nothing", lambda name=name: getattr(untyped, name)(), ValueError,
         [f"op.{name}(*streams)", "at least one"])
        for name in ("zip", "zip_latest")
    ),
    *(
        (f"{name} of a list", lambda name=name: getattr(untyped, name)(some, [1]), TypeError,
         [f"op.{name}(*streams)", "[1]", "streams.from_iterable"])
        for name in ("zip", "zip_latest")
    ),
    *(
        (f"{name} of branches of one source",
         lambda name=name: some | getattr(untyped, name)(some | op.map(str)), ValueError,
         [f"op.{name}(*streams)", "a source of its own", "of(values=2)", "op.map(f)"])
        for name in ("zip", "zip_latest")
    ),
    ("scan of None", lambda: untyped.scan(None, 0), TypeError,
     ["op.scan(f)", "a state and a value", "None"]),
    ("scan of a coroutine function", lambda: op.scan(coroutine_function, 0), TypeError,
     ["op.scan(f)", "coroutine_function", "op.map_async"]),
    *(
        (f"enumerate from {start!r}", lambda start=start: untyped.enumerate(start), ValueError,
         ["op.enumerate(start)", "must be a whole number", repr(start)])
        for start in (1.0, "1", True, None)
    ),
    ("distinct by a text", lambda: untyped.distinct("id"), TypeError, ["op.distinct(key)", "'id'"]),
    ("distinct by a coroutine function", lambda: op.distinct(coroutine_function), TypeError,
     ["op.distinct(key)", "coroutine_function", "op.map_async"]),
    ("reduce of a number", lambda: unsinks.reduce(5), TypeError, ["sinks.reduce(f)", "5"]),
    ("reduce of a coroutine function", lambda: unsinks.reduce(coroutine_function), TypeError,
     ["sinks.reduce(f)", "coroutine_function", "op.map_async"]),
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
     ["sinks.route(routes)", "print", "sinks.each(function)"]),
    ("route with a function as default", lambda: unsinks.route(str, {1: print_all()}, default=print),
     TypeError, ["sinks.route(default)", "print", "sinks.each(function)"]),
    ("route of None beside a default",
     lambda: unsinks.route(str, {None: print_all()}, default=print_all()), ValueError,
     ["sinks.route(routes)", "None", "; name the elements"]),
    ("a number after |", lambda: some | 5, TypeError,
     ["stream | step", "operator or a sink", "5", "op.map(function)"]),
    ("None after an operator", lambda: op.map(str) | some_none(), TypeError,
     ["operator | step", "operator or a sink", "None"]),
    ("a list before an operator", lambda: untyped.map(str)([1]), TypeError,
     ["map(f=str)", "[1]", "streams.from_iterable"]),
    ("an aiostream before an operator",
     lambda: aiostream.stream.just(1) | untyped.map(str), TypeError, ["op.lift"]),
    ("a list before a sink", lambda: unsinks.to_list()([1]), TypeError, ["to_list()", "[1]"]),
    *sources(),
    *flags(),
    *lifted(),
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
    op.chunk(1, key=identity, groups=10**400)
    op.window(every=0.001, span=1, max_items=10**400)
    op.window(every=1.7e308, max_items=1)
    op.window(gap=5e-324, longest=5e-324, max_items=1)
    op.window(gap=1.7e308, max_items=1)
    op.window(count=1, step=10**400)
    op.map_async(coroutine_function, 1, timeout=5)
    op.rate_limit(10**400, per=5e-324)
    op.throttle(5e-324)
    op.debounce(1)
    op.delay(1.7e308, max_items=10**400)
    op.buffer(10**400)
    op.take(0)
    op.distinct(within=5e-324, keys=10**400)
    op.enumerate(-(10**400))
    op.skip(0)
    op.retry(coroutine_function, 1)
    op.retry(coroutine_function, tenacity.stop_never, tenacity.wait_none())
    sinks.to_queue(asyncio.Queue())


# -- that the table is whole, and the messages too ----------------------------------------------------

ANYTHING = {
    "op.lift(args)": "checked as the operator's own, under its name: op.lift(spaceout)",
    "op.lift(options)": "checked as the operator's own, under its name: op.lift(spaceout)",
    "op.scan(initial)": "a state is whatever the function makes of it",
    "sinks.first(default)": "any value may stand for none",
    "sinks.fold(initial)": "a result is whatever the function makes of it",
    "sinks.last(default)": "any value may stand for none",
    "sinks.reduce(default)": "any value may stand for none",
    "streams.of(values)": "values of any kind",
}
"""Parameters that take anything, and why."""

ELSEWHERE = {
    "sinks.amqp": "tests/sinks/amqp/test_publishing.py",
    "sinks.elasticsearch": "tests/sinks/elasticsearch/test_settings.py",
    "sinks.files": "tests/sinks/test_files.py",
    "sinks.sqlite": "tests/sinks/test_sqlite.py",
    "streams.amqp": "tests/streams/amqp/test_settings.py",
    "streams.dask": "tests/streams/test_dask.py",
    "streams.files": "tests/streams/test_files.py",
    "streams.graphs": "tests/streams/test_graphs.py",
    "streams.http": "tests/streams/test_http.py",
    "streams.running": "tests/running/test_script.py",
    "streams.testing": "tests/streams/testing/test_scripts.py",
}
"""Folders with settings of their own, and where these are held."""

MESSAGE = re.compile(
    r"(?P<call>@?[a-z]\w*(\.\w+)*(\(.*?\)| \| step|\[index\]|\.\w+)?): "
    r"(?P<rule>.*\b(must|takes|applies to)\b.*), (got|but) (?P<value>.*); (?P<way_out>.{5,})",
    re.DOTALL,
)
LONGEST_MESSAGE = 320


def written(row: Row) -> str:
    """Return the text of the error that a row gets."""
    with pytest.raises(row[2]) as caught:
        row[1]()
    return str(caught.value)


OURS = [row for row in ROWS if "unexpected keyword" not in row[3]]


@pytest.mark.parametrize("row", OURS, ids=[row[0] for row in OURS])
def test_an_error_names_call_rule_value_and_way_out_in_short(row: Row) -> None:
    text = written(row)
    assert MESSAGE.fullmatch(text), text
    assert len(text) <= LONGEST_MESSAGE, text


def parameters() -> Iterator[str]:
    """Name every parameter of every public operator, sink and source, as messages name them."""
    begin: dict[str, Any] = {"memory.queue": streams.memory.queue}
    begin |= {name: make for name in streams.__all__ if isfunction(make := getattr(streams, name))}
    makers = {f"op.{name}": getattr(op, name) for name in op.__all__}
    end = {name: make for name in sinks.__all__ if isfunction(make := getattr(sinks, name))}
    makers |= {f"sinks.{name}": make for name, make in end.items()}
    makers |= {f"streams.{name}": make for name, make in begin.items()}
    for call, make in makers.items():
        for name in signature(make).parameters:
            if not name.startswith("_"):
                yield f"{call}({name})"


def test_every_parameter_has_a_wrong_value_here_or_takes_anything() -> None:
    named = set()
    for row in OURS:
        found = re.match(r"@?((?:op|sinks|streams)[\w.]*)\((.*?)\):", written(row))
        for name in found[2].split(", ") if found else ():
            named.add(f"{found[1]}({name.strip('*')})")  # type: ignore[index]
    named |= {
        "op.operator(misplaced)",
        "streams.from_lists(on_error)",
    }  # @op.operator, pages(on_error)
    every = set(parameters())
    assert sorted(every - named - set(ANYTHING)) == []
    assert set(ANYTHING) <= every - named


def test_the_settings_of_every_folder_are_held_in_a_file_of_tests() -> None:
    packages = {"sinks": sinks, "streams": streams}
    folders = {
        f"{package}.{name}"
        for package, module in packages.items()
        for name in module.__all__
        if ismodule(getattr(module, name)) and name != "memory"
    }
    assert folders == set(ELSEWHERE)
    assert all(Path(file).exists() for file in ELSEWHERE.values())
