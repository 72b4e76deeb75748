"""Several servers: each in its turn, and those that don't answer more and more seldom."""

import asyncio
import selectors
from typing import Any

import pytest

from ackflow.sinks.elasticsearch import nodes as nodes_module
from ackflow.sinks.elasticsearch.connection import connection
from ackflow.sinks.elasticsearch.exchange import Exchange
from ackflow.sinks.elasticsearch.nodes import LONGEST_REST, Node, Nodes
from ackflow.sinks.elasticsearch.sending import NoAnswerError, NotSentError, Reply, Request
from ackflow.streams.testing import BulkAnswer, FakeElasticsearch


async def ask(nodes: Nodes, timeout: float = 5.0) -> Reply:
    return await nodes.send(Request("GET", "/", {}, {"accept": "*/*"}, b"", timeout))


async def test_servers_are_asked_in_turn() -> None:
    async with FakeElasticsearch() as one, FakeElasticsearch() as other:
        nodes = Nodes(connection([one.url, other.url]))
        for _ in range(6):
            assert (await ask(nodes)).status == 200
        await nodes.close()
        assert [len(server.requests) for server in (one, other)] == [3, 3]


async def test_a_server_that_is_away_is_asked_seldom_and_the_others_meanwhile() -> None:
    async with FakeElasticsearch() as there:
        nodes = Nodes(connection([there.url, "http://127.0.0.1:1"]))
        answers = await asyncio.gather(*(ask(nodes) for _ in range(9)), return_exceptions=True)
        for _ in range(9):
            assert (await ask(nodes)).status == 200
        await nodes.close()
        assert any(isinstance(answer, NotSentError) for answer in answers)


def test_a_server_rests_for_longer_each_time_and_not_after_an_answer() -> None:
    node = Node("http://localhost:9200", None, "")
    rests = []
    for _ in range(9):
        node.failed(100.0)
        rests.append(node.rests(100.0))
    assert rests[:3] == [1.0, 2.0, 4.0]
    assert rests[-1] == LONGEST_REST
    assert node.rests(160.0) == 0.0
    node.failures = 0
    assert node.rests(100.0) == 0.0


async def test_one_connection_is_enough_for_one_request_after_the_other() -> None:
    async with FakeElasticsearch() as server:
        nodes = Nodes(connection(server.url))
        (node,) = nodes._nodes
        for _ in range(3):
            await ask(nodes)
            assert len(node._open) == 1
        await asyncio.gather(*(ask(nodes) for _ in range(3)))
        assert len(node._open) == 3
        await nodes.close()
        assert not node._open


async def test_a_connection_that_was_idle_for_long_is_not_used_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with FakeElasticsearch() as server:
        nodes = Nodes(connection(server.url))
        (node,) = nodes._nodes
        await ask(nodes)
        (first,) = node._open
        monkeypatch.setattr(nodes_module, "KEEP_ALIVE", 0.0)
        await ask(nodes)
        assert first not in node._open
        assert len(node._open) == 1
        await nodes.close()


async def test_a_connection_over_which_no_answer_came_is_closed() -> None:
    async with FakeElasticsearch([BulkAnswer(after=float("inf"))]) as server:
        nodes = Nodes(connection(server.url))
        (node,) = nodes._nodes
        body = b'{"index":{"_index":"words"}}\n{}\n'
        headers = {"content-type": "application/x-ndjson"}
        with pytest.raises(NoAnswerError, match=r"no answer within 0\.1 s") as raised:
            await nodes.send(Request("POST", "/_bulk", {}, headers, body, 0.1))
        assert raised.value.timeout
        assert not node._open
        await nodes.close()


def test_a_request_without_a_body_leaves_nothing_that_the_loop_would_try_to_send() -> None:
    selector = selectors.DefaultSelector()

    async def waits_for() -> set[int]:
        async with FakeElasticsearch() as server:
            nodes = Nodes(connection(server.url))
            await ask(nodes)
            events = {key.events for key in selector.get_map().values()}
            await nodes.close()
            return events

    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector)) as runner:
        assert runner.run(waits_for()) == {selectors.EVENT_READ}


async def test_nothing_is_sent_over_a_connection_that_was_lost_when_it_was_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Lost(Exchange):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            transport.abort()

    async with FakeElasticsearch() as server:
        nodes = Nodes(connection(server.url))
        monkeypatch.setattr(nodes_module, "Exchange", Lost)
        with pytest.raises(NotSentError, match="closed the connection at once"):
            await ask(nodes)
        await nodes.close()
        assert not server.requests


async def test_a_redirect_is_not_followed() -> None:
    async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/\r\n"
        writer.write(head + b"Content-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(redirect, "127.0.0.1", 0)
    async with server:
        nodes = Nodes(connection(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"))
        with pytest.raises(NotSentError, match="answers 307, a redirect, which is not followed"):
            await ask(nodes)
        await nodes.close()
