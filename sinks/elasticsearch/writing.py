"""One write: its documents are sent, judged, sent again and settled until none is open."""

import asyncio
from collections.abc import Sequence
from typing import Any

from ackflow.sinks.elasticsearch.answers import Answer, Cause
from ackflow.sinks.elasticsearch.bisection import Bisection
from ackflow.sinks.elasticsearch.documents import Documents
from ackflow.sinks.elasticsearch.judging import COME_AGAIN, Tally, judge_each
from ackflow.sinks.elasticsearch.rejection import BulkRejected
from ackflow.sinks.elasticsearch.running import Running
from ackflow.sinks.elasticsearch.sending import NoAnswerError
from ackflow.sinks.elasticsearch.verdicts import Decision, judge_request
from ackflow.streams.core import Unavailable

OVERSIZED = 2**20
"""Bytes from which a reset may mean that the server would not even read the body."""


class Write:
    """Sends the documents of one call of `write_messages`.

    Methods that send take positions of documents and return those that are to be sent once more.
    A write that was halted by an outage goes on where it was when it is run again.
    """

    def __init__(self, running: Running, documents: Documents) -> None:
        self._running = running
        self._documents = documents
        self._deadline = 0.0
        self._slow = False
        self._retry_after = 0.0
        self._resets = 0
        self._garbled: set[int] = set()

    async def run(self) -> None:
        """Settle all documents; raise Unavailable with the open ones untouched."""
        free, waiting = self._documents.enter()
        halted = False
        try:
            if self._running.outage.suspected:
                await self._running.server.probe()
            await self._finish(free)
            if waiting:
                await self._finish(await self._documents.turn(waiting))
        except Unavailable:
            halted = True
            raise
        finally:
            self._documents.leave(halted=halted)

    async def _finish(self, positions: list[int]) -> None:
        running, documents = self._running, self._documents
        self._deadline = running.now() + running.conduct.retry_for
        rounds = 0
        while positions:
            self._slow, self._retry_after = False, 0.0
            again: list[int] = []
            sent = 0
            while sent < len(positions):
                part = documents.cut(positions, sent, running.sizing.limit)
                sent += len(part)
                again += await self._send(part)
            positions = sorted(again)
            if positions:
                wait = max(running.pause(rounds, slow=self._slow), self._retry_after)
                await asyncio.sleep(min(wait, max(0.0, self._deadline - running.now())))
            rounds += 1

    @property
    def _late(self) -> bool:
        return self._running.now() >= self._deadline

    # -- one bulk ---------------------------------------------------------------------------------

    async def _send(self, part: list[int], bisection: Bisection | None = None) -> list[int]:
        if not (part := self._documents.current(part)):
            return []
        payload = self._documents.payload(part)
        try:
            answer = await self._running.exchange(payload)
        except NoAnswerError as lost:
            return await self._lost(part, lost, len(payload), bisection)
        self._resets = 0
        if answer.plain(len(part)):
            return self._stored(part, answer)
        results = answer.results(len(part))
        if results is not None:
            return self._settle(part, results)
        if 200 <= answer.status < 300:
            return self._unreadable(part)
        return await self._refused(part, answer, len(payload), bisection)

    async def _refused(
        self, part: list[int], answer: Answer, size: int, bisection: Bisection | None
    ) -> list[int]:
        """Follow the verdict on an answer to the bulk as a whole."""
        running, verdict = self._running, judge_request(answer.status, answer.cause)
        said = f"answered {answer.status} {answer.cause}"
        if verdict.decision is Decision.HALT:
            running.halt(said)
        if verdict.decision is Decision.BISECT:
            if answer.status == 413 and len(part) > 1:
                running.sizing.refused(size)
            return await self._bisect(part, answer.status, answer.cause, bisection)
        self._retry_after = max(self._retry_after, answer.retry_after or 0.0)
        if self._late:
            if verdict.spent is Decision.REJECT:
                return await self._bisect(part, answer.status, answer.cause, bisection)
            self._documents.requeue(part, f"{running.server.name} {said}", COME_AGAIN)
            return []
        again = self._documents.again(part)
        if verdict.outage and running.outage.failed(running.now()):
            running.halt(said)
        return again

    def _unreadable(self, part: list[int]) -> list[int]:
        """Handle an answer that can't be matched with the documents, though they may be stored."""
        reason = "gave an answer that does not fit the bulk"
        part = self._unknown(part, reason)
        twice = [at for at in part if at in self._garbled]
        self._garbled.update(part)
        self._documents.requeue(twice, f"{self._running.server.name} {reason}, twice", COME_AGAIN)
        return self._documents.again(at for at in part if at not in twice)

    def _unknown(self, part: list[int], reason: str) -> list[int]:
        """Return what may be sent again; ids make that safe, without them the settings decide."""
        running = self._running
        choice = running.conduct.on_unknown
        if running.addressing.id is not None or choice == "retry":
            return part
        if choice == "requeue":
            self._documents.requeue(part, f"{running.server.name} {reason}", None)
        else:
            for at in part:
                self._documents.reject(at, self._error(at, None, Cause("unknown_outcome", reason)))
        return []

    async def _lost(
        self, part: list[int], lost: NoAnswerError, size: int, bisection: Bisection | None
    ) -> list[int]:
        """Handle a request that got no answer: it may have been written."""
        running = self._running
        said = f"did not answer a bulk: {lost}"
        again = self._documents.again(self._unknown(part, said))
        self._resets += not lost.timeout
        # Servers close the connection before they have read a body that is too large for them.
        oversized = not lost.timeout and size > OVERSIZED and len(again) > 1
        if not oversized and running.outage.lost(running.now()):
            running.halt(said)
        await running.server.probe()
        if oversized and self._resets >= 2:
            running.sizing.refused(size)
            return await self._bisect(again, None, Cause("unknown_outcome", said), bisection)
        if self._late and again:
            return await self._bisect(again, None, Cause("unknown_outcome", said), bisection)
        return again

    # -- bisection --------------------------------------------------------------------------------

    async def _bisect(
        self, part: list[int], status: int | None, cause: Cause, bisection: Bisection | None
    ) -> list[int]:
        """Send the halves by themselves, down to documents that fail alone."""
        root = bisection or Bisection(len(part))
        if len(part) == 1:
            root.failed[part[0]] = self._error(part[0], status, cause)
            again = []
        else:
            self._running.statistics.bisects += 1
            left, right = self._documents.halves(part)
            again = await self._send(left, root) + await self._send(right, root)
        if bisection is None:
            if error := root.common_error:
                self._running.halt(f"refuses every document of a bulk alike: {error}")
            for at, error in root.rejections():
                self._documents.reject(at, error)
        return again

    def _error(self, at: int, status: int | None, cause: Cause) -> BulkRejected:
        return BulkRejected(
            cause.reason,
            status=status,
            error_type=cause.type,
            caused_by=cause.caused_by,
            attempts=self._documents.tries(at) + 1,
        )

    # -- results of single documents --------------------------------------------------------------

    def _stored(self, part: list[int], answer: Answer) -> list[int]:
        """Settle documents all of which were stored."""
        statistics = self._running.statistics
        statistics.created += answer.count(201)
        statistics.missing += answer.count(404)
        self._documents.accept(part)
        self._running.outage.mended()
        return []

    def _settle(self, part: list[int], results: Sequence[Any]) -> list[int]:
        """Settle each document by its own result."""
        tally = judge_each(self._documents, part, results, self._running.rules, late=self._late)
        self._running.statistics.created += tally.created
        return self._conclude(tally)

    def _conclude(self, tally: Tally) -> list[int]:
        """Return what is to be sent again, unless it is an outage."""
        running = self._running
        again = self._documents.again(tally.again)
        self._slow = self._slow or tally.slow
        if tally.judged:
            running.outage.mended()
        if tally.halt:
            running.halt(tally.halt)
        if tally.outage and not tally.judged and running.outage.failed(running.now()):
            running.halt(tally.outage)
        return again
