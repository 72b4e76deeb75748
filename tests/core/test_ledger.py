"""The ledger against a model of a broker's channel, driven by Hypothesis."""

import pytest
from hypothesis import settings, strategies
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ackflow.streams.core import AlreadySettled, Frame, Ledger, Verb

VERBS = list(Verb)


class LedgerMachine(RuleBasedStateMachine):
    """Delivers and settles at random, and lets a model broker judge every frame."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger: Ledger[str] = Ledger()
        self.verdicts: dict[int, Verb] = {}
        self.open_at_broker: list[int] = []
        self.told: dict[int, Verb] = {}
        self.last = 0

    @property
    def unsettled(self) -> list[int]:
        return [tag for tag in range(1, self.last + 1) if tag not in self.verdicts]

    @rule(count=strategies.integers(1, 8))
    def deliver(self, count: int) -> None:
        tags = self.ledger.deliver(["body"] * count)
        assert list(tags) == list(range(self.last + 1, self.last + 1 + count))
        self.last += count
        self.open_at_broker += tags

    @precondition(lambda self: self.unsettled)
    @rule(data=strategies.data(), verb=strategies.sampled_from(VERBS))
    def settle(self, data: strategies.DataObject, verb: Verb) -> None:
        tags = data.draw(
            strategies.lists(strategies.sampled_from(self.unsettled), min_size=1, unique=True)
        )
        self.ledger.settle(tags, verb)
        self.verdicts.update(dict.fromkeys(tags, verb))

    @rule(singly=strategies.booleans())
    def send(self, singly: bool) -> None:
        for frame in self.ledger.frames(singly=singly):
            self.take(frame)
        if singly:
            assert self.ledger.unsent == 0

    def take(self, frame: Frame) -> None:
        """What a broker does with a frame; an unknown tag would close the channel with 406."""
        assert frame.tag in self.open_at_broker
        covered = [frame.tag]
        if frame.multiple:
            covered = [tag for tag in self.open_at_broker if tag <= frame.tag]
        for tag in covered:
            self.open_at_broker.remove(tag)
            self.told[tag] = frame.verb

    @precondition(lambda self: self.verdicts)
    @rule(data=strategies.data())
    def settling_twice_raises_and_changes_nothing(self, data: strategies.DataObject) -> None:
        tag = data.draw(strategies.sampled_from(sorted(self.verdicts)))
        before = self.ledger.open, self.ledger.unsent
        with pytest.raises(AlreadySettled):
            self.ledger.settle([tag], Verb.ACK)
        assert (self.ledger.open, self.ledger.unsent) == before

    @invariant()
    def the_broker_is_told_what_was_decided_and_nothing_else(self) -> None:
        assert all(self.verdicts[tag] is verb for tag, verb in self.told.items())

    @invariant()
    def the_account_balances(self) -> None:
        assert self.ledger.open == len(self.unsettled)
        assert self.ledger.outstanding == len(self.open_at_broker)
        assert list(self.ledger.tags()) == self.unsettled

    @invariant()
    def acks_without_a_gap_are_one_frame(self) -> None:
        lowest = min(self.unsettled, default=self.last + 1)
        waiting = set(self.verdicts) - set(self.told)
        if waiting and max(waiting) < lowest:
            returns = sum(self.verdicts[tag] is not Verb.ACK for tag in waiting)
            copy = Ledger[str]()
            copy._last, copy._open = self.ledger._last, dict(self.ledger._open)
            copy._acked, copy._returns = set(self.ledger._acked), list(self.ledger._returns)
            copy._untouched = set(self.ledger._untouched)
            assert len(copy.frames()) <= returns + 1


LedgerMachine.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestLedger = LedgerMachine.TestCase


def test_a_gap_holds_the_multiple_ack_back_and_single_acks_pass_it() -> None:
    ledger = Ledger[str]()
    ledger.deliver(["a", "b", "c", "d"])
    ledger.settle([1, 3, 4], Verb.ACK)
    assert ledger.frames() == [Frame(Verb.ACK, 1)]
    assert ledger.frames(singly=True) == [Frame(Verb.ACK, 3), Frame(Verb.ACK, 4)]
    ledger.settle([2], Verb.ACK)
    assert ledger.frames() == [Frame(Verb.ACK, 2)]


def test_rejects_go_out_before_the_ack_that_would_cover_them() -> None:
    ledger = Ledger[str]()
    ledger.deliver(["a", "b", "c"])
    ledger.settle([1, 3], Verb.ACK)
    ledger.settle([2], Verb.REJECT)
    assert ledger.frames() == [Frame(Verb.REJECT, 2), Frame(Verb.ACK, 3, multiple=True)]


def test_what_nobody_touched_goes_back_in_one_frame_behind_the_acks() -> None:
    ledger = Ledger[str]()
    ledger.deliver(["a", "b", "c", "d", "e"])
    ledger.settle([1, 3], Verb.ACK)
    ledger.settle([2, 4, 5], Verb.RETURN_UNTOUCHED)
    assert ledger.frames() == [
        Frame(Verb.RETURN_UNTOUCHED, 2),
        Frame(Verb.ACK, 3, multiple=True),
        Frame(Verb.RETURN_UNTOUCHED, 5, multiple=True),
    ]


def test_after_the_end_of_the_epoch_settling_is_a_counted_no_op() -> None:
    ledger = Ledger[str]()
    ledger.deliver(["a", "b"])
    ledger.settle([1], Verb.ACK)
    assert ledger.close() == [2]
    ledger.settle([2], Verb.ACK)
    assert ledger.stale == 1
    assert ledger.frames() == []


def test_what_nobody_touched_from_the_first_tag_on_goes_back_in_one_frame() -> None:
    ledger = Ledger[str]()
    ledger.deliver(["a", "b", "c"])
    ledger.settle([1, 2, 3], Verb.RETURN_UNTOUCHED)
    assert ledger.frames() == [Frame(Verb.RETURN_UNTOUCHED, 3, multiple=True)]


def test_a_frame_for_one_tag_says_so() -> None:
    ledger = Ledger[str]()
    ledger.deliver(["a", "b"])
    ledger.settle([1], Verb.RETURN_UNTOUCHED)
    ledger.settle([2], Verb.ACK)
    assert ledger.frames() == [
        Frame(Verb.RETURN_UNTOUCHED, 1),
        Frame(Verb.ACK, 2),
    ]
    ledger.deliver(["c"])
    ledger.settle([3], Verb.RETURN_UNTOUCHED)
    assert ledger.frames() == [Frame(Verb.RETURN_UNTOUCHED, 3)]


@pytest.mark.parametrize("verb", list(Verb))
def test_after_the_end_of_the_epoch_nothing_is_open_or_waits_to_be_sent(verb: Verb) -> None:
    ledger = Ledger[str]()
    ledger.deliver(["a", "b"])
    ledger.settle([1], verb)
    assert (ledger.open, ledger.unsent, ledger.outstanding) == (1, 1, 2)
    assert ledger.close() == [2]
    assert (ledger.open, ledger.unsent, ledger.outstanding) == (0, 0, 0)
    assert list(ledger.tags()) == []
    assert ledger.frames() == []
