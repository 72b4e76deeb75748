"""One trial: a scenario on queues of one kind, drains first, then faults, then the account."""

import asyncio
import signal
import time
from typing import Any

import orjson

from tests.chaos.account import Account, Calls
from tests.chaos.faults import FAULTS, befall
from tests.chaos.plan import SIGTERM, Plan
from tests.chaos.scenarios import KINDS, PREFETCH, WINDOW, Scenario
from tests.chaos.world import World

POLL = 0.05
MOVE_WITHIN = 60.0
"""Seconds without any progress after which a trial is given up."""
BEGUN = 4.0
"""Seconds within which a process has begun to consume, and chunks are written by themselves."""
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
        self._target, self._dead = f"{stem}-target", f"{stem}-dead"
        self._index = f"chaos-{stem}"
        self._log = world.folder / f"{stem}.log"
        self._log.touch()
        self._calls = Calls(self._log)
        self._account = Account(self.name, published=messages)
        self._process: asyncio.subprocess.Process | None = None
        self._parts = len(scenario.parts(0))
        self._stored_twice = 0

    async def run(self) -> Account:
        """Publish, break, and count."""
        began = time.monotonic()
        await self._publish()
        await self._start()
        try:
            await self._drains()
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
        dead_letters = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": self._dead}
        arguments = KINDS[self._kind]
        limited = "x-delivery-limit" in arguments
        self._arguments = {**arguments, **(dead_letters if limited else {})}
        for queue in self._queues:
            await self._world.declare(queue, self._arguments)
        for queue in (self._target, self._dead):
            await self._world.declare(queue, {})
        await self._world.remember()
        await self._world.publish(self._queues, self._numbers)

    async def _start(self) -> None:
        self._process = await self._world.start(
            {
                "scenario": self._scenario.name,
                "queues": self._queues,
                "index": self._index,
                "target": self._target,
                "dead": self._dead,
                "log": str(self._log),
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
        self._calls.read()
        self._account.duplicates_through_sigterm = self._calls.repeats

    async def _faults(self) -> None:
        begin = self._calls.read() / self._parts
        left = len(self._numbers) - begin
        for turn, fault in enumerate(self._plan.faults):
            await self._reach(begin + left * (turn + 1) / (len(self._plan.faults) + 1))
            self._calls.after(fault)
            await self._befall(fault)
            self._calls.after(fault)
            self._account.faults[fault] += 1
        # What publishes may have as many unconfirmed as it may have unacked.
        allowed = PREFETCH * len(self._queues) + (WINDOW if self._scenario.store == "queue" else 0)
        self._account.duplicates_allowed = allowed * self._parts * len(self._plan.faults)
        await self._moves()

    async def _befall(self, fault: str) -> None:
        if fault == "sigkill":
            await self._end(signal.SIGKILL)
            await self._start()
        elif fault == "delete queue":
            await self._replace(self._queues[0])
        else:
            assert fault in FAULTS
            await befall(fault, self._world)

    async def _replace(self, queue: str) -> None:
        """Delete a queue and put it back, with the messages that no sink was called for."""
        await self._world.delete(queue)
        await asyncio.sleep(2)
        self._calls.read()
        await self._world.declare(queue, self._arguments)
        await self._world.remember()
        gone = [n for n in self._numbers if n % len(self._queues) == 0 and not self._called(n)]
        await self._world.publish([queue], gone)

    def _called(self, n: int) -> bool:
        return all(part in self._calls.called for part in self._scenario.parts(n))

    async def _reach(self, messages: float) -> None:
        """Wait until so many messages were handed to their sinks."""
        await self._until(lambda: self._calls.read() >= messages * self._parts)

    async def _moves(self) -> None:
        """Measure how long it takes until it goes on after the last fault."""
        began, before = time.monotonic(), self._calls.read()
        if before < len(self._numbers) * self._parts:
            await self._until(lambda: self._calls.read() > before)
        self._account.progress_after_last_fault = time.monotonic() - began

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
        stored = await self._stored()
        dead = {
            part for n in await self._numbers_in(self._dead) for part in self._scenario.parts(n)
        }
        wanted = {part for n in self._numbers for part in self._scenario.parts(n)}
        account.left = await self._ready()
        account.stored = len(stored & wanted) // self._parts
        account.dead_lettered = len(dead) // self._parts
        missing = wanted - stored - dead
        account.lost = max(0, len(missing) // self._parts - account.left)
        # What was handed to a sink, is gone from its queue, and is nowhere.
        account.wrongly_acked = (
            sum(part in calls.called for part in missing) if not account.left else 0
        )
        account.duplicates = calls.repeats + self._stored_twice
        account.stalls = calls.stalls

    async def _stored(self) -> set[str]:
        match self._scenario.store:
            case "index":
                return await self._world.documents(self._index)
            case "queue":
                numbers = await self._numbers_in(self._target)
                self._stored_twice = len(numbers) - len(set(numbers))
                return set(map(str, numbers))
        return self._calls.stored

    async def _numbers_in(self, queue: str) -> list[int]:
        return [orjson.loads(body)["n"] for body in await self._world.take(queue)]
