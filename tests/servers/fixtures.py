"""Pytest fixtures for the servers: shared ones for the session, own ones to break."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Protocol, TypeVar

import pytest

from tests.servers.elasticsearch import ELASTICSEARCH_8, QUICK_START, Elasticsearch
from tests.servers.errors import ServerMissing
from tests.servers.prometheus import Prometheus
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.server import Server

REQUIRE = "ACKFLOW_REQUIRE_SERVERS"
AnyServer = TypeVar("AnyServer", bound=Server)
_missing: set[str] = set()


class Start(Protocol):
    """What every fixture that starts a server asks for: so its tests are known, and marked."""

    def __call__(self, stack: ExitStack, make: Callable[[], AnyServer], /) -> AnyServer:
        """Make and start a server that *stack* closes; skip the test, or fail it, where none is."""


@pytest.fixture(scope="session")
def start_server() -> Start:
    """A function that makes and starts a server."""
    return _started


def _started(stack: ExitStack, make: Callable[[], AnyServer], /) -> AnyServer:
    try:
        server = make()
        stack.enter_context(server)
        return server
    except ServerMissing as error:
        reason = str(error)
    if os.environ.get(REQUIRE, "0") not in ("", "0"):
        pytest.fail(f"{reason} ({REQUIRE} is set, so this fails)", pytrace=False)
    _missing.add(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def rabbitmq(start_server: Start) -> Iterator[RabbitMQ]:
    """A RabbitMQ node shared by the session."""
    with ExitStack() as stack:
        yield start_server(stack, RabbitMQ)


@pytest.fixture(scope="session")
def elasticsearch(start_server: Start) -> Iterator[Elasticsearch]:
    """An Elasticsearch 9 node shared by the session."""
    with ExitStack() as stack:
        yield start_server(stack, Elasticsearch)


@pytest.fixture(scope="session")
def elasticsearch8(start_server: Start) -> Iterator[Elasticsearch]:
    """An Elasticsearch 8 node shared by the session."""
    with ExitStack() as stack:
        yield start_server(stack, lambda: Elasticsearch(ELASTICSEARCH_8))


@pytest.fixture
def make_rabbitmq(start_server: Start) -> Iterator[Callable[..., RabbitMQ]]:
    """A function that starts a RabbitMQ node for this test, with the settings it is given."""
    with ExitStack() as stack:
        yield lambda **settings: start_server(stack, lambda: RabbitMQ(**settings))


@pytest.fixture
def make_elasticsearch(start_server: Start) -> Iterator[Callable[..., Elasticsearch]]:
    """A function that starts an Elasticsearch node for this test."""
    with ExitStack() as stack:
        yield lambda *version, **settings: start_server(
            stack, lambda: Elasticsearch(*version, **{"java_options": QUICK_START, **settings})
        )


@pytest.fixture
def own_rabbitmq(make_rabbitmq: Callable[..., RabbitMQ]) -> RabbitMQ:
    """A RabbitMQ node for this test alone."""
    return make_rabbitmq()


@pytest.fixture
def own_elasticsearch(make_elasticsearch: Callable[..., Elasticsearch]) -> Elasticsearch:
    """An Elasticsearch 9 node for this test alone."""
    return make_elasticsearch()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what takes a server, before `-m` selects by marks."""
    for item in items:
        if "start_server" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.servers)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which tests were skipped for want of a server, and how to get it."""
    if not _missing:
        return
    terminalreporter.section("SERVERS MISSING", yellow=True, bold=True)
    skipped = [str(report.longrepr) for report in terminalreporter.stats.get("skipped", [])]
    for reason in sorted(_missing):
        times = sum(reason in each for each in skipped)
        terminalreporter.line(f"{times} skipped: {reason}", yellow=True)


@pytest.fixture
def make_prometheus(start_server: Start) -> Iterator[Callable[[str], Prometheus]]:
    """A function that starts a Prometheus for this test, which scrapes one target."""
    with ExitStack() as stack:
        yield lambda target: start_server(stack, lambda: Prometheus(target))
