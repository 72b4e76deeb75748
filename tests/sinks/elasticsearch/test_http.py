"""The sink over real HTTP: what proxies, dying connections and strange servers do to it."""

import asyncio
import base64
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from ackflow.sinks.elasticsearch import bulk
from ackflow.streams.core import Unavailable
from ackflow.streams.testing import BulkAnswer, FakeElasticsearch
from ackflow.streams.testing.answers import Request
from tests.sinks.elasticsearch.engine import running, words

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


@pytest.mark.parametrize(
    "answer",
    [
        BulkAnswer(502, "<html>Bad Gateway</html>"),
        BulkAnswer(503, "busy", {"Content-Type": "application/octet-stream"}),
        BulkAnswer(504, "", {"Content-Type": "text/plain"}),
        BulkAnswer(429, headers={"Retry-After": "0"}),
        500,
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
