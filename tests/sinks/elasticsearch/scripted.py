"""A real HTTP server that answers as told: what no Elasticsearch does on demand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from tests.sinks.elasticsearch.doubles import parse

PRODUCT = {"X-Elastic-Product": "Elasticsearch"}
JSON = {**PRODUCT, "Content-Type": "application/vnd.elasticsearch+json;compatible-with=8"}

Handler = Callable[[web.Request, bytes], Awaitable[web.StreamResponse]]


class Scripted:
    """The n-th bulk is answered by the n-th handler, then all documents are stored."""

    def __init__(self) -> None:
        self.url = ""
        self.handlers: list[Handler] = []
        self.bulks: list[list[Any]] = []
        self.stored: list[Any] = []
        self.requests: list[web.Request] = []

    def then(self, *handlers: Handler) -> None:
        self.handlers += handlers

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        if request.path != "/_bulk":
            return web.json_response({"version": {"number": "9.0.1"}}, headers=PRODUCT)
        body = await request.read()
        ids = [metadata.get("_id") for _, metadata, _ in parse(body)]
        self.bulks.append(ids)
        if self.handlers:
            return await self.handlers.pop(0)(request, body)
        return await self.store(request, body)

    async def store(self, request: web.Request, body: bytes) -> web.StreamResponse:
        operations = parse(body)
        self.stored += [metadata.get("_id") for _, metadata, _ in operations]
        items = [{name: {"status": 201}} for name, _, _ in operations]
        return answer(200, {"errors": False, "items": items})


def answer(status: int, body: Any, headers: dict[str, str] | None = None) -> web.Response:
    import orjson

    return web.Response(status=status, body=orjson.dumps(body), headers=JSON | (headers or {}))


def saying(status: int, body: Any, headers: dict[str, str] | None = None) -> Handler:
    async def handle(request: web.Request, _: bytes) -> web.StreamResponse:
        return answer(status, body, headers)

    return handle


def page(status: int, text: str, content_type: str = "text/html") -> Handler:
    async def handle(request: web.Request, _: bytes) -> web.StreamResponse:
        return web.Response(status=status, text=text, content_type=content_type)

    return handle


async def resetting(request: web.Request, _: bytes) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def stopping_half_way(request: web.Request, _: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers=JSON | {"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"errors":false,"items":[{"index"')
    assert request.transport is not None
    request.transport.abort()
    return response


@asynccontextmanager
async def scripted(max_bytes: int = 2**30) -> AsyncIterator[Scripted]:
    """Serve on a free port; bodies above *max_bytes* get 413."""
    server = Scripted()
    application = web.Application(client_max_size=max_bytes)
    application.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.url = f"http://{host}:{port}"
    try:
        yield server
    finally:
        await runner.cleanup()
