"""The environment chooses how deliveries come in; an aiormq that can't have a wire is lived with."""

import logging
from collections.abc import Iterator

import pytest
from aiormq import connection

from ackflow import sinks, streams
from ackflow.streams import amqp
from ackflow.streams.amqp import choice, connections
from ackflow.streams.amqp.server import Server
from tests.servers.rabbitmq import RabbitMQ
from tests.streams.amqp.tools import Collect, declare, fill, take, unique


@pytest.fixture
def aiormq_of_old(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An aiormq whose connection makes its own transport."""
    monkeypatch.delattr(connection, "TransportFactory")
    choice._can_be_had.cache_clear()
    yield
    choice._can_be_had.cache_clear()


async def test_the_wire_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(choice.VARIABLE, raising=False)
    assert choice.transport() is not None


@pytest.mark.parametrize("wrong", ["fast", "Plain", "wire "])
def test_a_choice_that_is_none_is_an_error_where_a_source_is_made(
    wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(choice.VARIABLE, wrong)
    with pytest.raises(ValueError, match=f"ACKFLOW_AMQP must be wire or plain, got '{wrong}'"):
        amqp.queue("words")


async def test_connections_of_both_purposes_go_the_way_that_is_chosen(
    rabbitmq: RabbitMQ, way: str
) -> None:
    server = Server.of(rabbitmq.url)
    purposes: list[connections.Purpose] = ["consuming", "publishing"]
    for purpose in purposes:
        link = await connections.join(server, purpose)
        assert link.wired == (way == "wire")
        await link.leave()


@pytest.mark.usefixtures("aiormq_of_old")
async def test_an_aiormq_that_takes_no_transport_is_made_do_with_one_warning(
    rabbitmq: RabbitMQ, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv(choice.VARIABLE, raising=False)
    queue, url = unique("old"), rabbitmq.url
    await declare(url, queue)
    await fill(url, queue, [b"x"] * 10)
    for bodies in ([b"x"] * 10, []):
        await (amqp.queue(queue, url=url, prefetch=10, until_idle=0.2) | (sink := Collect()))
        assert sink.items == bodies
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert [text for text in warnings if "no transport_factory" in text] == warnings
    assert len(warnings) == 1
    source = streams.memory.queue([b"1", b"2"], prefetch=10)
    source.close()
    await (source | sinks.amqp.publish(url, routing_key=queue))
    assert [message.body for message in await take(url, queue)] == [b"1", b"2"]


@pytest.mark.usefixtures("aiormq_of_old")
async def test_whoever_chose_the_plain_way_is_not_warned(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(choice.VARIABLE, "plain")
    assert choice.transport() is None
    assert caplog.text == ""
