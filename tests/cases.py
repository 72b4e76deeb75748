"""Every public operator with its list model: one row each, from which the laws of test_laws run."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from concurrent.futures import Executor, Future
from itertools import accumulate, pairwise
from typing import Any

import aiostream

from ackflow import operators as op
from ackflow import streams
from ackflow.streams import Message
from ackflow.streams.core import NOBODY, Inlet, Run, Session, Source
from ackflow.streams.testing import OperatorCase as Case

Function = Callable[[int], int]
EXTRA = [1007, 1008]
"""What the second stream of `merge` and `concat` holds."""


def chunks(xs: Sequence[int], size: int = 3) -> list[list[int]]:
    return [list(xs[i : i + size]) for i in range(0, len(xs), size)]


def chunks_by_key(xs: Sequence[int], size: int, groups: int) -> list[list[int]]:
    """Chunks of the values with the same remainder by three, of which so many are filled at a time."""
    open_: dict[int, list[int]] = {}
    found: list[list[int]] = []
    for x in xs:
        if x % 3 not in open_ and len(open_) == groups:
            found.append(open_.pop(next(iter(open_))))
        open_.setdefault(x % 3, []).append(x)
        if len(open_[x % 3]) == size:
            found.append(open_.pop(x % 3))
    return found + list(open_.values())


def windows(xs: Sequence[int], count: int, step: int) -> list[list[int]]:
    """Windows by number, the last of which may be shorter where it holds what was in none before."""
    starts = range(0, len(xs), step)
    new = [start for start in starts if start == 0 or start - step + count < len(xs)]
    return [list(xs[start : start + count]) for start in new]


def paced_windows(xs: Sequence[int], every: int, span: int) -> list[list[int]]:
    """Windows by time of values that come one by one, at equal distances."""
    starts = range(0, len(xs), every)
    return [list(xs[start : start + span]) for start in starts]


def flat(values: Sequence[Any]) -> list[Any]:
    return [v for value in values for v in (flat(value) if isinstance(value, list) else [value])]


def integers(chunk: Sequence[str]) -> list[int]:
    return [int(text) for text in chunk]


def odd(f: Function) -> Callable[[int], bool]:
    return lambda x: bool(f(x) % 2)


def repeated(f: Function) -> Callable[[int], list[int]]:
    return lambda x: [f(x)] * (x % 3)


def as_async(f: Function) -> Callable[[int], Any]:
    async def call(x: int) -> int:
        return f(x)

    return call


def entries(f: Function) -> Callable[[Sequence[int]], list[int | Exception]]:
    def entry(x: int) -> int | Exception:
        try:
            return f(x)
        except ValueError as error:
            return error

    return lambda chunk: [entry(x) for x in chunk]


@op.operator(holds=0)
async def halved(messages: AsyncIterator[Message[int]], f: Function) -> AsyncIterator[Message[int]]:
    async for message in messages:
        try:
            value = f(message.value)
        except ValueError as error:
            message.fail(error)
        else:
            yield message.with_value(value // 2)


def by_three(x: int) -> int:
    return x % 3


def up_to(xs: list[int], most: int) -> int:
    """Return how many values there are before the first above `most`."""
    return next((position for position, x in enumerate(xs) if x > most), len(xs))


class AtOnce(Source):
    """Hands out values of nobody's, which count nowhere, all at once."""

    def __init__(self, values: Sequence[Any]) -> None:
        self.values = values

    def inlet(self, session: Session, prefetch: int) -> "AtOnceInlet":
        return AtOnceInlet(self)


class AtOnceInlet(Inlet[Any]):
    def __init__(self, source: AtOnce) -> None:
        self._values = source.values

    async def open(self) -> None: ...

    async def runs(self) -> AsyncGenerator[Run[Any]]:
        yield Run(list(self._values), [(NOBODY, 0) for _ in self._values])

    def stop(self) -> None: ...

    def pause(self, paused: bool) -> None: ...

    async def close(self, *, abort: bool = False) -> None: ...


def at_once(*values: Any) -> streams.Stream[Any]:
    """A second stream, of which everything is there before anything of the first."""
    return streams.Stream(AtOnce(values))


def double(x: int) -> int:
    return 2 * x


