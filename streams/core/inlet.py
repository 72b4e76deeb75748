"""Inlet: one source while a pipeline runs, as the engine sees it."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from typing import Generic, TypeVar

from ackflow.streams.core.run import Run
from ackflow.streams.core.token import Account

A = TypeVar("A")


class Inlet(ABC, Generic[A]):
    """One source in one run: hands out runs until it is stopped, and is closed when all is settled."""

    name = ""
    """The name under which it shows that it is halted."""

    starved = False
    """Whether it waits for messages but has no credit left to get any."""

    over = False
    """Whether nothing more will come."""

    @abstractmethod
    async def open(self) -> None:
        """Connect; raise SourceError where that can't be done."""

    @abstractmethod
    def runs(self) -> AsyncGenerator[Run[A]]:
        """Hand out runs."""

    @abstractmethod
    def stop(self) -> None:
        """Hand out nothing more: `runs` ends."""

    @abstractmethod
    async def close(self, *, abort: bool = False) -> None:
        """Tell the broker what was settled and give back the rest; with `abort` only close."""

    @abstractmethod
    def pause(self, paused: bool) -> None:
        """Stop handing out for a while, or go on."""

    def woken(self) -> None:
        """Look again whether something may be handed out, or nothing will come."""

    @property
    def in_flight(self) -> int:
        """How many deliveries are handed out, not settled, and not waiting inside the inlet."""
        return 0

    @property
    def oldest(self) -> float:
        """The age in seconds of the oldest delivery that is not settled; 0.0 where there is none."""
        return 0.0

    def owns(self, account: Account) -> bool:
        """Say whether deliveries of this account are this inlet's."""
        return id(account) == id(self)
