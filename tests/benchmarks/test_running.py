"""Every benchmark still runs, and every contender does its work: one tiny round of each."""

import os
from contextlib import ExitStack

import pytest

from benchmarks import start, tracing
from benchmarks.environments import EnvironmentMissing
from benchmarks.growth import TABLES, Table, point
from benchmarks.measures import MEASURES, Measure
from benchmarks.results import figures
from benchmarks.rounds import Effort, Round, rounds
from benchmarks.worlds import Servers
from tests.servers.elasticsearch import Elasticsearch
from tests.servers.fixtures import REQUIRE
from tests.servers.rabbitmq import RabbitMQ


def tiny(measure: Measure, rabbitmq: RabbitMQ, elasticsearch: Elasticsearch) -> list[Round]:
    """Run a tiny round on the tests' servers; skip where packages can't be had, unless they have to."""
    with ExitStack() as stack:
        servers = Servers(stack)
        servers.rabbitmq, servers.elasticsearch = rabbitmq, elasticsearch
        try:
            return rounds(measure, servers, Effort(tiny=True))
        except EnvironmentMissing as error:
            if os.environ.get(REQUIRE, "0") not in ("", "0"):
                raise
            pytest.skip(str(error))


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.name)
def test_every_contender_does_its_work(
    measure: Measure, rabbitmq: RabbitMQ, elasticsearch: Elasticsearch
) -> None:
    found = tiny(measure, rabbitmq, elasticsearch)
    assert [sorted(each) for each in found] == [sorted(each.name for each in measure.contenders)]
    for values in figures(measure, found).values():
        assert all(value > 0 for value in values)


POINTS = [
    pytest.param(table, measure, id=f"{table.name}-{grows:g}")
    for table in TABLES
    for grows, measure in (list(table.points.items())[end] for end in (0, -1))
]
"""Each table's ends: what lies between them is the same with another number."""


@pytest.mark.parametrize(("table", "measure"), POINTS)
def test_what_grows_still_runs(
    table: Table, measure: Measure, rabbitmq: RabbitMQ, elasticsearch: Elasticsearch
) -> None:
    found = point(tiny(measure, rabbitmq, elasticsearch))
    assert found[table.shows] > 0
    assert found["peak"] > 0


def test_what_watching_costs_is_still_measured() -> None:
    found = tracing.compare(messages=500, rounds=1)
    assert [*found] == [*tracing.WAYS]
    assert all(each["ratio"] > 0 for each in found.values())


def test_imports_are_still_measured() -> None:
    [(wall, cpu)] = start.imports(1)
    assert wall > 0
    assert cpu > 0


def test_the_start_of_the_example_is_still_measured(
    rabbitmq: RabbitMQ, elasticsearch: Elasticsearch
) -> None:
    assert start.start(rabbitmq, elasticsearch, "start-tiny") > 0


def test_the_versions_of_the_servers_that_took_part_are_known(
    rabbitmq: RabbitMQ, elasticsearch: Elasticsearch
) -> None:
    with ExitStack() as stack:
        servers = Servers(stack)
        assert servers.versions() == {}
        servers.rabbitmq = rabbitmq
        assert [*servers.versions()] == ["RabbitMQ", "Erlang"]
        servers.elasticsearch = elasticsearch
        found = servers.versions()
    assert [*found] == ["RabbitMQ", "Erlang", "Elasticsearch", "Java"]
    assert found["Elasticsearch"] == elasticsearch.version
    assert all(version[0].isdigit() for version in found.values())
