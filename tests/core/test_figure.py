"""Figures: names that Prometheus takes."""

from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from ackflow.streams.core import Distribution, Figure


@pytest.mark.parametrize(
    ("name", "kind", "labels"),
    [
        ("a b", "gauge", {}),
        ("", "gauge", {}),
        ("1st", "gauge", {}),
        ("words\n", "gauge", {}),
        ('x{y="', "gauge", {}),
        ("good", "gauge", {"bad-label": "x"}),
        ("words", "counter", {}),
        ("words_total", "gauge", {}),
    ],
)
def test_a_name_that_prometheus_would_not_take_is_refused(
    name: str, kind: Any, labels: dict[str, str]
) -> None:
    with pytest.raises(ValueError, match=r"Figure\(name\)"):
        Figure(name, kind, "Something.", [(labels, 1)])


def test_a_figure_stays_as_it_was_checked() -> None:
    figure = Figure("words", "gauge", "Words.", [({}, 1)])
    with pytest.raises(FrozenInstanceError):
        figure.name = "words\n"  # type: ignore[misc]
    distribution = Distribution((0.1,), (7, 1), 4.5)
    with pytest.raises(FrozenInstanceError):
        distribution.counts = (7,)  # type: ignore[misc]


def test_a_histogram_is_a_series_for_each_bound_cumulative_with_sum_and_count() -> None:
    value = Distribution((0.1, 1), (7, 2, 1), 4.5)
    figure = Figure("took", "histogram", "Times.", [({"sink": "each"}, value)])
    each = {"sink": "each"}
    assert list(figure.series()) == [
        ("took_bucket", {**each, "le": "0.1"}, 7),
        ("took_bucket", {**each, "le": "1.0"}, 9),
        ("took_bucket", {**each, "le": "+Inf"}, 10),
        ("took_sum", each, 4.5),
        ("took_count", each, 10),
    ]


def test_what_is_no_histogram_is_one_series_for_each_of_its_values() -> None:
    figure = Figure("words", "gauge", "Words.", [({"of": "a"}, 1), ({"of": "b"}, 2)])
    assert list(figure.series()) == [("words", {"of": "a"}, 1), ("words", {"of": "b"}, 2)]


@pytest.mark.parametrize("counts", [(1,), (1, 2, 3)])
def test_a_distribution_has_one_count_more_than_bounds(counts: tuple[int, ...]) -> None:
    text = f"one more than bounds, for what is above them, got {len(counts)} for 1"
    with pytest.raises(ValueError, match=text):
        Distribution((0.1,), counts, 0.0)
