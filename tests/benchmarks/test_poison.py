"""What bad messages cost is measured as the issue asks, and fails where it is too much."""

from contextlib import ExitStack
from typing import Any

import pytest

from benchmarks import poison, poison_page
from benchmarks.poison import DEAD, KINDS, NONE, RETRIED
from benchmarks.worlds import Servers
from tests.servers.elasticsearch import Elasticsearch
from tests.servers.rabbitmq import RabbitMQ


def taken(*seconds: float) -> list[dict[str, float]]:
    return [{"seconds": each, "by_queue": 0.9} for each in seconds]


def kinds(dead: float, retried: float) -> Any:
    found = {
        NONE: taken(8.0, 9.0, 10.0),
        DEAD: taken(*[9 / dead] * 3),
        RETRIED: taken(*[9 / retried] * 3),
    }
    return poison.table(found, 9_000)


@pytest.mark.parametrize(
    ("dead", "retried", "wrong"), [(0.81, 0.61, 0), (0.79, 0.61, 1), (0.7, 0.5, 2)]
)
def test_too_little_throughput_is_told(dead: float, retried: float, wrong: int) -> None:
    assert len(poison.missed(kinds(dead, retried))) == wrong


def test_a_ratio_is_of_one_round() -> None:
    found = {NONE: taken(1.0, 2.0, 4.0), DEAD: taken(2.0, 4.0, 8.0), RETRIED: taken(4.0, 8.0, 16.0)}
    table = poison.table(found, 100)
    assert [table[kind]["ratio"] for kind in KINDS] == [1.0, 0.5, 0.25]


@pytest.mark.parametrize("messages", [400, 2_000, 200_000])
def test_one_in_a_hundred_is_bad(messages: int) -> None:
    assert poison.count(messages) == messages // 100


def test_the_page_says_so_where_nothing_was_measured() -> None:
    assert "Not measured yet" in poison_page.text(None)


def test_the_page_shows_what_was_measured() -> None:
    machine = {"processors": 2, "processor": "a processor", "system": "Linux", "python": "3.11"}
    found = {
        "messages": 200_000, "rounds": 5, "by_retry_queue": 0.87, "kinds": kinds(0.9, 0.7),
        "machine": machine, "commit": "0123456789abcdef",
    }  # fmt: skip
    page = poison_page.text(found)
    assert "| dead letters | 900 (900 to 900) | 0.90 (0.80 to 1.00) |" in page
    assert "0123456789ab on 2 processors" in page


def test_it_runs_with_little_work(rabbitmq: RabbitMQ, elasticsearch: Elasticsearch) -> None:
    with ExitStack() as stack:
        servers = Servers(stack, warm=False)
        servers.rabbitmq, servers.elasticsearch = rabbitmq, elasticsearch
        found = poison.compare(servers, 400, 1, tiny=True)
    assert list(found["kinds"]) == list(KINDS)
