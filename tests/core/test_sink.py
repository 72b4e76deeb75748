"""Sinks: what a class of one's own gets by itself."""

from collections.abc import Sequence
from typing import Any

import pytest

from ackflow import sinks, streams
from ackflow.streams import Sink, Summary
from ackflow.streams.core import as_sink
from tests.queues import closed


class Stored(Sink[Any, Summary]):
    """A sink that keeps what it gets."""

    name = "stored"

    def __init__(self) -> None:
        self.kept: list[Any] = []

    async def write(self, items: Sequence[Any]) -> None:
        self.kept += items


class Plain:
    """A user's object with nothing but `write`."""

    def __init__(self) -> None:
        self.kept: list[list[Any]] = []

    async def write(self, items: Sequence[Any]) -> None:
        self.kept.append(list(items))


class Full(Plain):
    """A user's object with everything that a sink can have."""

    concurrency = 3
    max_items = 2
    idempotent = True

    def __init__(self) -> None:
        super().__init__()
        self.events: list[str] = []

    async def open(self) -> None:
        self.events.append("open")

    async def close(self) -> None:
        self.events.append("close")

    def result(self) -> str:
        return "its own result"


async def test_a_sink_takes_one_element_a_write_and_its_result_is_the_summary() -> None:
    sink: Any = Stored()
    assert (sink.concurrency, sink.max_items, sink.chunks, sink.idempotent) == (1, 1, False, False)
    pipeline = closed(["a", "b"]) | sink
    summary = await pipeline
    assert summary is pipeline.summary
    assert summary.accepted == 2
    assert repr(sink) == "stored()"


async def test_a_sink_without_write_says_so_for_each_message() -> None:
    class Nothing(Sink[Any, Summary]):
        name = "nothing"

    queue = closed(["a"], attempts=1, dead_letter=(dead := sinks.to_list()))
    await (queue | Nothing())
    assert dead.values[0].headers["x-ackflow-error"] == (
        "NotImplementedError: Nothing has no write()"
    )


async def test_a_users_object_is_used_with_what_it_has() -> None:
    plain = Plain()
    summary = await (closed(["a", "b"]) | plain)
    assert isinstance(summary, Summary)
    assert plain.kept == [["a"], ["b"]]
    adapted = as_sink(plain)
    assert (adapted.concurrency, adapted.max_items, adapted.idempotent) == (1, 1, False)
    full = Full()
    assert await (closed(["a", "b", "c"]) | full) == "its own result"
    assert sorted(map(len, full.kept)) == [1, 2]
    assert full.events == ["open", "close"]
    adapted = as_sink(full)
    assert (adapted.concurrency, adapted.max_items, adapted.idempotent) == (3, 2, True)
    assert repr(adapted) == "Full()"


def test_a_sink_holds_as_many_elements_as_it_writes_at_once() -> None:
    class Bulk(Stored):
        chunks = True
        max_items = 5
        concurrency = 3

    class Single(Bulk):
        chunks = False

    assert (Bulk().holds, Single().holds, Stored().holds) == (15, 3, 1)


def test_only_what_can_be_written_to_is_a_sink() -> None:
    sink = Stored()
    assert as_sink(sink) is sink
    with pytest.raises(TypeError, match=r"a sink must have an async write\(items\), got 3"):
        as_sink(3)
    untyped: Any = sink
    with pytest.raises(TypeError, match=r"stored\(\).* an ackflow stream, got \[1\]"):
        untyped([1])


async def test_each_run_has_a_sink_of_its_own() -> None:
    class Counting(Sink[Any, int]):
        name = "counting"
        count = 0

        async def write(self, items: Sequence[Any]) -> None:
            self.count += len(items)

        def result(self, summary: Summary) -> int:
            return self.count

    pipeline = streams.of(1, 2, 3) | Counting()
    assert await pipeline == 3
    assert await pipeline == 3


@pytest.mark.parametrize("name", ["concurrency", "max_items"])
@pytest.mark.parametrize("number", [0, -1, 1.5, True, "2", None])
def test_a_sinks_numbers_are_whole_from_1_up(name: str, number: Any) -> None:
    stored, full = Stored(), Full()
    for sink in (stored, full):
        setattr(sink, name, number)
    said = rf"\.{name}: must be a whole number from 1 up, got "
    for end in (lambda: streams.of(1) | stored, lambda: streams.of(1) | full):
        with pytest.raises(ValueError, match=said):
            end()
    with pytest.raises(ValueError, match=said):
        as_sink(stored)


def test_a_sink_shows_no_settings_and_no_branches_unless_it_says_which() -> None:
    sink = Sink[Any, Any]()
    assert (dict(sink.shown_settings), tuple(sink.shown_branches)) == ({}, ())
