"""The sink over real HTTP: what proxies, dying connections and strange servers do to it."""

import asyncio
import base64
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web

from ackflow.sinks.elasticsearch import bulk
from ackflow.streams.core import Unavailable
from tests.sinks.elasticsearch.engine import running, words
from tests.sinks.elasticsearch.scripted import (
    page,
    resetting,
    saying,
    scripted,
    stopping_half_way,
)

QUICK: dict[str, Any] = {"backoff": (0.001, 0.01)}


async def test_one_chunk_is_one_post() -> None:
    async with scripted() as server, running(server.url) as engine:
        await engine.write(*words("um", "dois"), {"word": "três"})
        assert engine.source.accepted == [0, 1, 2]
    request = server.requests[-1]
    assert server.stored == ["um", "dois", "três"]
    assert (request.method, request.headers["Content-Type"]) == (
        "POST",
        "application/vnd.elasticsearch+x-ndjson; compatible-with=8",
    )


@pytest.mark.parametrize(
    "handler",
    [
        page(502, "<html>Bad Gateway</html>"),
        page(503, "busy", "application/octet-stream"),
        page(504, "", "text/plain"),
        saying(429, {"error": {"type": "es_rejected_execution_exception"}}, {"Retry-After": "0"}),
        saying(500, {"error": {"type": "null_pointer_exception"}}),
        resetting,
        stopping_half_way,
        page(200, "<html>Please log in</html>"),
        saying(200, {"errors": False, "items": [{"index": {"status": 201}}]}),
        saying(200, {"errors": False, "items": [{"index": {"status": 201}}] * 3}),
        saying(200, {"errors": False}, {"X-Elastic-Product": "?"}),
    ],
)
@pytest.mark.parametrize("own_client", [True, False])
async def test_what_passes_is_survived_with_the_same_ids(handler: Any, own_client: bool) -> None:
    async with scripted() as server:
        server.then(handler)
        client: Any = server.url if own_client else somebodys_client(server.url)
        async with running(client, **QUICK) as engine:
            await engine.write(*words("a", "b"))
            assert engine.source.accepted == [0, 1]
            assert engine.board.reasons == []
            assert engine.statistics.retries == 2  # ours, and none of the client's
        if not own_client:
            await client.close()
    assert server.bulks == [["a", "b"], ["a", "b"]]


def somebodys_client(url: str) -> Any:
    """A client as people make it, with all its own retries."""
    from elasticsearch import AsyncElasticsearch

    return AsyncElasticsearch(url, max_retries=5, retry_on_timeout=True, request_timeout=0.001)


async def test_a_kept_alive_connection_that_dies_stores_nothing_twice() -> None:
    async with scripted() as server, running(server.url, id=None, on_unknown="reject") as engine:
        await engine.write({"n": 1})

        async def store_and_die(request: web.Request, body: bytes) -> web.StreamResponse:
            await server.store(request, body)
            return await resetting(request, body)

        server.then(store_and_die)
        await engine.write({"n": 2})
        assert (engine.source.accepted, engine.source.rejected) == ([0], [1])
        assert engine.source.cause(1).error_type == "unknown_outcome"
        assert len(server.stored) == 2


async def test_a_body_that_is_too_large_for_the_server_is_split() -> None:
    async with scripted(max_bytes=5000) as server, running(server.url, **QUICK) as engine:
        await engine.write(*({"word": str(n), "text": "x" * 400} for n in range(50)))
        assert len(engine.source.accepted) == 50
        assert engine.statistics.bulks[413] >= 1
        await engine.write({"word": "large", "text": "x" * 6000})
        assert engine.source.rejected == [50]
        assert engine.source.cause(50).status == 413


async def test_a_400_is_bisected() -> None:
    async def refuse(request: web.Request, body: bytes) -> web.StreamResponse:
        if b'"poison"' in body:
            return await saying(400, {"error": {"type": "parsing", "reason": "no"}})(request, body)
        return await server.store(request, body)

    async with scripted() as server, running(server.url) as engine:
        server.then(*[refuse] * 100)
        await engine.write(*words(*"abcdef", "poison", *"ghijklmn"))
        assert engine.source.rejected == [6]
        assert len(engine.source.accepted) == 14
    assert sorted(server.stored) == list("abcdefghijklmn")


@pytest.mark.parametrize("status", [401, 403])
async def test_wrong_credentials_halt_until_they_are_mended(status: int) -> None:
    async with scripted() as server, running(server.url) as engine:
        server.then(saying(status, {"error": {"type": "security_exception", "reason": "no"}}))
        await engine.write(*words("a"))
        assert engine.source.accepted == [0]
        assert engine.board.reasons[0].endswith(f"answered {status} security_exception: no")


async def test_a_server_that_hangs_is_an_outage_after_one_timeout() -> None:
    async with scripted() as server:
        hang = asyncio.Event()

        async def hanging(request: web.Request, body: bytes) -> web.StreamResponse:
            await hang.wait()
            return web.Response()

        server.then(*[hanging] * 3)
        settings: dict[str, Any] = {"request_timeout": 0.2, "server_timeout": 0.1, **QUICK}
        async with running(server.url, **settings) as engine:
            write = engine.start(*words("a"))
            await asyncio.wait_for(write, 20)
            assert "did not answer a bulk" in engine.board.reasons[0]
            assert engine.source.accepted == [0]
        hang.set()


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
    async with scripted() as server, running(server.url, **settings) as engine:
        await engine.write(*words("a"))
    assert {request.headers["Authorization"] for request in server.requests} == {header}


async def test_credentials_in_the_url_are_sent_unquoted() -> None:
    async with scripted() as server:
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
    async with scripted() as server:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", server.handle)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        port = free_port()
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
        url = f"https://localhost:{port}"
        try:
            sink = bulk(url, index="words", id="word")
            with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
                await sink.open()
            await sink.close()
            for settings in ({"ca_certs": str(trusted)}, {"verify_certs": False}):
                async with running(url, **settings) as engine:
                    await engine.write(*words("a"))
                    assert engine.source.accepted == [0]
        finally:
            await runner.cleanup()
