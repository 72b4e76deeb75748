"""What chaos would say of losses, repeats and plans: its own checks can fail."""

from collections import Counter
from pathlib import Path

import pytest

from tests.chaos.__main__ import ALL
from tests.chaos.account import Account, Calls
from tests.chaos.plan import FAULTS, LONG, SHORT, SIGTERM, plans
from tests.chaos.scenarios import SCENARIOS

BOTH = SCENARIOS["branches"].parts
SEARCHES = [SCENARIOS[name].searches for name, _ in ALL]


def settled(
    stored: set[str], *, dead: tuple[int, ...] = (), left: int = 0, taken: str = "01234"
) -> Account:
    """Count five messages of four parts each."""
    account = Account("branches", published=5, left=left, limited=bool(dead))
    account.settle(BOTH, range(5), stored=stored, dead=dead, taken=taken)
    return account


def everything(but: str = "", of: int = 5) -> set[str]:
    return {part for n in range(of) for part in BOTH(n)} - {but}


def test_all_that_is_stored_with_all_its_parts_is_right() -> None:
    account = settled(everything())
    assert (account.stored, account.wrong) == (5, [])


@pytest.mark.parametrize("part", BOTH(3))
def test_a_message_that_lacks_one_of_its_parts_is_lost(part: str) -> None:
    account = settled(everything(but=part))
    assert (account.stored, account.lost, account.wrongly_acked) == (4, 1, 1)
    assert account.wrong == ["lost 1", "wrongly_acked 1"]


def test_what_no_source_has_handed_out_is_lost_and_not_wrongly_acked() -> None:
    account = settled(everything(of=4), taken="0123")
    assert (account.lost, account.wrongly_acked) == (1, 0)


def test_what_is_left_in_a_queue_is_not_lost_and_has_to_be_nothing() -> None:
    assert settled(everything(of=4), left=1).wrong == ["left 1"]
    assert settled(everything(of=3), left=1).wrong == ["lost 1", "left 1"]


def test_a_dead_letter_is_not_lost_and_has_to_be_where_a_queue_is_limited_and_nowhere_else() -> (
    None
):
    account = settled(everything(of=4), dead=(4, 4))
    assert (account.dead_lettered, account.lost, account.wrong) == (1, 0, [])
    account.limited = False
    assert account.wrong == ["dead_lettered 1"]
    account.limited, account.dead_lettered = True, 0
    assert account.wrong == ["dead_lettered 0"]


def test_repeats_may_never_be_ahead_of_what_the_faults_until_then_allow() -> None:
    account = Account("words")
    account.repeated(0)
    account.duplicates_allowed += 10
    account.repeated(10)
    assert account.wrong == []
    account.repeated(13)
    account.duplicates_allowed += 10
    account.repeated(14)
    assert (account.duplicates, account.wrong) == (14, ["duplicates_over 3"])


def test_slow_progress_is_wrong() -> None:
    assert Account("words", progress_after_last_fault=10.1).wrong
    assert not Account("words", progress_after_last_fault=10.0).wrong


def test_a_line_that_is_not_there_whole_is_read_when_it_is(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"taken 1\ncalled 1\ncalled 1\nstored 1\ntaken 2\nta")
    calls = Calls(log)
    assert (calls.read(), calls.repeats, calls.stored) == (1, 1, {"1"})
    with log.open("ab") as more:
        more.write(b"ken 2\ncalled 2\n")
    assert (calls.read(), calls.taken) == (2, Counter({"1": 1, "2": 2}))


# -- plans ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("counts", [SHORT, LONG])
@pytest.mark.parametrize("seed", range(5))
def test_every_fault_is_dealt_out_evenly_to_whom_it_can_befall(
    counts: dict[str, int], seed: int
) -> None:
    dealt = list(plans(counts, SEARCHES, seed))
    found = Counter(fault for plan in dealt for fault in plan.faults)
    found[SIGTERM] = sum(plan.drains for plan in dealt)
    assert found == counts
    for plan, searches in zip(dealt, SEARCHES, strict=True):
        assert searches or not any("elasticsearch" in fault for fault in plan.faults)
    sizes = [len(plan.faults) + plan.drains for plan in dealt]
    assert max(sizes) - min(sizes) <= 2


def test_another_seed_deals_other_faults_and_the_same_one_the_same() -> None:
    first, second = (list(plans(SHORT, SEARCHES, seed)) for seed in (1, 2))
    assert first == list(plans(SHORT, SEARCHES, 1))
    assert [sorted(plan.faults) for plan in first] != [sorted(plan.faults) for plan in second]


def test_the_long_form_has_what_was_asked_for() -> None:
    cuts = (
        "cut amqp",
        "cut elasticsearch",
        "halve amqp",
        "halve elasticsearch",
        "close connections",
    )
    assert sum(LONG[fault] for fault in cuts) >= 200
    for server in ("rabbitmq", "elasticsearch"):
        assert LONG[f"restart {server}"] + LONG[f"kill {server}"] >= 20
    assert min(LONG["sigkill"], LONG[SIGTERM]) >= 50
    assert all(LONG[fault] for fault in FAULTS)
    assert all(SHORT[fault] for fault in FAULTS)
