"""Figures: names that Prometheus takes, and labels added to all values."""

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


def test_a_label_is_added_to_every_value_and_replaces_none() -> None:
    figure = Figure("size_bytes", "gauge", "Size.", [({"of": "a"}, 1), ({"at": "x"}, 2)])
    assert figure.labelled(at="y").samples == [({"at": "y", "of": "a"}, 1), ({"at": "x"}, 2)]
    assert figure.samples == [({"of": "a"}, 1), ({"at": "x"}, 2)]
