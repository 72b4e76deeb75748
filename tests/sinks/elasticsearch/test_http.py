"""The sink over real HTTP: what proxies, dying connections and strange servers do to it."""

import asyncio
import base64
import socket
import ssl
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import trustme

from ackflow.sinks.elasticsearch import bulk
from ackflow.sinks.elasticsearch import server as server_module
from ackflow.streams.core import Unavailable
from ackflow.streams.testing import BulkAnswer, FakeElasticsearch
from ackflow.streams.testing.answers import Request
from tests.sinks.elasticsearch.engine import running, words
from tests.sinks.elasticsearch.nodes import until

QUICK: dict[str, Any] = {"backoff": (0.001, 0.01)}


async def test_one_chunk_is_one_post() -> None:
    async with FakeElasticsearch() as server, running(server.url) as engine:
        await engine.write(*words("um", "dois"), {"word": "três"})
        assert engine.source.accepted == [0, 1, 2]
    request = server.requests[-1]
    assert list(server.documents) == ["um", "dois", "três"]
    assert (request.method, request.headers["Content-Type"]) == (
        "POST",
        "application/vnd.elasticsearch+x-ndjson; compatible-with=8",
    )


async def test_bulks_are_sent_with_gzip_where_it_is_asked_for() -> None:
    many = [{"word": f"palavra {number}"} for number in range(100)]
    async with FakeElasticsearch() as server, running(server.url, compress=True) as engine:
        await engine.write(*many)
        assert engine.source.accepted == list(range(100))
        sent = engine.statistics.bytes
    headers = server.requests[-1].headers
    assert (headers["Content-Encoding"], headers["Content-Length"]) == ("gzip", str(sent))
    assert sent < sum(len(str(each)) for each in many) / 2
    assert list(server.documents.values()) == many


@pytest.mark.parametrize(
    "answer",
    [
        BulkAnswer(502, "<html>Bad Gateway</html>"),
        BulkAnswer(503, "busy", {"Content-Type": "application/octet-stream"}),
        BulkAnswer(504, "", {"Content-Type": "text/plain"}),
        BulkAnswer(429, headers={"Retry-After": "0"}),
        408,
        500,
        520,
        BulkAnswer(cut=0),
        BulkAnswer(cut=32),
        BulkAnswer(200, "<html>Please log in</html>"),
        BulkAnswer(results=1, stores=True),
        BulkAnswer(200, {"errors": False, "items": [{"index": {"status": 201}}] * 3}),
        BulkAnswer(200, {"errors": False}, {"X-Elastic-Product": "?"}),
    ],
    ids=str,
)
@pytest.mark.parametrize("own_client", [True, False])
async def test_what_passes_is_survived_with_the_same_ids(answer: Any, own_client: bool) -> None:
    async with FakeElasticsearch([answer]) as server:
        client: Any = server.url if own_client else somebodys_client(server.url)
        async with running(client, **QUICK) as engine:
            await engine.write(*words("a", "b"))
            assert engine.source.accepted == [0, 1]
            assert engine.board.reasons == []
            assert engine.statistics.retries == 2  # ours, and none of the client's
        if not own_client:
            await client.close()
    assert [request.ids for request in server.bulks] == [["a", "b"], ["a", "b"]]


@pytest.mark.parametrize("answer", [401, 403, 404, 405, 406, 407, 415, 501], ids=str)
async def test_what_is_wrong_with_the_settings_or_the_way_halts_and_rejects_nothing(
    answer: int,
) -> None:
    async with FakeElasticsearch([answer] * 3) as server, running(server.url, **QUICK) as engine:
        await engine.write(*words("a", "b"))
        assert engine.source.accepted == [0, 1]
        assert len(engine.board.reasons) == 3
        assert f"answered {answer}" in engine.board.reasons[0]
        assert not engine.board.is_halted


@pytest.mark.parametrize(
    "answer",
    [
        BulkAnswer(200, "<html>Please log in</html>"),
        BulkAnswer(200, {"took": 3}),
        BulkAnswer(results=1, stores=True),
        BulkAnswer(200, {"errors": False, "items": [{"index": {"status": 201}}] * 3}),
        BulkAnswer(headers={"X-Elastic-Product": "?"}),
    ],
    ids=["no JSON", "no items", "short", "long", "no Elasticsearch"],
)
async def test_an_answer_that_fits_no_document_is_asked_for_once_more_and_believed_by_nobody(
    answer: Any,
) -> None:
    async with FakeElasticsearch([answer] * 2) as server, running(server.url, **QUICK) as engine:
        await engine.write(*words("a", "b"))
        assert engine.source.requeued == [0, 1]
        assert "does not fit the bulk, twice" in str(engine.source.cause(0))
    assert [request.ids for request in server.bulks] == [["a", "b"]] * 2


