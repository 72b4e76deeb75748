"""Messages: a value and what settles it, by hand."""

from collections.abc import Callable
from typing import Any

import pytest

from ackflow.streams import Reject, Requeue
from ackflow.streams.core import AlreadySettled, Joined, Message, Session, apart
from tests.core.recording import Recording


def message(value: Any = "a", places: Any = 0, token: Any = None) -> tuple[Any, Recording]:
    account = Recording()
    session = Session()
    made = Message(value, token or (account, 7), session, "by hand", places)
    return made, account


def joined(size: int) -> tuple[Any, Recording]:
    """A chunk of so many numbers whose entries are still its members."""
    account = Recording()
    tokens = [(account, tag) for tag in range(size)]
    chunk = Message(list(range(size)), (Joined(tokens), 0), Session(), "by hand", True)
    return chunk, account


@pytest.mark.parametrize(
    ("settle", "kind"),
    [
        (lambda m: m.accept(), "ACCEPTED"),
        (lambda m: m.ack(), "ACCEPTED"),
        (lambda m: m.skip(), "SKIPPED"),
        (lambda m: m.requeue(), "REQUEUE"),
        (lambda m: m.reject("no use"), "REJECT"),
        (lambda m: m.fail(RuntimeError("broken")), "REQUEUE"),
        (lambda m: m.members.accept([0]), "ACCEPTED"),
    ],
)
def test_each_call_settles_with_its_outcome_and_only_once(
    settle: Callable[[Any], None], kind: str
) -> None:
    made, account = message()
    assert not made.settled
    settle(made)
    assert account.kinds == {7: kind}
    assert made.settled
    with pytest.raises(AlreadySettled, match=r"'a'.* was settled twice"):
        settle(made)
    assert account.calls == [[7]]


def test_requeue_and_reject_carry_what_was_said() -> None:
    later, account = message()
    later.requeue(after=3.5)
    assert account.outcomes[7].after == 3.5
    assert isinstance(account.outcomes[7].cause, Requeue)
    rejected, account = message()
    rejected.reject("no use")
    assert isinstance(account.outcomes[7].cause, Reject)
    assert str(account.outcomes[7].cause) == "no use"


def test_a_failure_is_counted_in_the_summary_under_its_stage() -> None:
    session = Session()
    Message("a", (Recording(), 1), session, "by hand").fail(RuntimeError("broken"))
    failure = session.summary.failures["RuntimeError"]
    assert (failure.stage, failure.count) == ("by hand", 1)


def test_a_message_tells_its_delivery_and_whether_its_channel_is_gone() -> None:
    made, account = message()
    assert made.delivery.body == "body 7"
    assert not made.stale
    account.closed = True
    assert made.stale
    assert joined(2)[0].delivery is None


def test_a_message_that_is_no_chunk_is_its_own_only_member() -> None:
    made, account = message("text")
    assert list(made.members) == [made]
    assert not made.settled
    assert account.calls == []


def test_the_members_of_a_chunk_settle_their_own_deliveries() -> None:
    chunk, account = joined(3)
    first, second, third = chunk.members
    assert chunk.members[0] is first, "taken apart once"
    assert chunk.settled
    assert [member.value for member in (first, second, third)] == [0, 1, 2]
    second.reject("no use")
    first.accept()
    assert account.kinds == {0: "ACCEPTED", 1: "REJECT"}
    third.skip()
    assert account.kinds == {0: "ACCEPTED", 1: "REJECT", 2: "SKIPPED"}


@pytest.mark.parametrize("value", [["a", "b"], ("a", "b")])
def test_the_members_of_a_list_that_is_one_unit_settle_it_together(value: Any) -> None:
    made, account = message(value)
    first, second = made.members
    assert made.settled
    first.reject("no use")
    assert account.calls == []
    second.accept()
    assert account.kinds == {7: "REJECT"}


@pytest.mark.parametrize("value", [["a"], ["a", "b", "c"]])
def test_a_chunk_whose_length_was_changed_is_one_unit(value: list[str]) -> None:
    account = Recording()
    token = (Joined([(account, 0), (account, 1)]), 0)
    members = Message(value, token, Session(), "by hand", 1).members
    for member in members:
        assert account.calls == []
        member.accept()
    assert account.kinds == {0: "ACCEPTED", 1: "ACCEPTED"}


@pytest.mark.parametrize(("places", "kinds"), [(2, ["REJECT", "SKIPPED"]), (1, ["REJECT"] * 2)])
def test_chunks_within_chunks_have_members_as_deep_as_they_have_places(
    places: int, kinds: list[str]
) -> None:
    account = Recording()
    inner = (Joined([(account, 0), (account, 1)]), 0)
    outer = Message([["a", "b"], "c"], (Joined([inner, (account, 2)]), 0), Session(), "", places)
    chunk, single = outer.members
    single.accept()
    first, second = chunk.members
    first.reject("no use")
    second.skip()
    assert list(account.kinds.values()) == [*kinds, "ACCEPTED"]
    assert list(first.members) == [first]


