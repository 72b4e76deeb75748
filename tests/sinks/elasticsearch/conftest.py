"""Fixtures for tests on real nodes: each version in turn, and an index of one's own."""

import itertools
from collections.abc import Iterator

import pytest

from tests.servers.elasticsearch import Elasticsearch

_numbers = itertools.count()


@pytest.fixture(params=["elasticsearch", "elasticsearch8"])
def server(request: pytest.FixtureRequest) -> Elasticsearch:
    """A node of Elasticsearch 9, then one of 8."""
    found: Elasticsearch = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def index(server: Elasticsearch) -> Iterator[str]:
    """The name of an index that is not there yet."""
    name = f"words-{next(_numbers)}"
    yield name
    server.request("PUT", "/_cluster/settings", {"persistent": {"action.*": None}})
    server.request("DELETE", f"/{name}?ignore_unavailable=true")
