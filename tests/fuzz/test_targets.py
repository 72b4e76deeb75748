"""The promises of what parses bytes, on Hypothesis' examples: any bytes, and valid ones with damage."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.__main__ import NAMES, options
from tests.fuzz.targets import TARGETS

EXAMPLES = int(os.environ.get("ACKFLOW_EXAMPLES", "300"))


@st.composite
def damaged(draw: st.DrawFn, name: str) -> bytes:
    """Bytes that the target understands, or all but a few of them."""
    data = bytearray(draw(st.sampled_from(TARGETS[name].seeds)))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        stop = draw(st.integers(start, min(len(data), start + 4)))
        data[start:stop] = draw(st.binary(max_size=6))
    return bytes(data)


@pytest.mark.parametrize("name", TARGETS)
@given(st.data())
@settings(max_examples=EXAMPLES, deadline=None)
def test_any_bytes_keep_the_promises_of(name: str, data: st.DataObject) -> None:
    TARGETS[name].run(data.draw(st.binary(max_size=200) | damaged(name)))


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_understood_keeps_the_promises_of(name: str) -> None:
    for seed in TARGETS[name].seeds:
        TARGETS[name].run(seed)


def test_every_target_can_be_named_on_the_command_line() -> None:
    assert list(NAMES) == list(TARGETS)


def test_without_a_seed_each_run_has_one_of_its_own() -> None:
    seeds = {options([]).seed for _ in range(9)}
    assert len(seeds) > 1
    assert 0 not in seeds  # libFuzzer would draw one itself, and nobody would know it


def test_a_seed_that_is_given_is_taken() -> None:
    assert options(["--seed", "7", "lines"]).seed == 7
