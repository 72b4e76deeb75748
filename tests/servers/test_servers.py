"""The test servers keep what they promise to the tests that build on them."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Callable

import pytest

from tests.servers.elasticsearch import ELASTICSEARCH_8, ELASTICSEARCH_9, Elasticsearch
from tests.servers.errors import RequestError, ServerError
from tests.servers.rabbitmq import RabbitMQ

DECLARE = """
rabbit_amqqueue:declare(
    rabbit_misc:r(<<"/">>, queue, <<"kept">>), true, false, [], none, <<"test">>).
"""


def test_rabbitmq_keeps_durable_queues_through_kill_and_restart(own_rabbitmq: RabbitMQ) -> None:
    own_rabbitmq.ctl("eval", DECLARE)
    own_rabbitmq.remember()
    url = own_rabbitmq.url

    own_rabbitmq.kill()
    assert not own_rabbitmq.is_ready()
    own_rabbitmq.restart()

    assert own_rabbitmq.url == url
    assert own_rabbitmq.list_queues() == {"kept": (0, 0)}


def test_rabbitmq_answers_nothing_while_paused(own_rabbitmq: RabbitMQ) -> None:
    own_rabbitmq.pause()
    assert not own_rabbitmq.is_ready()
    own_rabbitmq.resume()
    assert own_rabbitmq.is_ready()


def test_rabbitmq_serves_tls_with_a_certificate_that_the_ca_file_proves(
    make_rabbitmq: Callable[..., RabbitMQ],
) -> None:
    node = make_rabbitmq(tls=True, consumer_timeout=30, channel_tick_interval=1)
    assert node.amqps_url == f"amqps://guest:guest@localhost:{node.tls_port}/"
    trust = ssl.create_default_context(cafile=str(node.ca_file))
    with (
        socket.create_connection(("127.0.0.1", node.tls_port), timeout=10) as plain,
        trust.wrap_socket(plain, server_hostname="localhost") as encrypted,
    ):
        assert encrypted.version() in ("TLSv1.2", "TLSv1.3")


def test_rabbitmq_keeps_vhosts_and_users_apart(rabbitmq: RabbitMQ) -> None:
    assert rabbitmq.add_vhost("test-servers").endswith("/test-servers")
    url = rabbitmq.add_user("reader", "pass/word", "test-servers", ("^$", "^$", ".*"))
    assert "reader:pass%2Fword@" in url
    granted = rabbitmq.ctl("-p", "test-servers", "list_permissions", "--formatter", "json")
    rights = {row["user"]: row["configure"] for row in json.loads(granted)}
    assert rights == {"guest": ".*", "reader": "^$"}


def test_a_node_that_does_not_start_says_why(make_rabbitmq: Callable[..., RabbitMQ]) -> None:
    with pytest.raises(ServerError, match="no_such_setting"):
        make_rabbitmq(settings={"no_such_setting": "1"})


@pytest.mark.parametrize("version", [ELASTICSEARCH_9, ELASTICSEARCH_8])
def test_elasticsearch_keeps_documents_through_kill_pause_and_restart(
    make_elasticsearch: Callable[..., Elasticsearch], version: str
) -> None:
    node = make_elasticsearch(version)
    node.request("PUT", "/words/_doc/1", {"word": "saudade"})

    node.pause()
    node.kill()
    node.restart()

    assert node.count("words") == 1
    assert node.request("GET", "/words/_doc/1")["_source"] == {"word": "saudade"}


def test_elasticsearch_with_security_refuses_strangers_and_forbidden_acts(
    make_elasticsearch: Callable[..., Elasticsearch],
) -> None:
    node = make_elasticsearch(security=True)
    node.add_role("reader", cluster=["monitor"], indices={"words": ["read"]})
    node.add_user("paula", "secret", ["reader"])

    with pytest.raises(RequestError) as stranger:
        node.request("GET", "/_cluster/health", credentials=("elastic", "wrong"))
    with pytest.raises(RequestError) as forbidden:
        node.request("PUT", "/words/_doc/1", {}, credentials=("paula", "secret"))

    assert (stranger.value.status, forbidden.value.status) == (401, 403)
    assert node.request("PUT", "/words/_doc/1", {})["result"] == "created"
