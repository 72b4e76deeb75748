"""The laws every operator keeps (contract 13): those of the shipped kit, over the table in cases.py."""

from itertools import count
from pathlib import Path

import pytest

from ackflow import operators as op
from ackflow.streams.testing import OperatorCase
from ackflow.streams.testing.operators import LAWS, Law, check_law
from tests.cases import CASES

ROOT = Path(__file__).parent.parent
ROWS = [
    pytest.param(law, case, id=f"{row}: {law}")
    for row, case in CASES.items()
    for law in LAWS
    if law.applies(case)
]


def test_every_public_operator_has_a_row() -> None:
    assert {row.split()[0] for row in CASES} == set(op.__all__)


@pytest.mark.parametrize(("law", "case"), ROWS)
def test_the_law_is_kept(law: Law, case: OperatorCase) -> None:
    check_law(law, case)


CLOCKS = [
    f"{package}.{path.stem}"
    for package, folder in (
        ("ackflow.streams.core", "streams/core"),
        ("ackflow.operators", "operators"),
    )
    for path in sorted((ROOT / folder).glob("*.py"))
    if "perf_counter()" in path.read_text(encoding="utf-8")
]
"""The modules that bound their work by how long it took."""


@pytest.mark.parametrize("case", [pytest.param(case, id=row) for row, case in CASES.items()])
def test_the_laws_are_kept_where_the_machine_is_busy_all_the_time(
    case: OperatorCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look at the clock finds that the time for the work is over."""
    seconds = count()
    assert len(CLOCKS) >= 4
    for module in CLOCKS:
        monkeypatch.setattr(f"{module}.perf_counter", lambda: float(next(seconds)))
    for law in LAWS[:3]:
        if law.applies(case):
            check_law(law, case)
