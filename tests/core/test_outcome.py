"""Outcomes: the worst wins."""

from dataclasses import FrozenInstanceError
from itertools import combinations
from typing import Any

import pytest

from ackflow.streams.core import ACCEPTED, GIVEN_BACK, SKIPPED, Kind, Outcome, worst

FAILED = Outcome(Kind.REQUEUE, RuntimeError("first"), attempt=True)
REJECTED = Outcome(Kind.REJECT, ValueError("first"))


def test_the_worst_of_two_wins_whichever_comes_first() -> None:
    for better, worse in combinations([ACCEPTED, SKIPPED, GIVEN_BACK, FAILED, REJECTED], 2):
        assert worst(better, worse) is worse
        assert worst(worse, better) is worse


@pytest.mark.parametrize("first", [GIVEN_BACK, FAILED, REJECTED])
def test_of_two_equally_bad_outcomes_the_first_keeps_its_cause(first: Outcome) -> None:
    second = Outcome(first.kind, RuntimeError("second"), attempt=first.attempt)
    assert worst(first, second) is first


def test_kinds_are_numbered_from_0_in_the_order_of_their_badness() -> None:
    assert [(kind.name, int(kind)) for kind in Kind] == [
        ("ACCEPTED", 0),
        ("SKIPPED", 1),
        ("REQUEUE", 2),
        ("REJECT", 3),
    ]


def test_an_outcome_is_no_attempt_unless_it_says_so_and_does_not_change() -> None:
    assert (REJECTED.attempt, REJECTED.processed, REJECTED.after) == (False, True, None)
    assert not GIVEN_BACK.processed
    changed: Any = ACCEPTED
    with pytest.raises(FrozenInstanceError):
        changed.kind = Kind.REJECT
