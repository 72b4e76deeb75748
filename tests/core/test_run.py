"""Runs: values and tokens side by side."""

from ackflow.streams.core import Run, concatenate
from tests.core.recording import Recording


def test_runs_are_put_together_in_order() -> None:
    account = Recording()
    run = concatenate([account.run("a", "b"), account.run(), account.run("c")])
    assert run.values == ["a", "b", "c"]
    assert [tag for _, tag in run.tokens] == [0, 1, 0]


def test_a_single_run_is_handed_on_as_it_is() -> None:
    run = Recording().run("a")
    assert concatenate([run]) is run


def test_of_no_runs_an_empty_one_is_made() -> None:
    empty: Run[int] = concatenate([])
    assert (len(empty), empty.values, list(empty.tokens)) == (0, [], [])


def test_a_part_keeps_values_and_tokens_together() -> None:
    run = Recording().run("a", "b", "c", "d")
    part = run.part(1, 3)
    assert (part.values, [tag for _, tag in part.tokens]) == (["b", "c"], [1, 2])
    assert run.part(2).values == ["c", "d"]
    assert len(run.part(1)) == 3


def test_messages_whose_channel_is_gone_are_left_out() -> None:
    living, gone = Recording(), Recording()
    run = concatenate([living.run("a", "b"), gone.run("c"), living.run("d")])
    assert run.living() is run
    gone.closed = True
    left = run.living()
    assert (left.values, [tag for _, tag in left.tokens]) == (["a", "b", "d"], [0, 1, 0])
