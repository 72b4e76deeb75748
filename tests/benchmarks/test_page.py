"""docs/performance.md shows what results.json and growth.json say."""

from benchmarks.environments import ROOT
from benchmarks.page import files
from benchmarks.plots import bars, log_log, short


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
