"""RetryingSink: a sink that is written to again with what failed."""

import asyncio
import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from ackflow.operators.again import Retrying
from ackflow.streams.core import OUTAGES, Sink, Verdict, check_answer

A = TypeVar("A")


class RetryingSink(Sink[Any, Any]):
    """A sink whose failed elements are written again."""

    def __init__(self, sink: Sink[Any, Any], retrying: Retrying) -> None:
        self.sink = sink
        self.retrying = retrying
        self.name = f"retry({sink.name})"  # type: ignore[misc]
        self.chunks = sink.chunks  # type: ignore[misc]
        self.concurrency, self.max_items = sink.concurrency, sink.max_items
        self.idempotent = sink.idempotent

    def __copy__(self) -> "RetryingSink":
        return RetryingSink(copy.copy(self.sink), self.retrying)

    @property
    def shown_settings(self) -> Mapping[str, Any]:
        return self.sink.shown_settings

    async def open(self) -> None:
        await self.sink.open()

    async def close(self) -> None:
        await self.sink.close()

    def result(self, summary: Any) -> Any:
        return self.sink.result(summary)

    async def write(self, items: Sequence[Any]) -> Sequence[Exception | None] | None:
        """Write; write again what failed, and only that."""
        work = _Rewriting(self.sink, items)
        began = asyncio.get_running_loop().time()
        number = 0
        while True:
            number += 1
            await work.write()
            waited = asyncio.get_running_loop().time() - began
            if not work.keep(lambda error: self._again(error, number, waited)):  # noqa: B023
                return work.answer
            await self.retrying.pause(number)

    def _again(self, error: Exception, number: int, waited: float) -> bool:
        if isinstance(error, (Verdict, *OUTAGES)):
            return False
        return self.retrying.again(error, number, waited)


class _Rewriting:
    """What one write to a sink consists of, and what of it is still to be written."""

    def __init__(self, sink: Sink[Any, Any], items: Sequence[Any]) -> None:
        self._sink = sink
        self._items = list(items)
        self._chunk = False
        self._places = list(range(len(items)))
        self._answer: list[Exception | None] = [None] * len(items)
        self._raised: Exception | None = None

    @property
    def answer(self) -> list[Exception | None]:
        """One entry per element or member; raises what the sink raised about all of them."""
        if self._raised is not None and len(self._places) == len(self._answer):
            raise self._raised
        return self._answer

    async def write(self) -> None:
        """Write what is pending, and note what the sink says about it."""
        pending = [self._items[place] for place in self._places]
        self._raised = None
        try:
            answer = await self._sink.write([pending] if self._chunk else pending)
        except Exception as error:
            self._raised = error
            self._note([error] * len(pending))
            return
        if answer is None:
            answer = [None] * len(pending)
        check_answer(answer, self._sink.name)
        self._note(list(answer))

    def _note(self, answer: list[Exception | None]) -> None:
        if len(answer) != len(self._places):
            answer = self._fitted(answer)
        for place, error in zip(self._places, answer, strict=True):
            self._answer[place] = error

    def _fitted(self, answer: list[Exception | None]) -> list[Exception | None]:
        """Fit an answer about a chunk as a whole, or about members that were one element so far."""
        if self._chunk and len(answer) == 1:
            return answer * len(self._places)
        members = self._items[0] if len(self._items) == 1 and not self._chunk else ()
        if isinstance(members, Sequence) and len(answer) == len(members):
            self._chunk, self._items = True, list(members)
            self._places = list(range(len(answer)))
            self._answer = [None] * len(answer)
            return answer
        raise RuntimeError(
            f"{self._sink.name}.write(items) must return None or one entry per element or member of "
            f"a chunk: {len(self._places)} were written, {len(answer)} entries came back; "
            "None says that all are"
        )

    def keep(self, again: Callable[[Exception], bool]) -> bool:
        """Keep what failed and is worth another write pending; say whether there is any."""
        errors = {place: self._answer[place] for place in self._places}
        places = [p for p, error in errors.items() if error is not None and again(error)]
        if places:
            self._places = places
        return bool(places)
