"""Tokens: splits, joins and forks of what settles deliveries."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from ackflow.streams.core import (
    ACCEPTED,
    NOBODY,
    SKIPPED,
    AlreadySettled,
    Joined,
    Kind,
    Outcome,
    Split,
    Stretch,
    Token,
    fork,
    fresh,
    settle,
    unselected,
)
from ackflow.streams.core.token import all_fresh, gathered, judge
from tests.core.recording import Recording

REJECTED = Outcome(Kind.REJECT, ValueError("bad"))


def test_tokens_of_one_account_are_settled_with_one_call() -> None:
    account = Recording()
    settle([(account, 3), (account, 1), (account, 2)], ACCEPTED)
    assert account.calls == [[3, 1, 2]]


def test_tokens_of_several_accounts_are_settled_stretch_by_stretch() -> None:
    one, other = Recording(), Recording()
    settle([(one, 1), (one, 2), (other, 1), (one, 3)], SKIPPED)
    assert (one.calls, other.calls) == ([[1, 2], [3]], [[1]])
    assert one.kinds == {1: "SKIPPED", 2: "SKIPPED", 3: "SKIPPED"}


def test_settling_no_tokens_calls_nobody() -> None:
    settle([], ACCEPTED)


def test_judging_asks_each_source_for_its_own_verdict() -> None:
    class Strict(Recording):
        def judge(self, error: Exception) -> Outcome:
            return REJECTED

    lenient, strict = Recording(), Strict()
    judge([(lenient, 1), (strict, 1)], RuntimeError("broken"))
    assert (lenient.kinds, strict.kinds) == ({1: "REQUEUE"}, {1: "REJECT"})


def test_a_token_is_fresh_while_its_channel_lives() -> None:
    account = Recording()
    assert fresh((account, 1))
    account.closed = True
    assert not fresh((account, 1))


def test_a_split_is_settled_with_its_last_part_and_the_worst_outcome() -> None:
    account = Recording()
    split = Split((account, 5))
    first, second, third = split.part(), split.part(), split.part()
    assert [tag for _, tag in (first, second, third)] == [0, 1, 2]
    split.seal()
    settle([first], ACCEPTED)
    settle([second], REJECTED)
    assert account.calls == []
    settle([third], SKIPPED)
    assert account.calls == [[5]]
    assert account.outcomes[5] is REJECTED


def test_parts_settled_while_others_are_made_do_not_settle_the_whole() -> None:
    account = Recording()
    split = Split((account, 5))
    settle([split.part()], ACCEPTED)
    settle([split.part()], ACCEPTED)
    assert account.calls == []
    split.seal()
    assert account.kinds == {5: "ACCEPTED"}


def test_a_splitting_that_failed_half_way_gives_its_outcome_with_the_seal() -> None:
    account = Recording()
    split = Split((account, 5))
    part = split.part()
    split.seal(REJECTED)
    settle([part], ACCEPTED)
    assert account.outcomes[5] is REJECTED


def test_a_part_that_is_settled_twice_or_was_never_made_raises() -> None:
    split = Split((Recording(), 5))
    part = split.part()
    settle([part], ACCEPTED)
    with pytest.raises(AlreadySettled, match="part 0 of a split message was settled twice"):
        settle([part], ACCEPTED)
    with pytest.raises(AlreadySettled, match="part 4"):
        split.settle([4], ACCEPTED)
    split.seal()
    with pytest.raises(AlreadySettled, match="part -1"):
        split.seal()


def test_a_split_answers_as_the_message_it_was_made_of() -> None:
    account = Recording()
    split, tag = Split((account, 5)), 0
    error = ValueError("bad")
    assert not split.closed
    assert split.judge(error).kind is Kind.REJECT
    assert split.judge(error).cause is error
    assert list(split.roots(tag)) == [(account, 5)]
    delivery = split.delivery(tag)
    assert delivery is not None
    assert delivery.body == "body 5"
    account.closed = True
    assert split.closed


def test_joined_messages_are_settled_alike() -> None:
    one, other = Recording(), Recording()
    Joined([(one, 1), (other, 1), (one, 2)]).settle([0], REJECTED)
    assert (one.kinds, other.kinds) == ({1: "REJECT", 2: "REJECT"}, {1: "REJECT"})


def test_joined_messages_are_gone_when_all_of_their_channels_are() -> None:
    one, other = Recording(), Recording()
    joined = Joined([(one, 1), (other, 1)])
    assert not joined.closed
    one.closed = True
    assert not joined.closed
    other.closed = True
    assert joined.closed


def test_joined_messages_take_the_worst_of_their_sources_verdicts() -> None:
    class Strict(Recording):
        def judge(self, error: Exception) -> Outcome:
            return REJECTED

    tokens: list[Any] = [(Recording(), 1), (Strict(), 1), (Recording(), 1)]
    assert Joined(tokens).judge(RuntimeError("broken")) is REJECTED
    assert Joined(tokens[:1]).judge(RuntimeError("broken")).kind is Kind.REQUEUE


def test_joined_messages_have_the_roots_of_all_members_and_no_single_delivery() -> None:
    one, other = Recording(), Recording()
    part = Split((other, 4)).part()
    joined = Joined([(one, 1), part])
    assert list(joined.roots(0)) == [(one, 1), (other, 4)]
    assert joined.delivery(0) is None


def test_nobody_waits_for_what_stands_for_no_message() -> None:
    error = ValueError("bad")
    settle([(NOBODY, 0), (NOBODY, 0)], ACCEPTED)
    assert NOBODY.judge(error) == Outcome(Kind.REJECT, error)
    assert (list(NOBODY.roots(0)), NOBODY.delivery(0), NOBODY.closed) == ([], None, False)


def test_branches_settle_what_they_were_forked_from_together() -> None:
    account = Recording()
    branches = fork((account, 5), 3)
    assert len(branches) == 3
    for branch in branches[:2]:
        settle([branch], ACCEPTED)
        assert account.calls == []
    settle(branches[2:], SKIPPED)
    assert account.kinds == {5: "SKIPPED"}


def test_the_branches_of_a_chunk_are_chunks_whose_members_keep_their_places() -> None:
    account = Recording()
    left, right = fork((Joined([(account, 1), (account, 2)]), 0), 2)
    first, second = left[0], right[0]
    assert isinstance(first, Joined)
    assert isinstance(second, Joined)
    settle(first.tokens, ACCEPTED)
    assert account.calls == []
    settle([second.tokens[1]], REJECTED)
    settle([second.tokens[0]], ACCEPTED)
    assert account.kinds == {1: "ACCEPTED", 2: "REJECT"}
    assert left[1] == right[1] == 0


def test_a_stretch_and_what_is_joined_of_it_are_gone_with_their_channel() -> None:
    account = Recording()
    stretch = Stretch(account, range(3))
    assert all_fresh(stretch)
    assert not Joined(stretch).closed
    account.closed = True
    assert not all_fresh(stretch)
    assert Joined(stretch).closed


@pytest.mark.parametrize("form", [lambda stretch: stretch, list], ids=["a stretch", "pairs"])
def test_what_a_mask_says_no_to_is_settled_and_nothing_else(
    form: Callable[[Stretch], Sequence[Token]],
) -> None:
    account = Recording()
    left = unselected(form(Stretch(account, range(10, 15))), [True, False, True, True, False])
    assert len(left) == 2
    assert list(left) == [(account, 11), (account, 14)]
    assert left[1] == (account, 14)
    assert list(left[1:]) == [(account, 14)]
    settle(left, SKIPPED)
    assert account.calls == [[11, 14]]


def test_a_message_is_gathered_when_all_its_open_parts_are() -> None:
    account = Recording()
    split = Split((account, 7))
    one, other = split.part(), split.part()
    assert account not in gathered([one, other])  # more parts may come
    split.seal()
    assert account not in gathered([one])
    assert gathered([(Joined([one, (account, 8)]), 0), other])[account] == {7, 8}
    inner = Split(other)
    last = inner.part()
    inner.seal()
    assert gathered([last, one])[account] == {7}
    settle([one], ACCEPTED)
    assert gathered([last])[account] == {7}
    assert gathered([last, one])[account] == {7}  # what is settled takes nothing away


def test_values_of_no_message_are_gathered_as_they_are() -> None:
    assert gathered([(NOBODY, 0)]) == {NOBODY: {0}}


def test_who_waits_hears_of_a_part_that_is_settled_before_the_others() -> None:
    class Waiting(Recording):
        heard = 0

        def eased(self) -> None:
            self.heard += 1

    account = Waiting()
    split = Split((Joined([(account, 1), (account, 2)]), 0))
    parts = [split.part(), split.part()]
    split.seal()
    assert account.heard == 1
    settle(parts[:1], ACCEPTED)
    assert account.heard == 2
    settle(parts[1:], ACCEPTED)
    assert (account.heard, account.kinds) == (2, {1: "ACCEPTED", 2: "ACCEPTED"})
