"""Stages: what they hold, and what is derived from it."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import FrozenInstanceError
from math import inf
from typing import Any

import pytest

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams.core import (
    Context,
    Run,
    Session,
    Source,
    Stage,
    Stream,
    check_prefetch,
    demand,
    label,
)
from ackflow.streams.core.stage import check_patience
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


def test_chunks_of_two_double_what_is_held_behind_them() -> None:
    needed = demand((Holding(2, 2), Holding(3), Holding(1, 1), Holding(1)))
    assert needed.terms == ["holding 2", "holding 3 × 2", "holding 1 × 2", "holding 1 × 2"]
    assert demand((Holding(1, 1), Holding(1))).terms == ["holding 1", "holding 1"]


def test_an_empty_path_holds_one_message() -> None:
    needed = demand(())
    assert (needed.sum, needed.largest, needed.terms, needed.unknown) == (0, 1, [], [])


def test_a_stage_that_does_not_say_is_named() -> None:
    needed = demand((Holding(2), Holding(None)))
    assert (needed.sum, needed.unknown) == (2, ["holding"])


def test_a_stage_has_no_settings_and_no_branches_unless_it_says_which() -> None:
    stage = Stage()
    assert (dict(stage.settings), tuple(stage.branches)) == ({}, ())


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


class Quiet(Stage):
    """Says nothing of itself, and hands on what it gets."""

    async def runs(
        self, context: Context, *inputs: AsyncIterator[Run[Any]]
    ) -> AsyncGenerator[Run[Any]]:
        async for run in inputs[0]:
            yield run


async def test_a_stage_that_says_nothing_of_itself_holds_keeps_and_passes_nothing() -> None:
    stage = Quiet()
    assert (stage.holds, stage.keeps, stage.others, dict(stage.settings)) == (0, 0.0, (), {})
    assert (stage.catches, stage.passes_failures) == (False, False)

    def work(value: int) -> int:
        if value == 1:
            raise KeyError(value)
        return value

    queue = closed(range(3), dead_letter=(dead := sinks.to_list()))
    quiet = Stream(stage, queue | op.map(work))
    caught = quiet | op.catch(lambda error: -1, on=KeyError)
    assert await (caught | sinks.to_list()) == [0, 2]
    assert [letter.body for letter in dead.values] == [1]


def test_a_context_does_not_change() -> None:
    context: Any = Context(Session(), False, 0)
    with pytest.raises(FrozenInstanceError):
        context.places = 1


def test_a_setting_that_cannot_be_shown_is_named_by_its_type() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise ZeroDivisionError

    assert label(Broken()) == "<Broken, whose repr raises ZeroDivisionError>"


class Asking(Source):
    """A source that writes down the prefetch it is asked for."""

    name = "asking"

    def __init__(self, patience: float | None = None) -> None:
        self.patience = patience
        self.asked: list[int] = []

    def inlet(self, session: Session, prefetch: int) -> Any:
        self.asked.append(prefetch)
        raise LookupError("no inlet")


class Keeping(Stage):
    """Keeps what comes for so many seconds."""

    name = "keeping"

    def __init__(self, keeps: float) -> None:
        self.keeps = keeps


@pytest.mark.parametrize(
    ("patience", "kept", "fits"),
    [(10.0, [4.0, 6.0], True), (10.0, [4.0, 6.1], False), (10.0, [], True), (None, [1e9], True)],
)
def test_stages_keep_messages_no_longer_than_their_source_waits(
    patience: float | None, kept: list[float], fits: bool
) -> None:
    source = Asking(patience)
    path = tuple(map(Keeping, kept))
    if fits:
        check_patience(source, path)
        return
    said = r"asking: .* within 10 s, .* keeping\(\) \+ keeping\(\) may keep them for 10\.1 s"
    with pytest.raises(ValueError, match=said):
        check_patience(source, path)
    stream: Stream[Any] = Stream(source)
    with pytest.raises(ValueError, match="may keep them"):
        Stream(Keeping(20.0), stream)


def test_a_source_without_credit_is_asked_for_no_prefetch() -> None:
    source = Asking()
    with pytest.raises(LookupError, match="no inlet"):
        Stream(source).attach(Session(), ())
    assert source.asked == [0]


def test_a_stage_may_refuse_the_streams_it_is_put_behind() -> None:
    class Choosy(Stage):
        def check(self, inputs: Any) -> None:
            raise TypeError(f"not behind {len(inputs)}")

    with pytest.raises(TypeError, match="not behind 1"):
        Stream(Choosy(), streams.of(1))
