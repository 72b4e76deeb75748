"""The model of tests/test_conservation.py finds what loses a message, wherever it is."""

from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from ackflow.streams.testing import Hang
from tests.conservation import planted
from tests.conservation.gates import GATES, JOINS
from tests.conservation.machine import ALONE, Conservation
from tests.conservation.steps import STEPS

LOOKING = settings(
    max_examples=1000,  # far fewer find each of them, mostly
    stateful_step_count=15,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)


MISSED = "in no store|had no reason to drop|never came to"


def looked_at(**changes: Any) -> None:
    """Look at pipelines of a machine that differs in this, with a fixed seed."""
    changed: Any = type("Changed", (Conservation,), changes)
    run_state_machine_as_test(hypothesis.seed(1)(changed), settings=LOOKING)


def robbed(**changes: Any) -> None:
    with pytest.raises(AssertionError, match=MISSED):
        looked_at(planted=staticmethod(planted.robber), **changes)


@pytest.mark.parametrize("name", [*STEPS, *GATES])
def test_what_is_dropped_behind_an_operator_is_missed(name: str) -> None:
    robbed(operators=(name,), joins=(ALONE,))


@pytest.mark.parametrize("name", JOINS)
def test_what_is_dropped_behind_two_streams_is_missed(name: str) -> None:
    robbed(operators=("map",), joins=(name,))


def test_what_is_acked_before_it_has_arrived_is_missed() -> None:
    with pytest.raises(AssertionError, match=MISSED):
        looked_at(planted=staticmethod(planted.early), operators=("map",))


def test_what_is_never_settled_is_missed() -> None:
    with pytest.raises((AssertionError, TimeoutError, Hang)):
        looked_at(planted=staticmethod(planted.forgetful), operators=("map",), joins=(ALONE,))
