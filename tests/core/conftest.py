"""The tests in this folder run in virtual time."""

import pytest

from ackflow.streams.testing import VirtualClock


@pytest.fixture(autouse=True)
def in_virtual_time(virtual_clock: VirtualClock) -> None:
    """Have every async test run on the kit's loop."""