async def test_each_document_has_its_own_verdict_whatever_the_others_have() -> None:
    results: list[dict[str, Any]] = [
        {"status": 201, "_shards": {"total": 2, "successful": 1, "failed": 1}},
        {"status": 201, "failure_store": "used"},
        {"status": 418, "error": {"type": "teapot_exception", "reason": "short and stout"}},
        {"status": 404, "error": {"type": "document_missing_exception", "reason": ""}},
        {"status": 400, "error": {"type": "script_exception", "reason": "compile error"}},
        {"status": 400, "error": {"type": "x_content_parse_exception", "reason": "[1:2]"}},
        {"status": 507, "error": {"type": "disk_full", "reason": ""}},
        {"status": 429, "error": {"type": "circuit_breaking_exception", "reason": ""}},
        {"error": {"type": "nobody_knows", "reason": ""}},
        {},
    ]
    first = BulkAnswer(200, {"errors": True, "items": [{"index": each} for each in results]})
    async with FakeElasticsearch([first]) as server, running(server.url, **QUICK) as engine:
        await engine.write(*words(*"0123456789"))
        assert engine.source.accepted == [0, 1, 6, 7, 8, 9]
        assert engine.source.rejected == [2, 3, 4, 5]
        assert engine.statistics.failure_store == 1
        assert engine.source.cause(2).headers()["es.error.type"] == "teapot_exception"
    assert [request.ids for request in server.bulks] == [[*"0123456789"], [*"6789"]]


async def test_when_the_time_is_over_the_queue_gets_back_what_was_busy_and_not_what_is_poison() -> (
    None
):
    refused: Any = {"busy": (429, "es_rejected_execution_exception"), "poison": (500, "oops")}
    refused |= {"away": (503, "unavailable_shards_exception"), "teapot": (507, "disk_full")}
    settings: dict[str, Any] = {**QUICK, "retry_for": 1.0, "halt_after": 60}
    async with (
        FakeElasticsearch(refused=refused) as server,
        running(server.url, **settings) as engine,
    ):
        await engine.write(*words("busy", "poison", "away", "teapot", "good"))
        assert engine.source.accepted == [4]
        assert engine.source.requeued == [0, 2]
        assert engine.source.rejected == [1, 3]
        assert engine.source.cause(1).attempts > 1


class Deaf:
    """A server that takes connections while `answer` runs, and no more of them later."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._listener = stack.enter_context(socket.socket())
        self._listener.setblocking(False)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(0)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    async def answer(self) -> None:
        """Say to one request that Elasticsearch is here, and close."""
        loop = asyncio.get_running_loop()
        connection, _ = await loop.sock_accept(self._listener)
        with connection:
            await loop.sock_recv(connection, 65_536)
            await loop.sock_sendall(
                connection,
                b"HTTP/1.1 200 OK\r\nX-Elastic-Product: Elasticsearch\r\nConnection: close\r\n"
                b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
            )

    def fill(self) -> None:
        """Let as many wait as it has room for, and more."""
        for _ in range(4):
            waiting = self._stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(self._listener.getsockname())


async def test_a_server_that_takes_no_connection_is_not_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server_module, "PROBE_TIMEOUT", 0.3)
    with ExitStack() as stack:
        deaf = Deaf(stack)
        deaf.fill()
        sink = bulk(deaf.url, index="words", id="word")
        with pytest.raises(Unavailable, match="is not there: no connection"):
            await sink.open()
        await sink.close()


async def test_what_was_never_sent_is_an_outage_and_no_unknown_outcome() -> None:
    """Without ids, what may be written may be rejected; what was not sent can't be written."""
    settings: dict[str, Any] = {"id": None, "on_unknown": "reject"}
    settings |= {"server_timeout": 0.1, "request_timeout": 0.3}
    with ExitStack() as stack:
        deaf = Deaf(stack)
        answering = asyncio.create_task(deaf.answer())
        async with running(deaf.url, **settings) as engine:
            await answering
            deaf.fill()
            write = engine.start({"n": 1})
            await until(lambda: engine.board.is_halted)
            assert "is not there: no connection" in engine.board.reasons[0]
            assert engine.source.outcomes == {}
            write.cancel()


def somebodys_client(url: str) -> Any:
    """A client as people make it, with all its own retries."""
    from elasticsearch import AsyncElasticsearch

    return AsyncElasticsearch(url, max_retries=5, retry_on_timeout=True, request_timeout=0.001)