class Inline(Executor):
    """Calls at once, in the thread that submits."""

    def submit(self, f: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(f(*args, **options))
        except Exception as error:
            future.set_exception(error)
        return future


def not_below_zero(x: int) -> int:
    if x < 0:
        raise LookupError(x)
    return x


CASES: dict[str, Case] = {
    "broadcast": Case(
        lambda f: op.broadcast(op.map(f), op.map(double)),
        lambda xs: xs + [2 * x for x in xs],
        calls=False,
        ordered=False,
    ),
    "RateLimiter": Case(
        lambda f: op.rate_limit(op.RateLimiter(3, per=0.5)), lambda xs: xs, calls=False
    ),
    "buffer": Case(lambda f: op.buffer(2), lambda xs: xs, calls=False),
    "buffer with room for all": Case(
        lambda f: op.buffer(20, drop="oldest"), lambda xs: xs, calls=False
    ),
    "catch": Case(
        lambda f: op.map(not_below_zero) | op.catch(lambda error: 0, on=LookupError),
        lambda xs: [max(0, x) for x in xs],
        calls=False,
    ),
    "chunk": Case(lambda f: op.chunk(3, timeout=None), chunks, calls=False),
    "chunk of bytes": Case(
        lambda f: op.map(str) | op.chunk(3, max_bytes=1) | op.map_chunk(integers),
        lambda xs: chunks(xs, 1),
        calls=False,
    ),
    "chunk by key": Case(
        lambda f: op.chunk(2, timeout=None, key=lambda x: f(x) % 3, groups=2),
        lambda xs: chunks_by_key(xs, 2, 2),
    ),
    "concat": Case(
        lambda f: op.concat(streams.of(*EXTRA)), lambda xs: xs + EXTRA, calls=False, extra=2
    ),
    "debounce": Case(
        lambda f: op.debounce(1000.0),
        lambda xs: xs[-1:],
        calls=False,
        elementwise=False,
        skipped=lambda xs: max(0, len(xs) - 1),
    ),
    "delay": Case(lambda f: op.delay(0.5, max_items=3), lambda xs: xs, calls=False),
    "distinct": Case(
        lambda f: op.distinct(f),
        lambda xs: list(dict.fromkeys(xs)),
        elementwise=False,
        skipped=lambda xs: len(xs) - len(set(xs)),
    ),
    "enumerate": Case(
        lambda f: op.enumerate(),
        lambda xs: list(enumerate(xs)),
        calls=False,
        elementwise=False,
    ),
    "filter": Case(
        lambda f: op.filter(odd(f)),
        lambda xs: [x for x in xs if x % 2],
        skipped=lambda xs: sum(x % 2 == 0 for x in xs),
    ),
    "flat_map": Case(
        lambda f: op.flat_map(repeated(f)), lambda xs: [x for x in xs for _ in range(x % 3)]
    ),
    "flatten": Case(
        lambda f: op.map(repeated(f)) | op.flatten(),
        lambda xs: [x for x in xs for _ in range(x % 3)],
    ),
    "lift": Case(lambda f: op.lift(aiostream.stream.map, f), lambda xs: xs),
    "map": Case(lambda f: op.map(f), lambda xs: xs),
    "map_async": Case(lambda f: op.map_async(as_async(f), concurrency=3), lambda xs: xs),
    "map_async unordered": Case(
        lambda f: op.map_async(as_async(f), concurrency=3, ordered=False),
        lambda xs: xs,
        ordered=False,
    ),
    "map_chunk": Case(lambda f: op.chunk(3) | op.map_chunk(entries(f)), chunks),
    "map_in": Case(lambda f: op.map_in(Inline(), f, concurrency=3), lambda xs: xs),
    "map_in unordered": Case(
        lambda f: op.map_in(Inline, f, ordered=False), lambda xs: xs, ordered=False
    ),
    "merge": Case(
        lambda f: op.merge(streams.of(*EXTRA)),
        lambda xs: xs + EXTRA,
        calls=False,
        ordered=False,
        extra=2,
    ),
    "operator": Case(lambda f: halved(f), lambda xs: [x // 2 for x in xs]),
    "pairwise": Case(
        lambda f: op.map(f) | op.pairwise(),
        lambda xs: list(pairwise(xs)),
        elementwise=False,
        skipped=lambda xs: int(len(xs) == 1),
    ),
    "partition": Case(
        lambda f: op.partition(by_three, op.map_async(as_async(f), concurrency=1), keys=2),
        lambda xs: xs,
        ordered=False,
    ),
    "partition strict": Case(
        lambda f: op.partition(by_three, op.map(f), strict=True, idle=None),
        lambda xs: xs,
        ordered=False,
    ),
    "partition of chunks": Case(
        lambda f: op.partition(by_three, op.chunk(2) | op.flatten()),
        lambda xs: xs,
        calls=False,
        ordered=False,
    ),
    "pipe": Case(lambda f: op.pipe(op.map(f), op.map(str)), lambda xs: [str(x) for x in xs]),
    "rate_limit": Case(lambda f: op.rate_limit(2, per=0.5), lambda xs: xs, calls=False),
    "retry": Case(lambda f: op.retry(op.map(f), attempts=2), lambda xs: xs),
    "scan": Case(
        lambda f: op.scan(lambda total, x: total + f(x), 0),
        lambda xs: list(accumulate(xs)),
        elementwise=False,
    ),
    "skip": Case(
        lambda f: op.skip(2),
        lambda xs: xs[2:],
        calls=False,
        elementwise=False,
        skipped=lambda xs: min(2, len(xs)),
    ),
    "switch_map": Case(
        lambda f: op.switch_map(repeated(f)), lambda xs: [x for x in xs for _ in range(x % 3)]
    ),
    "take": Case(
        lambda f: op.take(3),
        lambda xs: xs[:3],
        calls=False,
        elementwise=False,
        back=lambda xs: xs[3:],
    ),
    "take_until": Case(
        lambda f: op.take_until(lambda x: f(x) > 9),
        lambda xs: xs[: up_to(xs, 9) + 1],
        calls=False,
        elementwise=False,
        back=lambda xs: xs[up_to(xs, 9) + 1 :],
    ),
    "take_while": Case(
        lambda f: op.take_while(lambda x: f(x) <= 9),
        lambda xs: xs[: up_to(xs, 9)],
        calls=False,
        elementwise=False,
        back=lambda xs: xs[up_to(xs, 9) :],
    ),
    "tap": Case(lambda f: op.tap(f), lambda xs: xs),
    "throttle": Case(
        lambda f: op.throttle(1000.0),
        lambda xs: xs[:1],
        calls=False,
        elementwise=False,
        skipped=lambda xs: max(0, len(xs) - 1),
    ),
    "unchunk": Case(lambda f: op.chunk(3) | op.unchunk(), lambda xs: xs, calls=False),
    "window by count": Case(lambda f: op.map(f) | op.window(count=3), chunks),
    "window by count, sliding": Case(
        lambda f: op.map(f) | op.window(count=3, step=1),
        lambda xs: windows(xs, 3, 1),
        elementwise=False,
    ),
    "window by count, sliding by two": Case(
        lambda f: op.window(count=3, step=2),
        lambda xs: windows(xs, 3, 2),
        calls=False,
        elementwise=False,
    ),
    "window by count with gaps": Case(
        lambda f: op.window(count=2, step=3),
        lambda xs: windows(xs, 2, 3),
        calls=False,
        elementwise=False,
        skipped=lambda xs: len(xs) // 3,
    ),
    "window by time": Case(
        lambda f: op.map(f) | op.window(every=1000.0, max_items=20), lambda xs: chunks(xs, 20)
    ),
    "window by time, sliding": Case(
        lambda f: op.rate_limit(1, per=0.5) | op.window(every=1.0, span=2.0, max_items=20),
        lambda xs: paced_windows(xs, 2, 4),
        calls=False,
        elementwise=False,
    ),
    "window by session": Case(
        lambda f: op.map(f) | op.window(gap=1000.0, max_items=3), lambda xs: chunks(xs, 3)
    ),
    "zip": Case(
        lambda f: op.zip(at_once(*EXTRA), at_once(*range(40))),
        lambda xs: list(zip(xs, EXTRA, range(40), strict=False)),
        calls=False,
        elementwise=False,
        back=lambda xs: xs[len(EXTRA) :],
    ),
    "zip of shortest": Case(
        lambda f: op.map(f) | op.zip(at_once(*range(40))),
        lambda xs: list(zip(xs, range(40), strict=False)),
        elementwise=False,
    ),
    "zip_latest": Case(
        lambda f: op.map_async(as_async(f), concurrency=2) | op.zip_latest(at_once(*EXTRA)),
        lambda xs: [(x, EXTRA[-1]) for x in xs],
    ),
}
"""A row per public operator, by its name; rows for more of its settings say which in their names."""
