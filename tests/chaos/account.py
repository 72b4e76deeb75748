"""What became of every message: from the log of the sinks' calls, and from the servers."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Parts = Callable[[int], list[str]]
"""Which parts a scenario makes of a message."""


class Calls:
    """Follows the log that the pipeline's processes write."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0
        self._rest = b""
        self.called: Counter[str] = Counter()
        self.stored: set[str] = set()
        self.taken: Counter[str] = Counter()
        """How often a source has handed out each message."""
        self.stalls: dict[str, float] = {}
        """The longest times in seconds without progress, by the fault that came before."""
        self.fault = "start"
        self._moved = time.monotonic()

    def read(self) -> int:
        """Take in what is new; return how many parts were handed to their sinks so far."""
        before = len(self.called)
        with self._path.open("rb") as log:
            log.seek(self._position)
            data = self._rest + log.read()
            self._position = log.tell()
        *lines, self._rest = data.split(b"\n")
        for line in lines:
            mark, _, part = line.decode().partition(" ")
            if mark == "stored":
                self.stored.add(part)
            else:
                (self.called if mark == "called" else self.taken)[part] += 1
        now = time.monotonic()
        if len(self.called) > before:
            self.stalls[self.fault] = max(self.stalls.get(self.fault, 0.0), now - self._moved)
            self._moved = now
        return len(self.called)

    def after(self, fault: str) -> None:
        """Note that a fault begins or is over: what stands still from now on does so because of it."""
        self.read()
        self.fault = fault
        self._moved = time.monotonic()

    @property
    def repeats(self) -> int:
        """How many calls came on top of the first for their part."""
        return self.called.total() - len(self.called)


@dataclass
class Account:
    """What became of one scenario's messages."""

    scenario: str
    published: int = 0
    stored: int = 0
    dead_lettered: int = 0
    left: int = 0
    lost: int = 0
    wrongly_acked: int = 0
    duplicates: int = 0
    duplicates_allowed: int = 0
    duplicates_over: int = 0
    """By how many they were ever above what the faults until then allow."""
    duplicates_through_sigterm: int = 0
    illegal_acks: int = 0
    limited: bool = False
    """Whether the queue has to send some to the dead letters, where none may go elsewhere."""
    stalls: dict[str, float] = field(default_factory=dict)
    progress_after_last_fault: float = 0.0
    seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)

    def repeated(self, repeats: int) -> None:
        """Note how many were repeated so far, under the faults so far."""
        self.duplicates = repeats
        self.duplicates_over = max(self.duplicates_over, repeats - self.duplicates_allowed)

    def settle(
        self,
        parts: Parts,
        numbers: Iterable[int],
        *,
        stored: set[str],
        dead: Collection[int],
        taken: Collection[str],
    ) -> None:
        """Count messages: each has to be stored with all its parts, or be a dead letter, or be left."""
        found = {n: stored.issuperset(parts(n)) for n in numbers}
        gone = [n for n, whole in found.items() if not whole and n not in dead]
        self.stored = sum(found.values())
        self.dead_lettered = len(set(dead))
        self.lost = max(0, len(gone) - self.left)
        # Handed out, gone from its queue, and nowhere, or not with all its parts.
        self.wrongly_acked = 0 if self.left else sum(str(n) in taken for n in gone)

    @property
    def wrong(self) -> list[str]:
        """What is not as it has to be."""
        zeros = ("lost", "wrongly_acked", "left", "duplicates_over", "duplicates_through_sigterm",
                 "illegal_acks")  # fmt: skip
        wrong = [f"{name} {getattr(self, name)}" for name in zeros if getattr(self, name)]
        if self.limited != bool(self.dead_lettered):
            wrong.append(f"dead_lettered {self.dead_lettered}")
        if self.progress_after_last_fault > 10:
            wrong.append(f"progress only {self.progress_after_last_fault:.1f} s after a fault")
        return wrong


def together(accounts: list[Account]) -> dict[str, Any]:
    """Add accounts up, for one line of JSON."""
    names = ("published", "stored", "dead_lettered", "left", "lost", "wrongly_acked", "duplicates",
             "duplicates_allowed", "duplicates_over", "duplicates_through_sigterm",
             "illegal_acks")  # fmt: skip
    faults: Counter[str] = sum((account.faults for account in accounts), Counter())
    stalls: dict[str, float] = {}
    for account in accounts:
        for fault, stall in account.stalls.items():
            stalls[fault] = max(round(stall, 1), stalls.get(fault, 0.0))
    return {
        "faults": dict(sorted(faults.items())),
        **{name: sum(getattr(account, name) for account in accounts) for name in names},
        "longest_stall": max(stalls.values()),
        "stalls": dict(sorted(stalls.items(), key=lambda item: -item[1])),
        "progress_after_last_fault": round(max(a.progress_after_last_fault for a in accounts), 1),
        "seconds": round(sum(account.seconds for account in accounts), 1),
        "wrong": [f"{a.scenario}: {wrong}" for a in accounts for wrong in a.wrong],
    }
