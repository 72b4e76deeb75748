"""Feed: what lies between a broker and the first operator: deliveries in, runs out.

Failed messages climb the `Ladder`, frames go out through the `Sender`; all brokers share them.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from ackflow.streams.core.backlog import Backlog
from ackflow.streams.core.broker import Broker, Channel
from ackflow.streams.core.cancelling import cancelled
from ackflow.streams.core.epoch import Epoch
from ackflow.streams.core.errors import CONNECTION_FAILURES, SourceError, describe
from ackflow.streams.core.inlet import Inlet
from ackflow.streams.core.ladder import Ladder
from ackflow.streams.core.ledger import Verb
from ackflow.streams.core.outcome import Kind
from ackflow.streams.core.policy import FailurePolicy, RetryState, exponential
from ackflow.streams.core.run import Run
from ackflow.streams.core.sender import Sender
from ackflow.streams.core.session import Session
from ackflow.streams.core.token import Account, Stretch

A = TypeVar("A")
Raw = TypeVar("Raw")

RECONNECT = exponential(0.1, 5.0)
"""Seconds before a further try to connect: what was away is to be found again within ten."""
LOOK = 0.05
"""Seconds after which a source that waits looks again who keeps what it waits for."""
STEADY = 5.0
"""Seconds after which a connection that is lost is no failure of connecting."""


class Feed(Inlet[A], Generic[A, Raw]):
    """A broker's inlet. `value` makes of a raw delivery what the stream hands out."""

    def __init__(
        self,
        session: Session,
        broker: Broker[Raw],
        policy: FailurePolicy,
        *,
        value: Callable[[Raw], A],
        prefetch: int,
        until_idle: float | None = None,
        retry: Any = None,
    ) -> None:
        """`until_idle`: seconds without a message after which the stream ends; `retry`: a sink."""
        self.session = session
        self.broker = broker
        self.name = broker.name
        self.policy = policy
        self.prefetch = prefetch
        self.stopped = False
        self.epoch: Epoch[Raw] | None = None
        self.ladder = Ladder(self, retry)
        self.sender = Sender(self)
        self._observer = session.observer
        self._value = value
        self._until_idle = until_idle
        self._buffer = Backlog()
        self._wake = asyncio.Event()
        self._paused = False
        self._last_use = 0.0
        self._looking: asyncio.TimerHandle | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._connected: asyncio.Future[None] | None = None

    # -- Inlet ------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Open the dead letter and the first epoch; raise SourceError after `start_timeout`."""
        await self.ladder.open()
        self._connected = asyncio.get_running_loop().create_future()
        self._keeping = asyncio.create_task(self._keep_open(), name=f"{self.broker.name}: epochs")
        self.sender.start()
        await self._connected

    async def runs(self) -> AsyncGenerator[Run[A]]:
        """Hand out what is there, and wait where nothing is, until stopped or idle."""
        try:
            while not self.stopped:
                tags = self._take()
                if tags:
                    yield self._run(tags)
                elif not await self._wait():
                    break
        finally:
            self.stop()
            self.over = True
            if self._looking is not None:
                self._looking.cancel()
            self.session.relieve()  # another source may be over, and wait for this one

    def stop(self) -> None:
        """Hand out nothing more, and ask the broker for no more."""
        self.stopped = True
        self._wake.set()
        self.sender.now()

    def pause(self, paused: bool) -> None:
        """Stop handing out; prefetch stops the broker."""
        self._paused = paused
        self._wake.set()

    def woken(self) -> None:
        """Look again whether something may be handed out, or nothing will come."""
        self._wake.set()

    def eased(self) -> None:
        """Look again soon who keeps what it waits for, where it waits for that."""
        if self.starved and self._looking is None:
            self._looking = asyncio.get_running_loop().call_later(LOOK, self._look)

    def _look(self) -> None:
        self._looking = None
        self._wake.set()

    async def close(self, *, abort: bool = False) -> None:
        """Send what was settled, give back the rest by its blame, and close the channel."""
        self.stop()
        if not abort:
            await self.ladder.finish()
        await cancelled(self._keeping)
        await self.sender.stop()
        epoch = self.epoch
        if epoch is not None and epoch.channel is not None:
            await self._return(epoch, epoch.channel, abort)
        await self.ladder.close()

    async def _return(self, epoch: Epoch[Raw], channel: Channel, abort: bool) -> None:
        """Give back what is not settled, by its blame: what was held has failed, the rest has not."""
        held = self.ladder.release()
        if not abort and not channel.lost.done():
            # What was on its way while the broker took note belongs to the rest.
            await channel.cancel()
            for tag in list(epoch.ledger.tags()):
                verb = Verb.RETURN_FAILED if tag in held else Verb.RETURN_UNTOUCHED
                self.ladder.tell(epoch, [tag], verb, Kind.REQUEUE)
        if not channel.lost.done():
            await self.sender.send(epoch, channel)
        self._forget(epoch)
        await channel.close()

    @property
    def in_flight(self) -> int:
        if self.epoch is None:
            return 0
        return self.epoch.ledger.open - self.ladder.held - len(self._buffer)

    @property
    def oldest(self) -> float:
        return 0.0 if self.epoch is None else self.epoch.oldest

    def owns(self, account: Account) -> bool:
        return account is self.epoch

    # -- epochs -----------------------------------------------------------------------------------

    async def _keep_open(self) -> None:
        """Keep a channel open for as long as the run lasts, with jittered back-off."""
        loop = asyncio.get_running_loop()
        began, failures = loop.time(), 0
        while not self.stopped:
            opened = loop.time()
            try:
                channel = await self._begin()
                await asyncio.wait([channel.lost])
                await self._end(channel)
            except CONNECTION_FAILURES as error:
                if not self._outlasts(error, began):
                    return
            except Exception as error:
                self._give_up(error)
                return
            failures = 0 if loop.time() - opened >= STEADY else failures + 1
            if failures:
                await asyncio.sleep(RECONNECT(RetryState(failures)))

    async def _begin(self) -> Channel:
        assert self._connected is not None
        self.epoch = epoch = Epoch(self)
        try:
            epoch.channel = channel = await self.broker.connect(epoch)
        except BaseException:
            self._forget(epoch)
            raise
        self._last_use = asyncio.get_running_loop().time()
        # With a channel again, an idle or ended source may find that nothing more comes.
        self._wake.set()
        self.session.resumed(self.broker.name)
        if not self._connected.done():
            self._connected.set_result(None)
        return channel

    async def _end(self, channel: Channel) -> None:
        """End the epoch whose channel is lost; who is stopped does not wait for another one."""
        assert self.epoch is not None
        self._forget(self.epoch)
        if not self.stopped:
            self.session.halted(self.broker.name, "connection lost")
            self.session.summary.reconnects += 1
        self.session.rouse()
        await channel.close()

    def _forget(self, epoch: Epoch[Raw]) -> None:
        """Let go of a dead epoch's deliveries: the broker hands them out again."""
        self.epoch = None
        epoch.end()
        self._buffer.clear()
        self.ladder.release()

    def _outlasts(self, error: Exception, began: float) -> bool:
        """Say whether to try again: for ever, once there was a first connection."""
        assert self._connected is not None
        if self._connected.done():
            self.session.halted(self.broker.name, describe(error))
            return True
        if asyncio.get_running_loop().time() - began < self.broker.start_timeout:
            return True
        if not isinstance(error, SourceError):
            error = SourceError(f"{self.broker.name}: {describe(error)}")
        self._give_up(error)
        return False

    def _give_up(self, error: Exception) -> None:
        if self._connected is not None and not self._connected.done():
            self._connected.set_exception(error)
        else:
            self.session.fail(error)

    # -- deliveries in, runs out ------------------------------------------------------------------

    def arrived(
        self, epoch: Epoch[Raw], tags: Sequence[int], refused: Mapping[int, Exception]
    ) -> None:
        """Put deliveries into the buffer."""
        self.session.summary.delivered += len(tags)
        if refused and self._observer is not None:
            self._observer.taken(epoch, [tags[position] for position in refused])
        for position, error in refused.items():
            epoch.refused[tags[position]] = error
            self.session.record(error, self.broker.name, "a refused delivery")
            epoch.settle([tags[position]], self.policy.judge(error))
        if refused:
            tags = [tag for position, tag in enumerate(tags) if position not in refused]
        self._buffer.add(tags)
        self._wake.set()

    def _take(self) -> Sequence[int]:
        """Take out what may be handed out now: what was held long enough, then what is fresh."""
        if self._paused:
            return ()
        tags: Sequence[int] = self.ladder.ripe()
        if self._buffer and not self.ladder.overflows():
            fresh = self._buffer.take(self.session.allow(self._room()))
            if self._observer is not None:
                assert self.epoch is not None
                self._observer.taken(self.epoch, fresh)
            tags = [*tags, *fresh] if tags else fresh
        if tags:
            self._last_use = asyncio.get_running_loop().time()
        return tags

    def _room(self) -> int:
        """Say how many of the buffer may be handed out."""
        assert self.epoch is not None
        busy = bool(self.in_flight or self.epoch.ledger.unsent)
        now = asyncio.get_running_loop().time()
        return self.epoch.suspects.room(self._buffer, now, busy=busy)

    def _run(self, tags: Sequence[int]) -> Run[A]:
        epoch = self.epoch
        assert epoch is not None
        return Run(list(map(self._value, epoch.ledger.items(tags))), Stretch(epoch, tags))

    async def _wait(self) -> bool:
        """Wait until there may be something to hand out; False means that nothing will come."""
        self._wake.clear()
        self.over = over = self._over()
        if over and (self.session.looking is not None or self._done()):
            return False
        self._starve(over)
        due = self._due(over)
        timer = None if due is None else asyncio.get_running_loop().call_at(due, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            self.starved = False
            if timer is not None:
                timer.cancel()
        return True

    def _done(self) -> bool:
        """Say whether nothing is in flight, and the broker has heard what became of all of it."""
        return not self.in_flight and (self.epoch is None or not self.epoch.ledger.unsent)

    def _over(self) -> bool:
        """Say whether the source has ended, or been idle for long enough; held is not idle."""
        if self._paused or self.epoch is None or self.epoch.channel is None:
            return False
        if self.ladder.retrying:
            return False
        if self.session.limit == 0 or (self.broker.ended and not self._buffer):
            return True
        if self._buffer or self.ladder.held:
            return False
        idle = self._idle_from()
        return idle is not None and asyncio.get_running_loop().time() >= idle

    def _idle_from(self) -> float | None:
        """Return when the source counts as idle; a broker that has no credit left is not."""
        if self._until_idle is None or self.epoch is None or self.epoch.channel is None:
            return None
        if self.epoch.ledger.outstanding >= self.prefetch:
            return None
        return self._last_use + self._until_idle

    def credited(self) -> None:
        """Begin anew to count idle seconds: the broker had no credit, and now it has."""
        self._last_use = asyncio.get_running_loop().time()

    def _due(self, over: bool) -> float | None:
        """Return when to look again without having been woken."""
        if self._paused:
            return None
        suspect = None if self.epoch is None else self.epoch.suspects.due
        if suspect is not None and suspect > asyncio.get_running_loop().time():
            return suspect if self.ladder.due is None else min(suspect, self.ladder.due)
        if self.ladder.due is not None:
            return self.ladder.due
        return None if over else self._idle_from()

    def _starve(self, over: bool) -> None:
        """Get credit back: send the acks that wait, or have the joiners let go."""
        epoch = self.epoch
        if epoch is None:
            return
        waits = bool(epoch.suspects and self._buffer)
        self.starved = over or waits or epoch.ledger.outstanding >= self.prefetch
        if self.starved and epoch.ledger.unsent:
            self.sender.now()
        elif self.starved:
            self.session.unpark(self)
