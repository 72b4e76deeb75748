"""What becomes of rounds: figures, medians, spreads, and the table that says what is met."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks import rounds
from benchmarks.environments import PINS
from benchmarks.growth import TABLES
from benchmarks.measures import MEASURES, OURS, Measure
from benchmarks.requirements import REQUIRED, judged
from benchmarks.results import contenders, results
from benchmarks.running import Contender, ContenderFailed, Taken
from benchmarks.worlds import Faked, Servers, World

CONTENDERS = Path(__file__).parents[2] / "benchmarks" / "contenders"
CONSUME = next(measure for measure in MEASURES if measure.name == "consume")


def taken(seconds: float, cpu: float = 1.0) -> Taken:
    return {"seconds": seconds, "cpu": cpu, "messages": 1000}


def one_round(ours: float, theirs: float) -> dict[str, Taken]:
    others = {each.name: taken(theirs) for each in CONSUME.contenders[1:]}
    return {OURS: taken(ours), **others}


def test_every_figure_that_is_required_comes_out_of_a_measure() -> None:
    keys = [key for measure in MEASURES for key in (*measure.ratios, *measure.own)]
    assert sorted(keys) == sorted(each.key for each in REQUIRED)


def test_every_contender_has_its_program_and_its_pins() -> None:
    for contender in (each for measure in MEASURES for each in measure.contenders):
        assert (CONTENDERS / f"{contender.module.replace('.', '/')}.py").exists()
        assert contender.pins is None or (PINS / f"{contender.pins}.txt").exists()


def test_every_program_is_a_contender() -> None:
    programs = {
        f"{path.parent.name}.{path.stem}"
        for path in CONTENDERS.glob("*/*.py")
        if path.stem != "__init__"
    }
    growing = [measure for table in TABLES for measure in table.points.values()]
    used = {each.module for measure in (*MEASURES, *growing) for each in measure.contenders}
    assert programs == used


def test_a_figure_is_the_median_of_the_ratios_of_each_round() -> None:
    # The ratios are 2, 8 and 4; the ratio of the medians would be 3.
    found = results({"consume": [one_round(1, 2), one_round(1, 8), one_round(3, 12)]}, {})
    assert found["consume_vs_aiormq"] == 4
    assert found["spreads"]["consume_vs_aiormq"] == (2, 8)


def test_a_contender_has_its_median_and_its_slowest_and_fastest_round() -> None:
    found = contenders(CONSUME, [one_round(1, 2), one_round(4, 8), one_round(2, 4)])
    assert found[OURS]["per_second"] == 500
    assert found[OURS]["spread"] == [250, 1000]
    assert found[OURS]["cpu_us"] == 1000


def test_who_takes_very_long_is_measured_once_unless_a_required_figure_is_theirs() -> None:
    work = Measure(
        "work",
        "",
        tuple(
            Contender(f"work.{name}", name) for name in (OURS, "quick", "limit", "slow", "needed")
        ),
        ratios={"figure": "needed"},
        limit="limit",
    )
    times = {OURS: 1.0, "quick": 15.0, "limit": 0.1, "slow": 15.1, "needed": 100.0}
    first = {name: taken(seconds) for name, seconds in times.items()}
    again = [each.name for each in rounds.measured_again(work, first)]
    assert again == [OURS, "quick", "limit", "needed"]
    second = {name: first[name] for name in again}
    assert contenders(work, [first, second])["slow"]["seconds"] == [15.1]


def test_who_has_a_part_in_a_required_figure_has_to_have_enough_work() -> None:
    # The socket is the limit, and consume_vs_socket is required.
    assert "socket" in {each.name for each in CONSUME.timed}
    found = {OURS: taken(6.0), "socket": taken(4.9), "aiormq": taken(9.0), "aio_pika": taken(9.0)}
    assert rounds.shortest(CONSUME, found) == 4.9


def test_a_limit_that_is_in_no_required_figure_does_not_make_the_work_more() -> None:
    bulk = next(measure for measure in MEASURES if measure.name == "bulk")
    assert [each.name for each in bulk.timed] == [OURS, "helpers"]


def test_memory_has_a_spread() -> None:
    memory = next(measure for measure in MEASURES if measure.name == "memory")
    names = [each.name for each in memory.contenders]
    held = [{name: {**taken(1.0), "bytes": size} for name in names} for size in (500, 700, 600.4)]
    found = contenders(memory, held)[OURS]
    assert (found["bytes"], found["bytes_spread"]) == (600, [500, 700])


def test_the_table_says_what_is_met_by_bounds_of_either_kind() -> None:
    met = {"bulk_vs_helpers": 6.0, "bytes_per_buffered_message": 700.0}
    not_met = {"bulk_vs_helpers": 5.99, "bytes_per_buffered_message": 701.0}
    for figures, verdict in ((met, "met"), (not_met, "NOT MET")):
        rows = judged(figures, {key: (value, value) for key, value in figures.items()})
        assert [row[-1] for row in rows[1:]] == [verdict, verdict]


def test_work_that_was_not_done_is_no_result() -> None:
    lazy = Contender("map_async.workers", "one that says it is done")
    measure = Measure("lazy", "", (lazy,), Faked)
    with ExitStack() as stack, pytest.raises(ContenderFailed, match="0 of 256 documents arrived"):
        rounds.one_run(measure, Servers(stack), lazy, 256)


def test_results_that_differ_are_no_results() -> None:
    different = (
        Contender("map_async.workers", "adds up"),
        Contender("operators.async_generators", "does something else"),
    )
    measure = Measure("different", "", different, World)
    with ExitStack() as stack, pytest.raises(ContenderFailed, match="the results differ"):
        rounds.one_round(measure, Servers(stack), 256, different, "round 1")
