"""Fixtures for the whole test suite: the real servers, and the kit that ackflow ships."""

import os
from importlib.metadata import entry_points
from random import SystemRandom

import pytest
from hypothesis import settings

from ackflow.streams.amqp import choice

KIT = "ackflow.streams.testing.plugin"
# An installation that is older than the kit's entry point does not bring it by itself.
INSTALLED = any(point.value == KIT for point in entry_points(group="pytest11"))

pytest_plugins = ["tests.servers.fixtures", *([] if INSTALLED else [KIT])]

# Which pipelines the model of conservation draws. Workers have it from the process that starts them.
SEED = os.environ.setdefault("ACKFLOW_SEED", str(SystemRandom().randrange(2**32)))

# How long an example takes is no matter of the tests: a busy machine would fail them.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_report_header() -> str:
    """Say which examples these are, so that a failure can be had again."""
    return f"ACKFLOW_SEED={SEED}"


def pytest_make_parametrize_id(val: object) -> str | None:
    """The name of a function, and not its address: workers have to collect the same tests."""
    name = getattr(val, "__qualname__", None)
    return name if isinstance(name, str) else None


@pytest.fixture(params=choice.CHOICES)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each of the ways in which messages of RabbitMQ come and go; both have to keep every promise."""
    monkeypatch.setenv(choice.VARIABLE, request.param)
    chosen: str = request.param
    return chosen
