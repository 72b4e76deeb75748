"""The summary: what a person reads after a run."""

from ackflow.streams import Summary
from ackflow.streams.core import Failure, StageCount
from ackflow.streams.core.summary import slowest


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


def test_the_rate_is_what_was_settled_for_good_in_a_second() -> None:
    summary = Summary(accepted=20, skipped=10, rejected=10, requeued=100, seconds=4)
    assert summary.rate == 10.0
    assert Summary(accepted=20).rate == 0.0


def count(name: str, kind: str, waited: float) -> StageCount:
    return StageCount(name, kind, 0, 0, None, 0, waited)


def test_of_the_stages_the_slowest_is_named_and_behind_sources_one_more() -> None:
    summary = Summary(seconds=10.0)
    summary.stages = (
        count("a()", "source", 1),
        count("b()", "operator", 5),
        count("c()", "sink", 2),
    )
    assert slowest(summary) == "b(), waited for 50% of the time"
    summary.stages = (count("a()", "source", 6), *summary.stages)
    assert slowest(summary) == (
        "a(), waited for 60% of the time, then b(), waited for 50% of the time"
    )


def test_nothing_is_waited_for_longer_than_the_whole_run() -> None:
    summary = Summary(seconds=4.0)
    summary.stages = (count("a()", "operator", 5),)
    assert slowest(summary) == "a(), waited for 100% of the time"
    summary.seconds = 0.0
    summary.stages = (count("a()", "operator", 0.25),)
    assert slowest(summary) == "a(), waited for 25% of the time"


def test_long_names_of_stages_are_cut_and_no_others() -> None:
    summary = Summary(seconds=1.0)
    for length, whole in ((200, True), (201, False)):
        summary.failures = {"ValueError": Failure("f" * length, "no number", 1)}
        assert (f"in {'f' * length}, first" in str(summary)) is whole
    for length, whole in ((100, True), (101, False)):
        summary.stages = (count("a" * length, "operator", 1),)
        assert slowest(summary).startswith("a" * length + ",") is whole
