"""Inlets: what a source that knows nothing of credit says of itself."""

from collections.abc import AsyncGenerator
from typing import Any

from ackflow.streams.core import Inlet, Run
from tests.core.recording import Recording


class Quiet(Inlet[int]):
    """The least that an inlet can be."""

    async def open(self) -> None:
        """Nothing is to be opened."""

    async def runs(self) -> AsyncGenerator[Run[int]]:
        yield Recording().run(1)

    def stop(self) -> None:
        """Nothing is to be stopped."""

    async def close(self, *, abort: bool = False) -> None:
        """Nothing is to be closed."""

    def pause(self, paused: bool) -> None:
        """Nothing is to be paused."""


async def test_a_source_without_acks_has_nothing_in_flight_and_is_no_ones_account() -> None:
    inlet = Quiet()
    assert (inlet.in_flight, inlet.oldest) == (0, 0.0)
    assert (inlet.starved, inlet.over) == (False, False)
    others = [Recording() for _ in range(100)]
    more = [Quiet() for _ in range(100)]
    assert not any(one.owns(other) for one in more for other in others)
    owner: Any = inlet
    assert owner.owns(owner)
