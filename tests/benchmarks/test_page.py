"""docs/performance.md shows what results.json and growth.json say."""

from typing import Any

import pytest

from benchmarks import start
from benchmarks.environments import ROOT
from benchmarks.grown import grown, linear
from benchmarks.growth import TABLES
from benchmarks.measures import MEASURES, OURS
from benchmarks.page import files, section, started, to_the_limit, watched
from benchmarks.plots import bars, log_log, short
from benchmarks.tables import circumstances
from benchmarks.tracing import WAYS


def test_the_page_is_current() -> None:
    for path, text in files().items():
        assert (ROOT / path).read_text(encoding="utf-8") == text, (
            f"{path} is not what the results say: python -m benchmarks.page"
        )


def test_there_are_no_plots_that_nobody_shows() -> None:
    found = {str(path.relative_to(ROOT)) for path in (ROOT / "docs" / "plots").iterdir()}
    assert found == {path for path in files() if path.endswith(".svg")}


def test_bars_are_as_long_as_their_values() -> None:
    picture = bars("a", [("one", 50, 40, 60), ("two", 100, 100, 100)])
    assert 'width="180.0"' in picture
    assert 'width="360.0"' in picture


def test_a_power_law_is_a_straight_line() -> None:
    picture = log_log("a", "x", "y", [("line", [(1, 1), (10, 100), (100, 10_000), (0, 5)])])
    [line] = [part for part in picture.splitlines() if part.startswith("<polyline")]
    (x1, y1), (x2, y2), (x3, y3) = (
        map(float, point.split(",")) for point in line.split('"')[1].split()
    )
    assert (x1 + x3) / 2 == x2
    assert abs((y1 + y3) / 2 - y2) < 0.1


def test_numbers_have_three_digits() -> None:
    assert [short(value) for value in (0.0123, 9.999, 1234, 5_000_000)] == [
        "0.0123",
        "10",
        "1.23 k",
        "5 M",
    ]


def test_what_watching_costs_has_a_row_for_each_way() -> None:
    machine = {"processors": 2, "processor": "one", "system": "Linux", "python": "3.13"}
    each = {"ratio": 1.5, "spread": [1.25, 2.0], "more_us": 0.5}
    found = {"commit": "c0ffee" * 6, "machine": machine, "messages": 400_000, "rounds": 5}
    text = watched({**found, "ways": dict.fromkeys(WAYS, each)})
    compared = [way for name, way in WAYS.items() if way.against != name]
    assert text.count("| 1.50 | 1.25 to 2.00 | 0.50") == len(compared) == len(WAYS) - 2
    assert "| 0.50, 0.17 for a run of messages and stage |" in text
    assert "at commit c0ffeec0ffee on 2 processors" in text
    assert "400,000 messages, a tenth of them one at a time; rounds: 5." in text


def test_imports_and_start_have_the_table_of_what_is_required_of_them() -> None:
    found = {
        **start.figures([(40.0, 30.0), (60.0, 35.0), (44.0, 51.0)], [1.5, 0.7, 0.9]),
        "commit": "c0ffee",
        "machine": {"processors": 2, "processor": "one", "system": "Linux", "python": "3.13"},
        "settings": {"imports": 3, "starts": 3},
    }
    text = started(found)
    assert "| at most 50 | 44 | 40 to 60 | met |" in text
    assert "| at most 50 | 35 | 30 to 51 | met |" in text
    assert "| at most 1 | 0.9 | 0.7 to 1.5 | met |" in text
    assert "3 starts" in text


def test_what_grows_has_a_table_and_a_plot() -> None:
    measured = {"messages": 512, "seconds": 0.5, "per_second": 1024, "cpu_us": 9.5, "peak": 40e6}
    for each in TABLES:
        more = {"p50": 0.001, "p99": 0.002} if each.shows == "p50" else {}
        spreads = {name: [value, 2 * value] for name, value in {**measured, **more}.items()}
        rows = [
            {"grows": grows, **measured, **more, "messages": 10**n, "spreads": spreads}
            for n, grows in enumerate(each.points)
        ]
        plots: dict[str, str] = {}
        text = grown(each, rows, plots)
        assert text.count("\n| ") == len(rows) + 1
        assert text.count("| 1,024 to 2,048 |") == text.count("| 40 to 80 |") == len(rows)
        assert text.count("| 1.00 to 2.00 |") == (len(rows) if more else 0)
        [(name, picture)] = plots.items()
        assert f"({name})" in text
        # A time of nought has no place on a logarithmic axis.
        shown = sum(grows > 0 for grows in each.points)
        assert picture.count("<circle") == shown * (2 if more else 1)


