"""Portions: what one write consists of."""

from typing import Any

import pytest

from ackflow.streams.core import ACCEPTED, SKIPPED, Joined, Run, Session
from ackflow.streams.core.portion import Portion
from tests.core.recording import Recording


def chunk(*values: Any) -> tuple[Portion, Recording]:
    """The portion of one chunk whose entries are still its members."""
    account = Recording()
    tokens = [(account, tag) for tag in range(len(values))]
    return Portion.of(Run([list(values)], [(Joined(tokens), 0)]), True), account


def singles(*values: Any) -> tuple[Portion, Recording]:
    account = Recording()
    return Portion.of(account.run(*values), False), account


def test_a_chunk_is_one_item_and_its_members_are_settled_singly() -> None:
    portion, account = chunk("a", "b", "c")
    assert (portion.size, portion.items) == (3, [["a", "b", "c"]])
    portion.accept([1])
    assert account.kinds == {1: "ACCEPTED"}
    values, ((joined, _),) = portion.run.values, portion.run.tokens
    assert values == [["a", "b", "c"]]
    assert isinstance(joined, Joined)
    assert len(joined.tokens) == 3


def test_single_elements_are_items_each() -> None:
    portion, account = singles("a", "b")
    assert (portion.size, portion.items, portion.run.values) == (2, ["a", "b"], ["a", "b"])
    assert list(portion.run.tokens) == [(account, 0), (account, 1)]


@pytest.mark.parametrize(
    ("values", "places"), [(["a", "b"], False), (["a"], True), (["a", "b", "c"], True)]
)
def test_a_chunk_that_has_lost_its_places_is_one_element(values: Any, places: bool) -> None:
    account = Recording()
    token = (Joined([(account, 0), (account, 1)]), 0)
    portion = Portion.of(Run([values], [token]), places)
    assert (portion.size, portion.items) == (1, [values])
    portion.accept([0])
    assert account.kinds == {0: "ACCEPTED", 1: "ACCEPTED"}


def test_several_chunks_and_chunks_of_one_account_are_elements() -> None:
    account = Recording()
    tokens: list[Any] = [(Joined([(account, 0)]), 0), (Joined([(account, 1)]), 0)]
    assert Portion.of(Run([["a"], ["b"]], tokens), True).size == 2
    assert Portion.of(Run([["a"]], [(account, 2)]), True).items == [["a"]]


def test_of_an_empty_run_there_is_nothing_to_write() -> None:
    portion = Portion.of(Recording().run(), True)
    assert (portion.size, portion.items) == (0, [])


def test_messages_whose_channel_is_gone_are_left_out() -> None:
    live, gone = Recording(), Recording()
    run: Run[str] = Run(["a", "b", "c"], [(live, 0), (gone, 0), (live, 1)])
    portion = Portion.of(run, False)
    assert portion.fresh() is portion
    gone.closed = True
    fresh = portion.fresh()
    assert (fresh.size, fresh.items) == (2, ["a", "c"])
    fresh.settle_all(ACCEPTED)
    assert (live.kinds, gone.kinds) == ({0: "ACCEPTED", 1: "ACCEPTED"}, {})


def test_a_chunk_stays_a_chunk_when_members_are_left_out_or_halved() -> None:
    portion, account = chunk("a", "b", "c", "d", "e")
    assert [half.items for half in portion.halves()] == [[["a", "b"]], [["c", "d", "e"]]]
    account.closed = True
    assert portion.fresh().size == 0


def test_settling_all_leaves_nothing() -> None:
    portion, account = singles("a", "b")
    portion.settle_all(ACCEPTED)
    assert account.calls == [[0, 1]]
    assert (portion.size, portion.items) == (0, [])


def test_what_is_written_is_settled_together() -> None:
    portion, account = singles("a", "b", "c")
    portion.accept([0, 2])
    assert account.calls == [[0, 2]]
    portion.forget_settled()
    portion.accept([0])
    assert account.calls == [[0, 2], [1]]
    assert (portion.size, portion.items) == (0, [])


def test_what_is_settled_is_forgotten_for_the_next_try() -> None:
    portion, account = singles("a", "b", "c", "d")
    portion.accept([0])
    portion.fail(2, ValueError("bad"), Session(), "store")
    portion.forget_settled()
    assert portion.items == ["b", "d"]
    portion.accept([0])
    portion.forget_settled()
    assert portion.items == ["d"]
    portion.settle_all(SKIPPED)
    assert account.kinds == {0: "ACCEPTED", 1: "ACCEPTED", 2: "REJECT", 3: "SKIPPED"}


def test_a_failure_names_the_stage_and_the_value() -> None:
    portion, _ = singles("a", "b")
    session = Session()
    error = ValueError("bad")
    portion.fail(1, error, session, "store")
    assert error.__notes__ == ["in store, with the value 'b'"]
    assert session.summary.failures["ValueError"].stage == "store"


def test_an_answer_has_one_entry_per_message() -> None:
    error = ValueError("bad")
    assert singles("a", "b")[0].entries([None, error], "store") == [None, error]
    assert chunk("a", "b")[0].entries([error, None], "store") == [error, None]


def test_one_entry_for_a_whole_chunk_is_that_of_each_member() -> None:
    error = ValueError("bad")
    assert chunk("a", "b", "c")[0].entries([error], "store") == [error, error, error]


def test_entries_for_a_list_that_is_one_unit_are_its_first_error() -> None:
    first, second = ValueError("first"), ValueError("second")
    unit, _ = singles(["a", "b", "c"])
    assert unit.entries([None, first, second], "store") == [first]
    assert unit.entries([None, None, None], "store") == [None]


@pytest.mark.parametrize(
    ("portion", "size"),
    [
        (singles("a", "b"), 1),
        (singles("a", "b"), 3),
        (singles(["a", "b"], ["c", "d"]), 4),
        (singles("ab"), 2),
        (chunk("a", "b", "c"), 2),
        (singles(["a", "b"]), 3),
        (singles(["a", "b", "c"]), 2),
        (singles([1, 2, 3], [4, 5, 6]), 3),
        (chunk("a", "b", "c"), 0),
        (singles(), 1),
    ],
)
def test_an_answer_of_another_length_is_an_error(portion: Any, size: int) -> None:
    with pytest.raises(RuntimeError, match=rf"store\.write\(items\) must .* {size} entries came"):
        portion[0].entries([None] * size, "store")


@pytest.mark.parametrize("answer", ["ab", b"ab", {None, 1}, {None: 1}, [None, "no"], [1, 2], 5])
def test_an_answer_that_is_no_list_of_exceptions_and_none_is_an_error(answer: Any) -> None:
    with pytest.raises(RuntimeError, match=r"store\.write\(items\) must return None or a list"):
        singles("a", "b")[0].entries(answer, "store")


@pytest.mark.parametrize("answer", [[None, ValueError()], (ValueError(), None)])
def test_exceptions_and_none_are_an_answer_in_a_list_or_a_tuple(answer: Any) -> None:
    assert singles("a", "b")[0].entries(answer, "store") == answer
