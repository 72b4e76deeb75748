"""Conservation (contract 1) by model: random pipelines, random faults, and an account after every step.

Each message is a number. What a pipeline derives from it is known beforehand: a part for every value
that reaches a sink, unless a filter drops it. After every step: what is acked has all of its parts in
the sinks, or in the dead letters; every message is somewhere, once; no ack was illegal.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import Requeue
from ackflow.streams.testing import VirtualLoop

EXAMPLES = int(os.environ.get("ACKFLOW_EXAMPLES", "100"))
STEPS = 25

Value = tuple[int, str]
"""A message's number, and the way its part has taken so far."""


def number(value: Value) -> int:
    return value[0]


def part(value: Value, way: str) -> Value:
    return (value[0], value[1] + way)


async def soon(value: Value) -> Value:
    await asyncio.sleep(value[0] % 3 / 10)
    return value


class Stumbling:
    """An async function that fails at every third call, whatever it is called with."""

    def __init__(self) -> None:
        self.calls = 0

    async def __call__(self, value: Value) -> Value:
        self.calls += 1
        if self.calls % 3 == 0:
            raise OSError("stumbled")
        await asyncio.sleep(0.01)
        return value


def thirds(value: Value) -> list[Value]:
    return [part(value, f"/{index}") for index in range(value[0] % 3)]


def numbered(pair: tuple[int, Value]) -> Value:
    return pair[1]


def keep(value: Value) -> bool:
    return value[0] % 4 != 1


Model = Callable[[list[Value]], list[Value]]


def same(values: list[Value]) -> list[Value]:
    return values


# Each operator, and what it makes of the parts of one message.
OPERATORS: dict[str, tuple[Callable[[], Any], Model]] = {
    "map": (
        lambda: op.map(lambda value: part(value, "m")),
        lambda values: [part(v, "m") for v in values],
    ),
    "map_async": (lambda: op.map_async(soon, concurrency=3), same),
    "unordered": (lambda: op.map_async(soon, concurrency=3, ordered=False), same),
    "retry": (lambda: op.map_async(op.retry(Stumbling(), wait=lambda _: 0.5)), same),
    "stumble": (lambda: op.map_async(Stumbling(), concurrency=2), same),
    "filter": (lambda: op.filter(keep), lambda values: [v for v in values if keep(v)]),
    "flat_map": (
        lambda: op.flat_map(thirds),
        lambda values: [t for v in values for t in thirds(v)],
    ),
    "chunks": (lambda: op.chunk(3, timeout=2.0) | op.unchunk(), same),
    "untimed chunks": (lambda: op.chunk(2, timeout=None) | op.unchunk(), same),
    "keyed chunks": (lambda: op.chunk(2, key=lambda v: number(v) % 2) | op.unchunk(), same),
    "chunks in chunks": (
        lambda: op.chunk(2) | op.chunk(2) | op.flatten() | op.flatten(),
        same,
    ),
    "windows": (lambda: op.window(every=1.0, max_items=3) | op.unchunk(), same),
    "counted": (lambda: op.enumerate() | op.map(numbered), same),
    "partition": (
        lambda: op.partition(lambda v: number(v) % 3, op.map_async(soon, concurrency=2), keys=2),
        same,
    ),
    "strict": (
        lambda: op.partition(lambda v: number(v) % 2, op.map_async(soon), strict=True, keys=2),
        same,
    ),
    "broadcast": (
        lambda: op.broadcast(
            op.map(lambda value: part(value, "a")), op.chunk(2) | op.map_chunk(list) | op.unchunk()
        ),
        lambda values: [p for v in values for p in (part(v, "a"), v)],
    ),
    "buffer": (lambda: op.buffer(2), same),
    "delay": (lambda: op.delay(0.5), same),
    "rate_limit": (lambda: op.rate_limit(3, per=1.0), same),
}


class Store:
    """A sink that does as it is told, and remembers what it accepted."""

    def __init__(self, name: str, max_items: int, *, idempotent: bool) -> None:
        self.name = name
        self.max_items = max_items
        self.idempotent = idempotent
        self.accepted: Counter[Value] = Counter()
        self.orders: list[Any] = []

    async def write(self, items: Sequence[Any]) -> Any:
        order = self.orders.pop(0) if self.orders else None
        await asyncio.sleep(0.05)
        values = [v for item in items for v in (item if isinstance(item, list) else [item])]
        if isinstance(order, Exception):
            raise order
        errors = [order and order(v) for v in values]
        self.accepted.update(v for v, error in zip(values, errors, strict=True) if error is None)
        return errors


def refuse_even(value: Value) -> Exception | None:
    return ValueError("even") if value[0] % 2 == 0 else None


def later_odd(value: Value) -> Exception | None:
    return Requeue("odd", after=0.3) if value[0] % 2 else None


ORDERS = {
    "outage": ConnectionError("away"),
    "failure": OSError("failed"),
    "poison": ValueError("refused"),
    "refuse even": refuse_even,
    "odd later": later_odd,
}


