"""A state machine: a pipeline over queues in memory, drawn at random, and all that can befall it."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ackflow import operators as op
from ackflow import streams
from ackflow.streams.testing import VirtualLoop
from tests.conservation.account import Account, Guarded, Link
from tests.conservation.ends import ENDS, ORDERS, Letters, Store
from tests.conservation.gates import GATES, JOINS
from tests.conservation.journal import Journal
from tests.conservation.steps import STEPS
from tests.conservation.values import Body

RUNS = 8
"""Runs without any progress after which a pipeline that is left alone has come to its end."""
ALONE = "alone"


class Conservation(RuleBasedStateMachine):
    """A pipeline over one or two memory queues, and everything that can befall it."""

    planted: ClassVar[Callable[[], Any] | None] = None
    """Makes an operator with a fault, which comes behind each other one, to see that it is found."""
    joins: ClassVar[tuple[str, ...]] = (ALONE, *JOINS)
    operators: ClassVar[tuple[str, ...]] = (*STEPS, *GATES)
    ends: ClassVar[tuple[str, ...]] = tuple(ENDS)

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        asyncio.set_event_loop(None)
        self.handle: Any = None

    @initialize(data=st.data())
    def build(self, data: Any) -> None:
        def draw(*values: Any) -> Any:
            return data.draw(st.sampled_from(values))

        self.join = draw(*self.joins)
        queues = 1 if self.join == ALONE else 2
        self.names = possible(
            data.draw(st.lists(st.sampled_from(self.operators), max_size=4)), self.join
        )
        self.fronts = [
            draw((), *((name,) for name in FRONTS)) if queues == 2 else () for _ in range(queues)
        ]
        self.size = draw(0, 1, 4)
        self.end = ENDS[draw(*self.ends)]
        self.stores = [
            Store(f"s{i}", draw(1, 5), draw(1, 2), idempotent=draw(False, True)) for i in range(2)
        ]
        try:
            self.compose([draw(None, 13) for _ in range(queues)])
        except ValueError:
            # What this pipeline joins is more than that.
            self.compose([None] * queues)
        self.run_for(0)

    def compose(self, prefetches: list[int | None]) -> None:
        """Make the pipeline, and what accounts for it."""
        self.journal = Journal()
        self.dead = Letters(self.journal)
        self.queues = [
            streams.memory.queue(
                [], prefetch=prefetch, attempts=3, wait=lambda _: 0.7, dead_letter=self.dead
            )
            for prefetch in prefetches
        ]
        self.put, self.checked = [0] * len(prefetches), [0] * len(prefetches)
        ways = [
            self._along(names, queue | op.map(self.journal.stamp))
            for queue, names in zip(self.queues, self.fronts, strict=True)
        ]
        fronts, stream = [links for links, _ in ways], ways[0][1]
        links: list[Link] = []
        if self.join != ALONE:
            guarded = Guarded(self.join, JOINS[self.join], self.journal)
            one, other = (each | guarded.entrance(side) for side, (_, each) in enumerate(ways))
            stream = self._robbed(one | guarded.gate.build(other)) | guarded.exit()
            links.append(guarded)
        behind, stream = self._along(distinguished(self.names), stream)
        if self.size:
            stream = stream | op.chunk(self.size, timeout=1.0)
        self.pipeline = stream | self.end.build(*self.stores)
        self.account = Account(
            self.journal,
            [[*front, *links, *behind] for front in fronts],
            lambda: self.end.required(*self.stores),
        )

    def _along(self, names: Iterable[str], stream: Any) -> tuple[list[Link], Any]:
        """Return operators as they are accounted for, and the stream that goes through them."""
        links: list[Link] = []
        for name in names:
            link, stream = self._through(name, stream)
            links.append(link)
        return links, stream

    def _through(self, name: str, stream: Any) -> tuple[Link, Any]:
        """Return an operator as it is accounted for, and the stream that goes through it."""
        if name in STEPS:
            return STEPS[name], self._robbed(stream | STEPS[name].build())
        guarded = Guarded(name, GATES[name], self.journal)
        inner = stream | guarded.entrance() | guarded.gate.build()
        return guarded, self._robbed(inner) | guarded.exit()

    def _robbed(self, stream: Any) -> Any:
        return stream if self.planted is None else stream | self.planted()

    # -- what befalls it --------------------------------------------------------------------------

    def run_for(self, seconds: float) -> None:
        """Let time pass; what has ended is begun anew."""

        async def main() -> None:
            self._begin()
            await asyncio.sleep(seconds)

        self.loop.run_until_complete(main())

    def _begin(self) -> None:
        if self.handle is None or self.handle.done:
            self.journal.run += 1
            self.handle = self.pipeline.start()

    def _which(self, number: int) -> int:
        return number % len(self.queues)

    @rule(count=st.integers(1, 9), which=st.integers(0, 1))
    def publish(self, count: int, which: int) -> None:
        self.loop.run_until_complete(self._publish(count, self._which(which)))

    async def _publish(self, count: int, which: int) -> None:
        first = self.put[which]
        self.queues[which].put(*((which, n) for n in range(first, first + count)))
        self.put[which] += count

    @rule(seconds=st.sampled_from([0.0, 0.01, 0.06, 0.3, 1.0, 5.0]))
    def wait(self, seconds: float) -> None:
        self.run_for(seconds)

    @rule(order=st.sampled_from(sorted(ORDERS)), which=st.integers(0, 1))
    def order(self, order: str, which: int) -> None:
        self.stores[which].orders.append(ORDERS[order])

    @rule()
    def refuse_a_dead_letter(self) -> None:
        self.dead.refusals.append(OSError("no room"))

    @rule(which=st.integers(0, 1))
    def disconnect(self, which: int) -> None:
        self.journal.broken.add(self.journal.run)
        self.loop.run_until_complete(self._disconnect(self._which(which)))

    async def _disconnect(self, which: int) -> None:
        self.queues[which].disconnect()

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
        assert not any(queue.unsettled for queue in self.queues)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    async def _finish(self) -> None:
        """Let the streams end; they do so by themselves, in good time.

        What the dead letters refused goes back at the end of a run, and so does what lies beyond a
        `take`: later runs are for these.
        """
        for queue in self.queues:
            queue.close()
        idle = 0
        while idle < RUNS and any(queue.ready or queue.unsettled for queue in self.queues):
            before = self._acked()
            self._begin()
            async with asyncio.timeout(3600):
                await self.handle
            assert not any(queue.unsettled for queue in self.queues)
            idle = 0 if self._acked() > before else idle + 1
        if not self.handle.done:
            async with asyncio.timeout(3600):
                await self.handle

    # -- the account ------------------------------------------------------------------------------

    def _acked(self) -> int:
        return sum(len(queue.acked) for queue in self.queues)

    @invariant()
    def every_message_is_somewhere_once(self) -> None:
        for which, queue in enumerate(self.queues):
            somewhere = Counter([*queue.acked, *queue.ready, *queue.unsettled])
            assert somewhere == Counter((which, n) for n in range(self.put[which]))
            assert queue.rejected == []

    @invariant()
    def what_is_acked_has_arrived(self) -> None:
        for which, queue in enumerate(self.queues):
            acked: list[Body] = queue.acked[self.checked[which] :]
            for body in acked:
                wrong = self.account.wrong(body)
                assert wrong == [], f"{body} is acked: {wrong}"
            self.checked[which] += len(acked)

    def teardown(self) -> None:
        """Left alone, the pipeline brings every message to an end."""
        try:
            if self.handle is not None:
                self._bring_to_its_end()
        finally:
            self.loop.run_until_complete(self._clean())
            self.loop.close()

    def _bring_to_its_end(self) -> None:
        for store in self.stores:
            store.orders.clear()
        self.dead.refusals.clear()
        self.loop.run_until_complete(self._finish())
        self.every_message_is_somewhere_once()
        self.what_is_acked_has_arrived()
        left = [queue.ready for queue in self.queues]
        names = {*self.names, *self.fronts[0], *self.fronts[-1]}
        if SPLITTING & names and ENDING & set(self.names):
            return  # a message of more parts than `take` takes never gets through
        if self.join.startswith("zip"):
            # What finds no partner is given back.
            assert not all(left), left
        else:
            assert not any(left), left

    async def _clean(self) -> None:
        """Leave nothing behind of an example that failed."""
        if self.handle is not None and not self.handle.done:
            await self.handle.abort()
        await self.loop.shutdown_asyncgens()


SPLITTING = {"flat_map", "broadcast", "twice", "switch_map", "pairwise", "sliding windows"}
FILLING = {"pairwise", "sliding windows"}
ENDING = {"take", "take_while", "take_until"}
FRONTS = ("map", "stumble", "filter", "flat_map", "chunks", "windows", "delay", "unordered")
"""What one of two queues may go through by itself."""


def possible(names: list[str], join: str) -> list[str]:
    """Return the names without what waits for values that never come.

    A strict partition hands on a value when the one before is settled: such a pipeline is refused, and
    one with `zip` before it. A `zip` ends when a stream has ended, and that when its last message is
    settled.
    """
    if join == "zip":
        names = [name for name in names if name != "strict"]
    end = names.index("strict") if "strict" in names else len(names)
    if join.startswith("zip"):
        end = 0
    return [name for place, name in enumerate(names) if name not in FILLING or place < end]


def distinguished(names: list[str]) -> list[str]:
    """Return the names without equal parts where something comes that could not tell them apart."""
    last = max((place for place, name in enumerate(names) if name in GATES), default=-1)
    return [
        "broadcast" if name == "twice" and place < last else name
        for place, name in enumerate(names)
    ]
