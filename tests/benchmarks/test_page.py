"""docs/performance.md shows what results.json and growth.json say."""

from benchmarks.environments import ROOT
from benchmarks.growth import TABLES
from benchmarks.page import circumstances, files, growth, traced
from benchmarks.plots import bars, log_log, short
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


def test_what_tracing_costs_has_a_row_for_each_way() -> None:
    machine = {"processors": 2, "processor": "one", "system": "Linux", "python": "3.13"}
    each = {"ratio": 1.5, "spread": [1.25, 2.0], "more_us": 0.125}
    found = {"commit": "c0ffee" * 6, "machine": machine, "messages": 400_000, "rounds": 5}
    text = traced({**found, "ways": dict.fromkeys(WAYS, each)})
    assert text.count("| 1.50 | 1.25 to 2.00 | 0.12 |") == len(WAYS)
    assert "at commit c0ffeec0ffee on 2 processors" in text
    assert "400,000 messages, rounds: 5." in text


def test_what_grows_has_a_table_and_a_plot() -> None:
    measured = {"messages": 512, "seconds": 0.5, "per_second": 1024, "cpu_us": 9.5, "peak": 40e6}
    for each in TABLES:
        more = {"p50": 0.001, "p99": 0.002} if each.shows == "p50" else {}
        rows = [{"grows": grows, **measured, **more} for grows in each.points]
        plots: dict[str, str] = {}
        text = growth(each, rows, plots)
        assert text.count("\n| ") == len(rows) + 1
        [(name, picture)] = plots.items()
        assert f"({name})" in text
        # A time of nought has no place on a logarithmic axis.
        shown = sum(grows > 0 for grows in each.points)
        assert picture.count("<circle") == shown * (2 if more else 1)


def test_figures_of_short_rounds_are_called_provisional() -> None:
    found = {
        "commit": "0" * 40,
        "machine": {"processors": 2, "processor": "one", "system": "any", "python": "3.11"},
    }
    for rounds, seconds, provisional in ((3, 5.0, False), (2, 5.0, True), (3, 4.9, True)):
        text = circumstances({**found, "settings": {"rounds": rounds, "seconds": seconds}}, 5.0)
        assert ("Provisional" in text) is provisional