@pytest.mark.parametrize(
    ("seconds", "peaks", "said"),
    [
        # Start and end take 0.06 s, which is most of the first row, and nothing against it.
        (
            (0.07, 0.16, 1.06, 10.06),
            (30, 30, 30, 30),
            ("is linear", "1.00, 1.00, 1.00 µs", "is flat", "1.00 times the lowest"),
        ),
        (
            (0.07, 0.16, 1.06, 11.1),
            (30, 31, 32, 33),
            ("is linear", "1.12 times the cheapest", "is flat", "1.10 times the lowest"),
        ),
        (
            (0.07, 0.16, 1.06, 12.0),
            (30, 31, 32, 34),
            ("NOT linear", "1.00, 1.00, 1.22 µs", "NOT flat", "1.13"),
        ),
        (
            (0.07, 0.19, 1.06, 10.06),
            (30, 31, 32, 20),
            ("NOT linear", "1.38 times", "NOT flat", "1.60"),
        ),
        ((0.07, 0.06, 1.06, 10.06), (30, 30, 30, 30), ("NOT linear", "inf times", "is flat")),
    ],
)
def test_whether_time_is_linear_and_memory_flat_is_told_by_the_figures(
    seconds: tuple[float, ...], peaks: tuple[float, ...], said: tuple[str, ...]
) -> None:
    rows = [
        {"messages": 10**power, "seconds": time, "peak": peak}
        for power, time, peak in zip((4, 5, 6, 7), seconds, peaks, strict=True)
    ]
    assert [each for each in said if each not in linear(rows)] == []


def contender(rate: int, **more: Any) -> dict[str, Any]:
    return {"per_second": rate, "spread": [rate - 1, rate + 1], "cpu_us": 1.5, **more}


def test_how_far_the_limit_is_stands_at_every_measure_that_has_one() -> None:
    for measure in MEASURES:
        assert measure.limit is not None
        found = {OURS: contender(60), measure.limit: contender(80)}
        assert "reaches 75% of it" in to_the_limit(measure, found)
        # Results from before it was measured say nothing of it.
        assert to_the_limit(measure, {OURS: contender(60)}) == ""


def test_memory_has_its_spread_and_its_limit() -> None:
    memory = next(measure for measure in MEASURES if measure.name == "memory")
    held = {
        OURS: contender(1, bytes=600, bytes_spread=[590, 620]),
        "socket": contender(1, bytes=400, bytes_spread=[400, 400]),
        "aio_pika": contender(1, bytes=900),
    }
    plots: dict[str, str] = {}
    text = section(memory, {"messages": 10_000, "rounds": 3, "contenders": held}, plots)
    assert "| ackflow | 600 | 590 to 620 |" in text
    assert "| aio-pika | 900 | not kept |" in text
    assert "ackflow takes 200 bytes more, 1.5 times as many" in text


def test_figures_of_short_rounds_are_called_provisional() -> None:
    found = {
        "commit": "0" * 40,
        "machine": {"processors": 2, "processor": "one", "system": "any", "python": "3.11"},
    }
    for rounds, seconds, provisional in ((3, 5.0, False), (2, 5.0, True), (3, 4.9, True)):
        text = circumstances({**found, "settings": {"rounds": rounds, "seconds": seconds}}, 5.0)
        assert ("Provisional" in text) is provisional
        assert "RabbitMQ" not in text


def test_the_versions_of_servers_are_shown() -> None:
    found = {
        "commit": "0" * 40,
        "machine": {"processors": 2, "processor": "one", "system": "any", "python": "3.11"},
        "versions": {"servers": {"RabbitMQ": "3.10.8", "Erlang": "25.2"}},
        "settings": {"rounds": 3, "seconds": 5.0},
    }
    assert "; RabbitMQ 3.10.8, Erlang 25.2; rounds: 3" in circumstances(found, 5.0)
