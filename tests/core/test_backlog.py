"""Backlog and Stretch: tags and tokens in the pieces in which they came, without a pair for each."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ackflow.streams.core import ACCEPTED, NOBODY, Run, Split, Stretch, Token, concatenate, settle
from ackflow.streams.core.backlog import Backlog
from ackflow.streams.core.token import joined_tags, select, together

TAGS = st.one_of(
    st.lists(st.integers(1, 50), unique=True),
    st.tuples(st.integers(1, 50), st.integers(0, 20)).map(lambda pair: range(pair[0], sum(pair))),
)


@given(st.lists(st.one_of(TAGS, st.integers(0, 60))))
def test_a_backlog_hands_out_what_came_in_its_order(steps: list[Any]) -> None:
    backlog, model = Backlog(), []
    for step in steps:
        if isinstance(step, int):
            taken, model = model[:step], model[step:]
            assert list(backlog.take(step)) == taken
        else:
            backlog.add(step)
            model += step
        assert (len(backlog), list(backlog)) == (len(model), model)
    backlog.clear()
    assert (len(backlog), list(backlog), list(backlog.take(1))) == (0, [], [])


def test_ranges_that_follow_each_other_stay_one_range() -> None:
    assert joined_tags([range(1, 3), range(3, 4), range(4, 9)]) == range(1, 9)
    assert joined_tags([range(1, 3), range(4, 9)]) == [1, 2, 4, 5, 6, 7, 8]
    assert joined_tags([range(1, 3), [3]]) == [1, 2, 3]
    assert joined_tags([[1], range(2, 3)]) == [1, 2]
    assert joined_tags([range(1, 3)]) == range(1, 3)
    assert joined_tags([range(4, 6), range(1, 3)]) == [4, 5, 1, 2], "those held come first"


def test_what_a_range_leaves_out_is_not_among_its_tags() -> None:
    every_second = Stretch(NOBODY, range(1, 9))[::2]
    assert list(together([every_second, Stretch(NOBODY, range(9, 10))])) == [
        (NOBODY, tag) for tag in (1, 3, 5, 7, 9)
    ]
    assert joined_tags([range(3, 0, -1)]) == [3, 2, 1]


@given(st.lists(st.tuples(st.booleans(), st.booleans(), TAGS), min_size=1), st.data())
def test_stretches_are_tokens_like_any_others(
    parts: list[tuple[bool, bool, Any]], data: st.DataObject
) -> None:
    accounts = (Split((NOBODY, 0)), Split((NOBODY, 1)))
    stretches = [Stretch(accounts[first], tags) for first, _, tags in parts]
    pairs = [list(stretch) for stretch in stretches]
    assert [list(map(len, stretches)), stretches] == [list(map(len, pairs)), stretches]
    mixed = [
        pair if plain else stretch
        for (_, plain, _), stretch, pair in zip(parts, stretches, pairs, strict=False)
    ]
    whole: list[Token] = [token for pair in pairs for token in pair]
    assert list(together(mixed)) == whole
    mask = data.draw(st.lists(st.booleans(), min_size=len(whole), max_size=len(whole)))
    kept = [token for token, keep in zip(whole, mask, strict=True) if keep]
    assert list(select(together(mixed), mask)) == kept
    run = concatenate([Run(list(range(len(each))), each) for each in mixed])
    start, end = sorted(data.draw(st.tuples(st.integers(0, 60), st.integers(0, 60))))
    assert list(run.part(start, end).tokens) == whole[start:end]


def test_stretches_of_one_account_stay_one_and_settle_at_once() -> None:
    told: list[Any] = []

    class Account(Split):
        def settle(self, tags: Any, outcome: Any) -> None:
            told.append((tags, outcome))

    account = Account((NOBODY, 0))
    whole = together([Stretch(account, range(1, 3)), Stretch(account, range(3, 5))])
    settle(whole, ACCEPTED)
    settle(select(whole, [1, 0, 0, 1]), ACCEPTED)
    settle(whole[1:3], ACCEPTED)
    assert told == [(range(1, 5), ACCEPTED), ([1, 4], ACCEPTED), (range(2, 4), ACCEPTED)]
    assert whole[0] == (account, 1)
    assert repr(Stretch(NOBODY, range(2))).endswith("range(0, 2))")
