"""Stages: what they hold, and what is derived from it."""

from math import inf
from typing import Any

import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams.core import Stage, check_prefetch, demand, label
from tests.queues import closed


class Holding(Stage):
    """Holds so many elements, each of them a chunk of `size` of those that come."""

    name = "holding"

    def __init__(self, holds: int | None, size: int = 0) -> None:
        self.holds = holds
        self.size = size

    def shape(self, before: tuple[int, ...]) -> tuple[int, ...]:
        return (*before, self.size) if self.size else before


def test_what_stages_hold_is_added_up_and_multiplied_behind_chunks() -> None:
    needed = demand(
        (Holding(3), Holding(10, 10), Holding(0), Holding(2), Holding(5, 5), Holding(1))
    )
    assert needed.sum == 3 + 10 + 2 * 10 + 5 * 10 + 1 * 50
    assert needed.largest == 50
    assert needed.terms == [
        "holding 3", "holding 10", "holding 2 × 10", "holding 5 × 10", "holding 1 × 50"
    ]  # fmt: skip
    assert needed.unknown == []


def test_an_empty_path_holds_one_message() -> None:
    needed = demand(())
    assert (needed.sum, needed.largest, needed.terms, needed.unknown) == (0, 1, [], [])


def test_a_stage_that_does_not_say_is_named() -> None:
    needed = demand((Holding(2), Holding(None)))
    assert (needed.sum, needed.unknown) == (2, ["holding"])


def test_a_stage_is_shown_with_its_settings_and_functions_by_name() -> None:
    class Named(Stage):
        name = "named"
        settings = {"f": int, "size": 3, "g": len}  # noqa: RUF012

    assert repr(Named()) == "named(f=int, size=3, g=len)"
    assert repr(Stage()) == "stage()"
    assert label("text") == "'text'"


def test_a_stage_without_runs_says_so() -> None:
    context: Any = None
    with pytest.raises(NotImplementedError, match=r"Holding has no runs\(\)"):
        Holding(1).runs(context)


@pytest.mark.parametrize("prefetch", [None, 1, 2, 65_535])
def test_prefetch_fits_into_16_bits(prefetch: Any) -> None:
    check_prefetch("memory.queue", prefetch)
    assert streams.memory.queue(prefetch=prefetch).stage.prefetch == prefetch  # type: ignore[attr-defined]


@pytest.mark.parametrize("prefetch", [0, -1, 65_536, True, 2.0, "5", inf])
def test_any_other_prefetch_is_refused(prefetch: Any) -> None:
    with pytest.raises(ValueError, match="whole number from 1 to 65,535, got"):
        check_prefetch("memory.queue", prefetch)


async def test_a_source_whose_prefetch_is_given_needs_no_declared_bound() -> None:
    @op.operator()
    async def passing(messages: Any) -> Any:
        async for message in messages:
            yield message

    with pytest.raises(
        ValueError, match="can't be derived behind passing, which declares no bound"
    ):
        streams.memory.queue([1]) | passing() | sinks.to_list()
    assert await (closed([1], prefetch=3) | passing() | sinks.to_list()) == [1]
    assert await (streams.of(1) | passing() | sinks.to_list()) == [1]
