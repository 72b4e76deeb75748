"""FlakySink: a sink that does at each write what a script says."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from math import isinf
from typing import Any, ClassVar, TypeAlias

from ackflow.streams.core import Sink, Summary, shown

Behaviour: TypeAlias = Exception | float | Mapping[int, Exception] | None


class FlakySink(Sink[Any, Summary]):
    """A sink that does at its n-th write what the n-th entry of a script says, then accepts all.

    Example:
        sink = testing.FlakySink([None, ConnectionError(), {2: Reject("bad")}, 30.0])
        await (queue | op.chunk(3) | sink)
        sink.accepted      # what it took, in order: members of chunks one by one

    An entry is None (accept), an exception (raise it: ConnectionError, TimeoutError and Unavailable
    are outages, after which the engine writes the same again; any other fails what was written), a
    dict of exceptions by position (those elements, or members of a chunk, are refused, the others
    accepted), or seconds to hang before accepting (`float("inf")`: until cancelled).
    Acks: as for any sink: what is accepted is acked, what is refused follows the source's policy.
    `concurrency`: writes in flight; `max_items`: elements a write gets at most; `idempotent`: whether
    a write that raises may be bisected.
    Raises TypeError for an entry that is none of these.
    """

    name: ClassVar[str] = "flaky"

    def __init__(
        self,
        script: Iterable[Behaviour] = (),
        *,
        concurrency: int = 1,
        max_items: int = 1,
        idempotent: bool = False,
    ) -> None:
        self.script = list(map(_checked, script))
        self.concurrency = concurrency
        self.max_items = max_items
        self.idempotent = idempotent
        self.accepted: list[Any] = []
        """What it accepted, in order; of chunks the members."""
        self.calls: list[list[Any]] = []
        """What each write was given, of a chunk the members, refused or not."""
        self.events: list[str] = []
        """"open", "write" and "close", in the order of the calls."""
        self._load = [0, 0]

    # A run writes to a copy of its sink: what is recorded lies in lists, which the copies share.

    @property
    def under_way(self) -> int:
        """How many writes are in flight."""
        return self._load[0]

    @property
    def most_under_way(self) -> int:
        """How many writes were in flight at once at most."""
        return self._load[1]

    async def open(self) -> None:
        self.events.append("open")

    async def close(self) -> None:
        self.events.append("close")

    async def write(self, items: Sequence[Any]) -> Sequence[Exception | None] | None:
        whole = len(items) == 1 and isinstance(items[0], list)
        members = list(items[0] if whole else items)
        entry = self.script[len(self.calls)] if len(self.calls) < len(self.script) else None
        self.calls.append(members)
        self.events.append("write")
        self._load[0] += 1
        self._load[1] = max(self._load)
        try:
            return await self._do(entry, members)
        finally:
            self._load[0] -= 1

    async def _do(self, entry: Behaviour, members: list[Any]) -> Sequence[Exception | None] | None:
        verdicts: list[Exception | None] = [None] * len(members)
        if isinstance(entry, Exception):
            raise entry
        if isinstance(entry, float | int):
            await (asyncio.Event().wait() if isinf(entry) else asyncio.sleep(entry))
        elif entry is not None:
            verdicts = [entry.get(position) for position in range(len(members))]
        self.accepted += [m for m, error in zip(members, verdicts, strict=True) if error is None]
        return verdicts if any(verdicts) else None

    def __repr__(self) -> str:
        return f"FlakySink({len(self.script)} writes scripted)"


def _checked(entry: Any) -> Behaviour:
    if entry is None or isinstance(entry, Exception):
        return entry
    if isinstance(entry, float | int) and not isinstance(entry, bool) and entry >= 0:
        return entry
    if isinstance(entry, Mapping) and all(
        isinstance(position, int) and isinstance(error, Exception)
        for position, error in entry.items()
    ):
        return entry
    raise TypeError(
        "testing.FlakySink(script): must hold None, exceptions, dicts of exceptions by position, and "
        f"seconds, got {shown(entry)}; None is a write that accepts all"
    )
