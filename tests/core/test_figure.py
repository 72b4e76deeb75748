"""Figures: names that Prometheus takes."""

from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from ackflow.streams.core import Figure


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
