"""The error tree: what an error says of itself."""

import pytest

from ackflow.streams import Requeue
from ackflow.streams.core import describe


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
