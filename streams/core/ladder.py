"""Ladder: what becomes of a source's messages, failed ones rung by rung (contract 6).

A failed message is held and handed out again; where too many are held it goes through the retry
queue; when its attempts are spent it goes to the dead letter.
"""

import asyncio
import heapq
import logging
from collections.abc import Sequence
from typing import Any

from ackflow.streams.core.epoch import Epoch
from ackflow.streams.core.errors import Reject
from ackflow.streams.core.ledger import Verb
from ackflow.streams.core.letters import ATTEMPTS_HEADER, Letters
from ackflow.streams.core.outcome import Kind, Outcome

logger = logging.getLogger("ackflow.ladder")

MOST_ATTEMPTS = 1_000_000
"""A count of attempts that a message's header may claim at most."""


class Ladder:
    """Settles one feed's deliveries, and holds those that are to come again."""

    def __init__(self, feed: Any, retry: Any) -> None:
        self._feed = feed
        self._policy = feed.policy
        self._summary = feed.session.summary
        self._observer = feed.session.observer
        self._held: list[tuple[float, int, Epoch[Any], int, bool]] = []
        self._sequence = 0
        self._warned: set[str] = set()
        self._dead = Letters(feed, self._policy.dead_letter, "dead letter")
        self._retries = Letters(feed, retry, "retry queue")

    async def open(self) -> None:
        """Open the dead letter and the retry queue."""
        await self._dead.open()
        await self._retries.open()

    async def finish(self) -> None:
        """Wait until every letter is settled."""
        await self._dead.finish()
        await self._retries.finish()

    async def close(self) -> None:
        """Close the dead letter and the retry queue."""
        await self._dead.close()
        await self._retries.close()

    # -- held messages ----------------------------------------------------------------------------

    @property
    def held(self) -> int:
        """How many messages wait to be handed out again."""
        return len(self._held)

    @property
    def retrying(self) -> bool:
        """Whether some held message still has attempts to come."""
        return any(not given_up for *_, given_up in self._held)

    @property
    def due(self) -> float | None:
        """When the first held message is to be handed out again, in loop time."""
        return self._held[0][0] if self._held else None

    def ripe(self) -> list[int]:
        """Take out the held messages whose wait is over; those refused meet their policy again."""
        now = asyncio.get_running_loop().time()
        due: list[tuple[Epoch[Any], int]] = []
        while self._held and self._held[0][0] <= now:
            _, _, epoch, tag, _ = heapq.heappop(self._held)
            due.append((epoch, tag))
        self._summary.held = len(self._held)
        again: list[int] = []
        for epoch, tag in due:
            if (cause := epoch.refused.get(tag)) is None:
                again.append(tag)
            else:
                epoch.settle([tag], epoch.judge(cause))
        self._summary.retried += len(again)
        return again

    def full(self) -> bool:
        """Say whether a quarter of prefetch is held."""
        prefetch: int = self._feed.prefetch
        return len(self._held) >= max(1, prefetch // 4)

    def overflows(self) -> bool:
        """Say whether intake has to wait because of what is held, and warn once."""
        if not self.full() or self._retries.ready:
            return False
        self._warn(
            "intake_pauses",
            "intake pauses, since a quarter of prefetch is held after failures; "
            "dead_letter= or retry_queue=True lets it go on",
        )
        return True

    def hold(self, epoch: Epoch[Any], tag: int, seconds: float, *, given_up: bool = False) -> None:
        """Hold a message back for so long; return it where the source is stopped or out of patience."""
        patience = self._feed.broker.patience
        if self._feed.stopped or (patience is not None and epoch.age(tag) + seconds > patience):
            self.tell(epoch, [tag], Verb.RETURN_FAILED, Kind.REQUEUE)
            return
        self._sequence += 1
        due = asyncio.get_running_loop().time() + seconds
        heapq.heappush(self._held, (due, self._sequence, epoch, tag, given_up))
        self._summary.held = len(self._held)
        self.overflows()

    def keep(self, epoch: Epoch[Any], tag: int) -> None:
        """Hold a message that nobody takes at the policy's longest pace."""
        self.hold(epoch, tag, self._policy.pause(64), given_up=True)

    def release(self) -> set[int]:
        """Forget what is held; return its tags."""
        tags = {tag for _, _, _, tag, _ in self._held}
        self._held.clear()
        self._summary.held = 0
        return tags

    # -- settling ---------------------------------------------------------------------------------

    def settle(self, epoch: Epoch[Any], tags: Sequence[int], outcome: Outcome) -> None:
        """Do with deliveries what their outcome and the policy say."""
        if outcome.cause is not None and self._observer is not None:
            self._observer.failed(epoch, tags, outcome)
        if epoch.closed or outcome.kind <= Kind.SKIPPED:
            self.tell(epoch, tags, Verb.ACK, outcome.kind)
        elif outcome.kind is Kind.REJECT:
            for tag in tags:
                self._bury(epoch, tag, outcome.cause or Reject("rejected"))
        elif not outcome.processed:
            self.tell(epoch, tags, Verb.RETURN_UNTOUCHED, Kind.REQUEUE)
        else:
            for tag in tags:
                self._again(epoch, tag, outcome)
        self._feed.woken()

    def tell(self, epoch: Epoch[Any], tags: Sequence[int], verb: Verb, kind: Kind) -> None:
        """Settle deliveries in the ledger, and see to it that the broker hears of it in time."""
        epoch.ledger.settle(tags, verb)
        if epoch.closed:
            self._summary.stale += len(tags)
            return
        self._feed.session.settled(kind, len(tags))
        if self._observer is not None:
            self._observer.settled(epoch, tags, verb, kind)
        epoch.tell(tags)
        if verb is not Verb.ACK or epoch.ledger.unsent * 4 >= self._feed.prefetch:
            self._feed.sender.now()
        else:
            self._feed.sender.soon()

    def _again(self, epoch: Epoch[Any], tag: int, outcome: Outcome) -> None:
        if outcome.attempt:
            self._failed(epoch, tag, outcome.cause or Reject("failed"))
        else:
            pause = self._policy.pause(1) if outcome.after is None else outcome.after
            self.hold(epoch, tag, pause)

    def _failed(self, epoch: Epoch[Any], tag: int, cause: Exception) -> None:
        """Count an attempt, and try again or give up."""
        count = epoch.attempts[tag] = self._attempts(epoch, tag) + 1
        if count >= self._policy.attempts:
            self._bury(epoch, tag, cause)
        elif self._retries.ready and self.full() and not self._feed.stopped:
            self._retries.put(epoch, tag, cause, count, self._policy.pause(count))
        else:
            self.hold(epoch, tag, self._policy.pause(count))

    def _attempts(self, epoch: Epoch[Any], tag: int) -> int:
        """Return how many attempts at a delivery have failed, those in its header included."""
        if tag in epoch.attempts:
            return epoch.attempts[tag]
        header = self._feed.broker.describe(epoch.ledger.item(tag)).headers.get(ATTEMPTS_HEADER)
        # Anybody may have written it: a count beyond reason must still fit into a header after adding 1.
        return min(header, MOST_ATTEMPTS) if isinstance(header, int) and header > 0 else 0

    def _bury(self, epoch: Epoch[Any], tag: int, cause: Exception) -> None:
        """Give up on a message: to the dead letter with it, or keep it where there is none."""
        letter = self._policy.dead_letter
        if letter == "exchange":
            self.tell(epoch, [tag], Verb.REJECT, Kind.REJECT)
        elif letter == "discard":
            self.tell(epoch, [tag], Verb.ACK, Kind.REJECT)
        elif letter is not None:
            self._dead.put(epoch, tag, cause, max(1, self._attempts(epoch, tag)))
        else:
            # By its type alone: its text may hold something out of the message.
            self._warn(
                "message_kept",
                f"a message has failed for good ({type(cause).__name__}) and is kept, since nothing "
                'is dropped unasked; give dead_letter=a sink, "exchange" or "discard"',
            )
            self.keep(epoch, tag)

    def _warn(self, event: str, text: str) -> None:
        """Warn of each thing once."""
        if event not in self._warned:
            self._warned.add(event)
            name = self._feed.broker.name
            logger.warning("%s: %s", name, text, extra={"event": event, "part": name})
