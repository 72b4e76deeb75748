"""One trial: a scenario on queues of one kind, drains first, then faults, then the account."""

import asyncio
import signal
import time
from typing import Any

from tests.chaos.account import Account, Calls
from tests.chaos.faults import FAULTS, befall
from tests.chaos.plan import CUT, FORGOTTEN, KILL, REPEATING, SIGTERM, Plan
from tests.chaos.scenarios import KINDS, LIMIT, PREFETCH, WINDOW, Scenario
from tests.chaos.stored import Stored, numbers_in
from tests.chaos.world import World

POLL = 0.05
MOVE_WITHIN = 60.0
"""Seconds without any progress after which a trial is given up."""
BEGUN = 4.0
"""Seconds within which a process has begun to consume, and chunks are written by themselves."""
HANDED_OUT = 1.0
"""Seconds within which a broker hands out what it may, over a new connection."""
APART = 3.0
"""Seconds between two faults, about."""
SLOWEST = 1_000
"""Messages a second: fewer would take long to show that it goes on."""
DRAINED = 0.25
"""The share of the messages that is consumed while processes are only drained."""


class Trial:
    """A scenario on queues of one kind, with a plan."""

    def __init__(
        self, world: World, scenario: Scenario, kind: str, messages: int, plan: Plan
    ) -> None:
        self.name = f"{scenario.name} on {kind} queues"
        self._world = world
        self._scenario = scenario
        self._kind = kind
        self._numbers = range(messages)
        self._plan = plan
        stem = f"{scenario.name}-{kind}"
        self._queues = [f"{stem}-{index}" for index in range(scenario.queues)]
        self._log = world.folder / f"{stem}.log"
        self._log.touch()
        self._calls = Calls(self._log)
        self._stored = Stored(world, scenario, stem, self._calls)
        self._account = Account(self.name, published=messages, limited=kind == "limited")
        self._process: asyncio.subprocess.Process | None = None
        # At full speed all would be done while the first server is away.
        breaks = plan.drains + len(plan.faults) + 1
        self._pace = max(SLOWEST, int(messages / (breaks * APART)))
        self._parts = len(scenario.parts(0))
        self._lost: set[int] = set()
        """What was nowhere when a queue was about to be deleted, which would have hidden it."""
        # What publishes may have as many unconfirmed as it may have unacked.
        window = WINDOW if scenario.store == "queue" else 0
        self._at_once = (PREFETCH * scenario.queues + window) * self._parts

    async def run(self) -> Account:
        """Publish, break, and count."""
        began = time.monotonic()
        await self._publish()
        await self._start()
        try:
            await self._drains()
            if self._account.limited:
                await self._exhaust()
            await self._faults()
            await self._finish()
        finally:
            if self._process is not None and self._process.returncode is None:
                self._process.kill()
                await self._process.wait()
        await self._settle()
        self._account.seconds = time.monotonic() - began
        return self._account

    async def told(self) -> str:
        """Say what is known of a trial that was given up: the queues, and the process's last words."""
        missing = [n for n in self._numbers if not self._called(n)]
        unseen = sum(str(n) not in self._calls.taken for n in missing)
        said = self._world.said(self._scenario.name)
        return "\n".join(
            [
                f"{self.name}: {self._account}, at {self._calls.fault!r}",
                f"{len(missing)} messages not handed to all their sinks, from {missing[:10]}; "
                f"{unseen} of them never came out of the source",
                f"queues, (ready, unacked): {await asyncio.to_thread(self._world.rabbitmq.list_queues)}",
                *said.splitlines()[-60:],
            ]
        )

    async def _publish(self) -> None:
        dead_letters = {
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": self._stored.dead,
        }
        arguments = KINDS[self._kind]
        limited = "x-delivery-limit" in arguments
        self._arguments = {**arguments, **(dead_letters if limited else {})}
        for queue in self._queues:
            await self._world.declare(queue, self._arguments)
        for queue in (self._stored.target, self._stored.dead):
            await self._world.declare(queue, {})
        await self._world.remember()
        await self._world.publish(self._queues, self._numbers)

    async def _start(self) -> None:
        self._process = await self._world.start(
            {
                "scenario": self._scenario.name,
                "queues": self._queues,
                "index": self._stored.index,
                "target": self._stored.target,
                "dead": self._stored.dead,
                "log": str(self._log),
                "pace": self._pace,
            }
        )

    async def _end(self, number: signal.Signals) -> None:
        assert self._process is not None
        await self._world.end(self._process, number)

    # -- breaking ---------------------------------------------------------------------------------

    async def _drains(self) -> None:
        """Drain processes under load, with no other fault: nothing may come twice."""
        share = len(self._numbers) * DRAINED
        for drain in range(self._plan.drains):
            await self._reach(share * (drain + 1) / self._plan.drains)
            await self._end(signal.SIGTERM)
            self._account.faults[SIGTERM] += 1
            await self._start()
            self._calls.after(SIGTERM)
        if self._plan.drains:
            # What a drain had given back although it was done would be the first to come again.
            await self._reach(self._calls.read() / self._parts + PREFETCH * len(self._queues))
        self._account.duplicates_through_sigterm = self._calls.repeats

    async def _exhaust(self) -> None:
        """Take messages away more often than their queue allows, while none of them can be written."""
        await self._reach(self._calls.read() / self._parts + PREFETCH)
        with self._world.search.holding():
            for _ in range(4 * LIMIT):
                connections = self._world.amqp.connections
                await self._befall(CUT)
                await self._until(lambda before=connections: self._world.amqp.connections > before)
                await asyncio.sleep(HANDED_OUT)
                if await self._world.ready(self._stored.dead):
                    break
        self._calls.after(CUT)

    async def _faults(self) -> None:
        begin = self._calls.read() / self._parts
        left = len(self._numbers) - begin
        for turn, fault in enumerate(self._plan.faults):
            await self._reach(begin + left * (turn + 1) / (len(self._plan.faults) + 1))
            self._calls.after(fault)
            await self._befall(fault)
            self._calls.after(fault)
        await self._moves()

    async def _befall(self, fault: str) -> None:
        """Do one fault, with the repeats counted that came before it."""
        self._calls.read()
        self._account.repeated(self._calls.repeats)
        self._account.duplicates_allowed += self._may_repeat(fault)
        self._account.faults[fault] += 1
        if fault == "sigkill":
            await self._end(signal.SIGKILL)
            await self._start()
        elif fault == "delete queue":
            await self._replace(self._queues[0])
        else:
            assert fault in FAULTS
            await befall(fault, self._world)

    def _may_repeat(self, fault: str) -> int:
        """Return how many calls may come on top of those before, because of one fault."""
        if fault == KILL:
            forgotten = FORGOTTEN * len(self._queues) * self._parts
            return 2 * self._at_once + (forgotten if self._kind == "classic" else 0)
        return self._at_once if fault in REPEATING else 0

    async def _replace(self, queue: str) -> None:
        """Delete a queue and put it back, with the messages that no sink was called for."""
        await self._reconcile()
        await self._reach(self._calls.read() / self._parts + 1)
        await self._world.delete(queue)
        await asyncio.sleep(2)
        self._calls.read()
        await self._world.declare(queue, self._arguments)
        await self._world.remember()
        own = [n for n in self._numbers if n % len(self._queues) == 0 and n not in self._lost]
        await self._world.publish([queue], [n for n in own if not self._called(n)])

    async def _reconcile(self) -> None:
        """Drain, and note what is neither stored nor in a queue: it was lost before this fault."""
        await self._end(signal.SIGTERM)
        held: set[int] = set()
        for queue in self._queues:
            numbers = await numbers_in(self._world, queue)
            held.update(numbers)
            await self._world.publish([queue], numbers)
        stored = await self._stored.parts()
        held.update(await self._stored.dead_letters())
        parts = self._scenario.parts
        self._lost |= {
            n for n in self._numbers if n not in held and not stored.issuperset(parts(n))
        }
        await self._start()

    def _called(self, n: int) -> bool:
        return all(part in self._calls.called for part in self._scenario.parts(n))

    async def _reach(self, messages: float) -> None:
        """Wait until so many messages were handed to their sinks."""
        await self._until(lambda: self._calls.read() >= messages * self._parts)

    async def _moves(self) -> None:
        """Measure how long it takes until it goes on after the last fault.

        That is when more is handed to the sinks than was unacked: something new came, and for that acks
        had to arrive, for which something had to be stored.
        """
        began, before = time.monotonic(), self._called_in_all()
        await self._until(
            lambda: (
                self._called_in_all() > before + self._at_once
                or len(self._calls.called) == len(self._numbers) * self._parts
            )
        )
        self._account.progress_after_last_fault = time.monotonic() - began

    def _called_in_all(self) -> int:
        """Return how many parts were handed to their sinks, repeats included."""
        self._calls.read()
        return self._calls.called.total()

    async def _until(self, condition: Any) -> None:
        """Wait for a condition; give up where nothing moves for too long."""
        moved, count = time.monotonic(), self._calls.read()
        while not condition():
            assert self._process is not None
            assert self._process.returncode is None, f"{self.name}: the process ended by itself"
            await asyncio.sleep(POLL)
            if (now := self._calls.read()) > count:
                moved, count = time.monotonic(), now
            if time.monotonic() > moved + MOVE_WITHIN:
                raise AssertionError(
                    f"{self.name}: no progress within {MOVE_WITHIN:g} s, at {count}"
                )

    # -- counting ---------------------------------------------------------------------------------

    async def _finish(self) -> None:
        """Wait until the queues are empty and a process that was drained has left nothing."""
        deadline = time.monotonic() + 2 * MOVE_WITHIN
        while time.monotonic() < deadline:
            await asyncio.sleep(BEGUN)
            if await self._ready():
                continue
            await self._end(signal.SIGTERM)
            if not await self._ready():
                return
            await self._start()

    async def _ready(self) -> int:
        self._calls.read()
        return sum([await self._world.ready(queue) for queue in self._queues])

    async def _settle(self) -> None:
        account, calls = self._account, self._calls
        calls.read()
        account.left = await self._ready()
        account.settle(
            self._scenario.parts,
            self._numbers,
            stored=await self._stored.parts(),
            dead=await self._stored.dead_letters(),
            taken=calls.taken,
        )
        account.repeated(calls.repeats + self._stored.twice)
        account.stalls = calls.stalls