async def test_a_kept_alive_connection_that_dies_stores_nothing_twice() -> None:
    settings: dict[str, Any] = {"id": None, "on_unknown": "reject"}
    async with FakeElasticsearch() as server, running(server.url, **settings) as engine:
        await engine.write({"n": 1})
        server.then(BulkAnswer(cut=0, stores=True))
        await engine.write({"n": 2})
        assert (engine.source.accepted, engine.source.rejected) == ([0], [1])
        assert engine.source.cause(1).error_type == "unknown_outcome"
        assert len(server.documents) == 2


async def test_a_body_that_is_too_large_for_the_server_is_split() -> None:
    async with FakeElasticsearch(max_bytes=5000) as server, running(server.url, **QUICK) as engine:
        await engine.write(*({"word": str(n), "text": "x" * 400} for n in range(50)))
        assert len(engine.source.accepted) == 50
        assert engine.statistics.bulks[413] >= 1
        await engine.write({"word": "large", "text": "x" * 6000})
        assert engine.source.rejected == [50]
        assert engine.source.cause(50).status == 413


async def test_a_400_is_bisected() -> None:
    def refuse(request: Request) -> int | None:
        return 400 if "poison" in request.ids else None

    async with FakeElasticsearch([refuse] * 100) as server, running(server.url) as engine:
        await engine.write(*words(*"abcdef", "poison", *"ghijklmn"))
        assert engine.source.rejected == [6]
        assert len(engine.source.accepted) == 14
    assert sorted(server.documents) == list("abcdefghijklmn")


@pytest.mark.parametrize("status", [401, 403])
async def test_wrong_credentials_halt_until_they_are_mended(status: int) -> None:
    denied = BulkAnswer(status, {"error": {"type": "security_exception", "reason": "no"}})
    async with FakeElasticsearch([denied]) as server, running(server.url) as engine:
        await engine.write(*words("a"))
        assert engine.source.accepted == [0]
        assert engine.board.reasons[0].endswith(f"answered {status} security_exception: no")


async def test_a_server_that_hangs_is_an_outage_after_one_timeout() -> None:
    async with FakeElasticsearch([BulkAnswer(after=float("inf"))] * 3) as server:
        settings: dict[str, Any] = {"request_timeout": 0.2, "server_timeout": 0.1, **QUICK}
        async with running(server.url, **settings) as engine:
            write = engine.start(*words("a"))
            await asyncio.wait_for(write, 20)
            assert "did not answer a bulk" in engine.board.reasons[0]
            assert engine.source.accepted == [0]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:{port}", "refused|connect"),
        ("http://no-such-host.invalid:9200", "resolve|DNS|Name|name|host"),
    ],
)
async def test_nobody_there_is_an_outage_and_says_where(url: str, reason: str) -> None:
    url = url.format(port=free_port())
    sink = bulk(url.replace("//", "//scott:tiger@"), index="words", id="word")
    with pytest.raises(Unavailable, match=reason) as raised:
        await sink.open()
    await sink.close()
    assert url in str(raised.value)
    assert "tiger" not in str(raised.value)


@pytest.mark.parametrize(
    ("settings", "header"),
    [
        (
            {"basic_auth": ("scott", "ti:ger")},
            "Basic " + base64.b64encode(b"scott:ti:ger").decode(),
        ),
        ({"api_key": "abc"}, "ApiKey abc"),
        ({"api_key": ("id", "key")}, "ApiKey " + base64.b64encode(b"id:key").decode()),
        ({"bearer_auth": "token"}, "Bearer token"),
    ],
)
async def test_credentials_are_sent(settings: dict[str, Any], header: str) -> None:
    async with FakeElasticsearch() as server, running(server.url, **settings) as engine:
        await engine.write(*words("a"))
    assert {request.headers["Authorization"] for request in server.requests} == {header}


async def test_credentials_in_the_url_are_sent_unquoted() -> None:
    async with FakeElasticsearch() as server:
        url = server.url.replace("//", "//scott:ti%2Fger@")
        async with running(url) as engine:
            await engine.write(*words("a"))
        expected = "Basic " + base64.b64encode(b"scott:ti/ger").decode()
        assert server.requests[-1].headers["Authorization"] == expected


async def test_tls_is_verified(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    trusted = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(trusted))
    async with FakeElasticsearch(ssl=context) as server:
        sink = bulk(server.url, index="words", id="word")
        with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
            await sink.open()
        await sink.close()
        for settings in ({"ca_certs": str(trusted)}, {"verify_certs": False}):
            async with running(server.url, **settings) as engine:
                await engine.write(*words("a"))
                assert engine.source.accepted == [0]