class Conservation(RuleBasedStateMachine):
    """A pipeline over a memory broker, and everything that can befall it."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        asyncio.set_event_loop(None)
        self.put = 0
        self.handle: Any = None

    @initialize(
        names=st.lists(st.sampled_from(sorted(OPERATORS)), max_size=4),
        size=st.sampled_from([0, 1, 4]),
        branches=st.sampled_from([1, 2]),
        idempotent=st.booleans(),
        max_items=st.sampled_from([1, 5]),
        concurrency=st.sampled_from([1, 2]),
        prefetch=st.sampled_from([None, 13]),
    )
    def build(
        self, names: list[str], size: int, branches: int, idempotent: bool, max_items: int,
        concurrency: int, prefetch: int | None,
    ) -> None:  # fmt: skip
        self.names = names
        self.stores = [Store(f"s{i}", max_items, idempotent=idempotent) for i in range(branches)]
        for store in self.stores:
            store.concurrency = concurrency  # type: ignore[attr-defined]
        self.dead = Letters()
        self.queue: Any = streams.memory.queue(
            [], prefetch=prefetch, attempts=3, wait=lambda _: 0.7, dead_letter=self.dead
        )
        stream = self.queue
        for name in names:
            stream = stream | OPERATORS[name][0]()
        if size:
            stream = stream | op.chunk(size, timeout=1.0)
        end = self.stores[0] if branches == 1 else sinks.tee(*self.stores, wait=lambda _: 0.4)
        self.pipeline = stream | end
        self.run_for(0)

    # -- what befalls it --------------------------------------------------------------------------

    def run_for(self, seconds: float) -> None:
        """Let time pass; what has ended is begun anew."""

        async def main() -> None:
            if self.handle is None or self.handle.done:
                self.handle = self.pipeline.start()
            await asyncio.sleep(seconds)

        self.loop.run_until_complete(main())

    @rule(count=st.integers(1, 9))
    def publish(self, count: int) -> None:
        self.loop.run_until_complete(self._publish(count))

    async def _publish(self, count: int) -> None:
        self.queue.put(*((n, "") for n in range(self.put, self.put + count)))
        self.put += count

    @rule(seconds=st.sampled_from([0.0, 0.01, 0.06, 0.3, 1.0, 5.0]))
    def wait(self, seconds: float) -> None:
        self.run_for(seconds)

    @rule(order=st.sampled_from(sorted(ORDERS)), which=st.integers(0, 1))
    def order(self, order: str, which: int) -> None:
        self.stores[which % len(self.stores)].orders.append(ORDERS[order])

    @rule()
    def refuse_a_dead_letter(self) -> None:
        self.dead.refusals.append(OSError("no room"))

    @rule()
    def disconnect(self) -> None:
        self.loop.run_until_complete(self._disconnect())

    async def _disconnect(self) -> None:
        self.queue.disconnect()

    @rule()
    def pause_for_a_while(self) -> None:
        self.handle.pause()
        self.run_for(0.5)
        if not self.handle.done:
            self.handle.resume()

    @precondition(lambda self: self.handle is not None)
    @rule()
    def drain(self) -> None:
        self.loop.run_until_complete(self._ended(self.handle.drain))

    @precondition(lambda self: self.handle is not None)
    @rule()
    def abort(self) -> None:
        self.loop.run_until_complete(self._ended(self.handle.abort))

    async def _ended(self, end: Callable[[], Any]) -> None:
        """End the run; nothing of it is left."""
        await end()
        assert self.handle.done
        assert self.queue.unsettled == []
        assert asyncio.all_tasks() == {asyncio.current_task()}

    async def _finish(self) -> None:
        """Let the stream end; it does so by itself, in good time.

        What the dead letters refused goes back at the end of a run, and is done with in the next.
        """
        self.queue.close()
        for _ in range(3):
            if self.handle.done:
                self.handle = self.pipeline.start()
            async with asyncio.timeout(3600):
                await self.handle
            assert self.queue.unsettled == []

    # -- the account ------------------------------------------------------------------------------

    def parts(self, n: int) -> list[Value]:
        """Return what the pipeline derives from a message."""
        values: list[Value] = [(n, "")]
        for name in self.names:
            values = OPERATORS[name][1](values)
        return values

    @invariant()
    def every_message_is_somewhere_once(self) -> None:
        if self.handle is None:
            return
        somewhere = [*self.queue.acked, *self.queue.ready, *self.queue.unsettled]
        assert Counter(map(number, somewhere)) == Counter(range(self.put))
        assert self.queue.rejected == []

    @invariant()
    def what_is_acked_has_arrived(self) -> None:
        if self.handle is None:
            return
        buried = set(self.dead.bodies)
        for value in self.queue.acked:
            if value not in buried:
                for store in self.stores:
                    missing = [p for p in self.parts(value[0]) if not store.accepted[p]]
                    assert missing == [], f"{value} is acked, and {missing} not in {store.name}"

    def teardown(self) -> None:
        """Left alone, the pipeline brings every message to an end."""
        if self.handle is not None:
            for store in self.stores:
                store.orders.clear()
            self.dead.refusals.clear()
            self.loop.run_until_complete(self._finish())
            assert sorted(map(number, self.queue.acked)) == list(range(self.put))
            self.what_is_acked_has_arrived()
        self.loop.close()


class Letters(streams.Sink[streams.Delivery, streams.Summary]):
    """A dead-letter sink that refuses when it is told to."""

    name = "letters"

    def __init__(self) -> None:
        self.refusals: list[Exception] = []
        self.bodies: list[Value] = []

    async def write(self, items: Sequence[Any]) -> None:
        if self.refusals:
            raise self.refusals.pop()
        self.bodies += [letter.body for letter in items]


Conservation.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
TestConservation = Conservation.TestCase
