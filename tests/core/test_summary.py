"""The summary: what a person reads after a run."""

from ackflow.streams import Summary
from ackflow.streams.core import Failure


def test_an_empty_run_has_delivered_nothing() -> None:
    assert str(Summary()) == "0 delivered in 0.0 s"
    assert (Summary().acked, Summary().flushes, Summary().failures) == (0, {}, {})


def test_what_happened_is_listed_and_what_did_not_is_left_out() -> None:
    summary = Summary(delivered=1234, accepted=1000, skipped=200, rejected=34, seconds=1.25)
    assert str(summary) == "1,234 delivered, 1,000 accepted, 200 skipped, 34 rejected in 1.2 s"
    assert summary.acked == 1200


def test_every_count_has_its_name() -> None:
    summary = Summary(requeued=1, dead_lettered=2, dropped=3, retried=4, held=5, stale=6)
    summary.reconnects, summary.halts = 7, 8
    assert str(summary) == (
        "0 delivered, 1 requeued, 2 dead-lettered, 3 dropped, 4 retried, 5 held, 6 stale, "
        "7 reconnects, 8 halts in 0.0 s"
    )


def test_errors_have_a_line_each_with_their_first_example() -> None:
    summary = Summary(delivered=2)
    summary.failures["ValueError"] = Failure("map(f=int)", "ValueError: no number", 1500)
    summary.failures["KeyError"] = Failure("tap(f=look)", "KeyError: 'a'")
    assert str(summary).splitlines()[1:] == [
        "  1,500 × ValueError in map(f=int), first: ValueError: no number",
        "  0 × KeyError in tap(f=look), first: KeyError: 'a'",
    ]
