"""Marbles: diagrams are of what really happened, and hold whatever the values are."""

import asyncio
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest

from ackflow import operators as op
from ackflow import streams
from ackflow.streams import testing


def lines(operator: Callable[..., Any], *inputs: Any, **options: Any) -> list[str]:
    return testing.marbles(operator, *inputs, **options).text().splitlines()


def test_a_chunk_shows_when_it_leaves_and_when_its_members_are_acked() -> None:
    assert lines(op.chunk(2, timeout=3.0), "1-23---|") == [
        "in    1───2──────3─────────|",
        "      chunk(size=2, timeout=3.0)",
        "out   ────[1, 2]───────[3]─|",
        "acks  ────✓1 ✓2────────✓3───",
    ]


def test_a_value_that_fails_is_shown_as_rejected_and_never_comes_out() -> None:
    shown = lines(op.map(int), [(0, "1"), (1, "x"), (2, "3")])
    assert shown[2:] == ["out   1─────3──|", "acks  ✓1─✗x─✓3──"]


def test_a_value_that_fails_once_is_acked_when_it_came_again() -> None:
    def flaky(value: str, seen: list[str] = []) -> str:  # noqa: B006 - it has to remember
        seen.append(value)
        if seen == ["a"]:
            raise OSError("once")
        return value

    shown = testing.marbles(op.map(flaky), "a--|", wait=lambda state: 2.0)
    assert [(mark.at, mark.label) for mark in shown.output.marks] == [(2.0, "a")]


def test_what_take_is_not_to_have_goes_back() -> None:
    shown = testing.marbles(op.take(1), [(0, "a"), (0, "b")])
    assert {str(mark) for mark in shown.acks[0].marks} == {"✓a", "↺b"}
    assert shown.output.end == 0.0


def test_several_inputs_have_a_line_each() -> None:
    shown = lines(lambda a, b: a | op.merge(b), "1-2|", "-a-b|", name="merge")
    assert [line.split()[0] for line in shown if line.split()[0] != "merge"] == [
        *("in", "in", "out", "acks", "acks")
    ]
    assert "out     1──a──2──b──|" in shown


async def test_it_draws_where_a_loop_is_running() -> None:
    assert asyncio.get_running_loop().is_running()
    shown = testing.marbles(op.delay(300.0), [(0, "a")])
    assert [mark.at for mark in shown.output.marks] == [300.0]


def test_the_picture_holds_what_the_text_says() -> None:
    bundle = testing.marbles(op.map(str), "12|")._repr_mimebundle_()
    root = ElementTree.fromstring(bundle["image/svg+xml"])
    words = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert words == ["in", "1", "2", "map(f=str)", "out", "1", "2", "acks", "✓1", "✓2"]
    assert bundle["text/plain"].startswith("in    1")


@pytest.mark.parametrize(
    "value",
    ["<script>alert(1)</script>", "\"'&", "line\nbreak", "\x00\x1b[31m", "🦆" * 100, "\ud800"],
)
def test_nothing_breaks_out_of_a_picture(value: str) -> None:
    shown = testing.marbles(op.tap(lambda _: None), [(0, value)], name=value)
    root = ElementTree.fromstring(shown.svg())
    names = {each.tag.rpartition("}")[2] for each in root.iter()}
    assert names == {"svg", "title", "desc", "rect", "text", "path"}
    assert len(shown.text().splitlines()) == 4


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ((), "must get an input"),
        (("a|b",), "must be of digits and letters"),
        (("a b",), "must be of digits and letters"),
        (("ä|",), "must be of digits and letters"),
        (([1, 2],), "must be pairs of a second"),
        (([(2, "a"), (1, "b")],), "must be pairs of a second"),
        (([(-1, "a")],), "must be pairs of a second"),
        (([(float("nan"), "a")],), "must be pairs of a second"),
        ((None,), "must be pairs of a second"),
    ],
)
def test_inputs_that_cannot_be_read_are_refused(inputs: tuple[Any, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        testing.marbles(op.map(str), *inputs)


def test_an_operator_that_never_ends_is_ended() -> None:
    shown = testing.marbles(lambda queue: queue | op.merge(streams.every(100.0)), "a|")
    assert shown.output.end == 600.0
