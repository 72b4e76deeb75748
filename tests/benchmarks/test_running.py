"""Every contender of every benchmark still runs and does its work: one tiny round of each."""

import os
from contextlib import ExitStack

import pytest

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


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_what_grows_still_runs(
    table: Table, rabbitmq: RabbitMQ, elasticsearch: Elasticsearch
) -> None:
    second = list(table.points.values())[1]
    found = point(tiny(second, rabbitmq, elasticsearch))
    assert found[table.shows] > 0
