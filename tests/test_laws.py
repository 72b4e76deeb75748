"""The laws every operator keeps (contract 13): those of the shipped kit, over the table in cases.py."""

import pytest

from ackflow import operators as op
from ackflow.streams.testing import OperatorCase
from ackflow.streams.testing.operators import LAWS, Law, check_law
from tests.cases import CASES

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
