"""The error tree: what an error says of itself."""

from math import inf, nan
from typing import Any

import pytest

from ackflow.streams import Requeue
from ackflow.streams.core import describe, shown


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("bad body"), "ValueError: bad body"),
        (ValueError("two\n  lines\t of it"), "ValueError: two lines of it"),
        (ValueError(), "ValueError"),
        (ValueError(" \n"), "ValueError"),
    ],
)
def test_an_error_is_said_in_one_line(error: Exception, said: str) -> None:
    assert describe(error) == said


def test_a_requeue_keeps_its_reason_and_its_wait() -> None:
    assert str(Requeue(reason="not yet", after=3)) == "not yet"
    assert Requeue("not yet", after=3).after == 3
    assert Requeue().after is None


def test_a_text_with_control_characters_is_shown_escaped_and_in_one_line() -> None:
    said = describe(ValueError("red \x1b[31m\nnext"))
    assert said == "ValueError: red \\x1b[31m next"
    assert len(describe(ValueError("x" * 100_000))) < 2_100


@pytest.mark.parametrize("after", [-1, -0.001, inf, nan, True, False, "5", [1]])
def test_a_requeue_waits_a_number_of_seconds_from_0_up(after: Any) -> None:
    with pytest.raises(ValueError, match=r"Requeue\(after\): must be seconds from 0 up, got"):
        Requeue("later", after=after)
    assert Requeue(after=0).after == 0
    assert Requeue(after=0.5).after == 0.5


class Broken(Exception):
    """Can't say what it is."""

    def __str__(self) -> str:
        raise ZeroDivisionError

    __repr__ = __str__


def test_what_cannot_say_what_it_is_is_named_by_its_type() -> None:
    assert describe(Broken()) == "Broken: (its text can't be shown: ZeroDivisionError)"
    assert shown(Broken()) == "<Broken, whose repr raises ZeroDivisionError>"


@pytest.mark.parametrize(
    ("length", "said"), [(98, "x" * 98), (99, "x" * 98 + "…")], ids=["all of it", "cut"]
)
def test_a_value_is_shown_in_a_hundred_characters(length: int, said: str) -> None:
    text = shown("x" * length)
    assert (text, len(text)) == ((f"'{said}'", 100) if "…" not in said else (f"'{said}", 100))
    assert shown("a long story", most=8) == "'a long…"


@pytest.mark.parametrize(("length", "end"), [(2_000, "x"), (2_001, "…")])
def test_the_text_of_an_error_is_shown_in_two_thousand_characters(length: int, end: str) -> None:
    said = describe(ValueError("x" * length))
    assert (len(said), said[-1]) == (len("ValueError: ") + 2_000, end)