def test_a_joined_message_whose_entries_have_lost_their_places_is_one_unit() -> None:
    account = Recording()
    token = (Joined([(account, 0), (account, 1)]), 0)
    first, second = Message(["b", "a"], token, Session(), "by hand", 0).members
    first.reject("no use")
    second.accept()
    assert account.kinds == {0: "REJECT", 1: "REJECT"}


def test_a_message_handed_on_is_settled_by_who_got_it() -> None:
    made, account = message()
    other = made.with_value("b")
    assert (made.settled, other.settled, other.value) == (True, False, "b")
    with pytest.raises(AlreadySettled):
        made.accept()
    other.accept()
    assert account.kinds == {7: "ACCEPTED"}


def test_another_value_of_a_chunk_has_lost_its_places() -> None:
    chunk, account = joined(2)
    first, second = chunk.with_value(["b", "a"]).members
    first.reject("no use")
    second.accept()
    assert account.kinds == {0: "REJECT", 1: "REJECT"}


def test_a_token_is_taken_out_once() -> None:
    made, account = message()
    assert made.token() == (account, 7)
    assert made.settled
    with pytest.raises(AlreadySettled, match=r"'a'.* was handed on twice"):
        made.token()


def test_parts_settle_the_whole_with_the_worst_of_their_outcomes() -> None:
    made, account = message()
    parts = made.split(["x", "y"])
    assert made.settled
    assert [part.value for part in parts] == ["x", "y"]
    parts[1].skip()
    assert account.calls == []
    parts[0].accept()
    assert account.kinds == {7: "SKIPPED"}


def test_a_message_split_into_nothing_is_accepted() -> None:
    made, account = message()
    assert made.split([]) == []
    assert account.kinds == {7: "ACCEPTED"}


def test_many_are_accepted_with_one_call() -> None:
    account = Recording()
    messages = [Message(tag, (account, tag), Session()) for tag in range(3)]
    Message.accept_all(messages)
    assert account.calls == [[0, 1, 2]]
    assert all(m.settled for m in messages)
    with pytest.raises(AlreadySettled):
        Message.accept_all(messages)


def test_apart_leaves_messages_and_takes_chunks_apart() -> None:
    single, _ = message("text")
    chunk, _ = joined(2)
    assert [each.value for each in apart([single, chunk])] == ["text", 0, 1]
    assert apart([single]) == [single]


def test_members_are_accepted_with_one_call_and_none_is_made_for_it() -> None:
    chunk, account = joined(4)
    members = chunk.members
    first = members[0]
    members.accept([0, 2])
    assert account.calls == [[0, 2]]
    assert (first.settled, members[2].settled, members[1].settled) == (True, True, False)
    assert [member.value for member in chunk.unsettled()] == [1, 3]
    with pytest.raises(AlreadySettled):
        members.accept([1, 2])
    assert account.calls == [[0, 2]], "nothing is settled where one is"
    with pytest.raises(AlreadySettled):
        members[2].accept()
    members[3].skip()
    assert [member.value for member in chunk.unsettled()] == [1]
    members.accept([1])
    assert list(chunk.unsettled()) == []


def test_members_that_are_all_accepted_are_one_call_and_made_afterwards_are_settled() -> None:
    chunk, account = joined(3)
    chunk.members.accept(range(3))
    assert account.calls == [[0, 1, 2]]
    assert [member.settled for member in chunk.members[:2]] == [True, True]
    assert list(chunk.unsettled()) == []
    assert chunk.members[-1].value == 2
    assert (chunk.members.is_settled(2), chunk.members.is_stale(2)) == (True, False)
    assert chunk.members.fresh
    account.closed = True
    assert (chunk.members.is_stale(2), chunk.members.fresh) == (True, False)
    with pytest.raises(IndexError):
        chunk.members[3]


def test_leaving_a_with_block_accepts_or_follows_the_policy() -> None:
    made, account = message()
    with made as value:
        assert value == "a"
    assert account.kinds == {7: "ACCEPTED"}
    made, account = message()
    with made:
        raise RuntimeError("broken")
    assert account.kinds == {7: "REQUEUE"}


def test_leaving_a_with_block_settled_by_hand_changes_nothing_and_hides_no_error() -> None:
    made, account = message()
    with pytest.raises(RuntimeError, match="afterwards"), made:
        made.skip()
        raise RuntimeError("afterwards")
    assert account.kinds == {7: "SKIPPED"}


def test_a_with_block_that_is_cancelled_settles_nothing() -> None:
    made, account = message()
    with pytest.raises(KeyboardInterrupt), made:
        raise KeyboardInterrupt
    assert account.calls == []


def test_a_message_shows_its_value_and_whether_it_is_settled() -> None:
    made, _ = message()
    assert repr(made) == "Message('a')"
    made.accept()
    assert repr(made) == "Message('a', settled)"
