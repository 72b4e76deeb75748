"""Passwords, keys and tokens are in nothing that a failing run shows, in no way of writing them."""

import asyncio
import json
import logging
import sys
from asyncio.subprocess import PIPE
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import web
from yarl import URL

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams.testing import BulkAnswer, FakeElasticsearch
from tests.security.certificates import Authority, mute
from tests.security.leaks import PASSWORD, USER, Leaks
from tests.servers.processes import free_port
from tests.servers.rabbitmq import RabbitMQ
from tests.streams.amqp.tools import declare, eventually, fill, take, unique
from tests.streams.test_http import serving

ACCOUNT = f"{USER}:{quote(PASSWORD, safe='')}"
KEY = "kEy-0f-AnA_12345"
TOKEN = "eyJhbGciOi.t0ken/of+ana"
BULK: dict[str, Any] = {"index": "words", "id": "word"}
QUICK: dict[str, Any] = {**BULK, "backoff": (0.001, 0.01), "halt_after": 0.05}
CREDENTIALS: list[dict[str, Any]] = [
    {"basic_auth": (USER, PASSWORD)},
    {"api_key": KEY},
    {"api_key": ("some-id", KEY)},
    {"bearer_auth": TOKEN},
]


@pytest.fixture
def leaks(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[Leaks]:
    """Collects what is logged and printed too, and looks through it when the test is over."""
    caplog.set_level(logging.DEBUG, "ackflow")
    caplog.set_level(logging.DEBUG, "aiormq")
    leaks = Leaks(PASSWORD, KEY, TOKEN)
    yield leaks
    for record in caplog.records:
        leaks.show(record.getMessage(), record.args, caplog.handler.format(record))
    leaks.show(*capfd.readouterr())
    leaks.check()


async def run(leaks: Leaks, pipeline: Any, until: Callable[[Any], bool] | None = None) -> Any:
    """Run a pipeline to its end, or until something shows, and take in all there is to see of it."""
    leaks.show(pipeline, pipeline.stream, pipeline.stream.stage, pipeline.sink)
    handle = pipeline.start()
    leaks.show(handle, handle.state, *asyncio.all_tasks())
    try:
        await eventually(lambda: handle.done or (until is not None and until(handle)))
        leaks.show(handle.state, handle.stats(), *asyncio.all_tasks())
        if handle.done:
            leaks.show(await handle)
        else:
            await handle.drain(1.0)
    except Exception as error:
        leaks.show(error)
    summary = pipeline.summary
    leaks.show(summary, summary.failures, *summary.failures.values(), handle.state)
    return handle


def halted(handle: Any) -> bool:
    return bool(handle.state.startswith("halted"))


def words(*names: str, **settings: Any) -> Any:
    """Return a closed queue of documents in chunks."""
    queue = streams.memory.queue([{"word": name} for name in names], wait=lambda _: 0.0, **settings)
    queue.close()
    return queue | op.chunk(10)


def other(error: BaseException) -> None:
    raise error


# -- settings that can't be meant ---------------------------------------------------------------

BROKEN = f"{USER}:{PASSWORD}"
"""Nothing in it is quoted as a URL wants it."""
NORMALIZED = f"{USER}:{KEY}℀"
"""Python's own error about this one quotes all of it."""


@pytest.mark.parametrize("account", [BROKEN, NORMALIZED, f"{USER}:{KEY}[", f"{USER}:{KEY}\n"])
@pytest.mark.parametrize("place", ["host:9200", "host:port", "", "host:9200/x?y#z", "[::1"])
@pytest.mark.parametrize(
    "make",
    [
        lambda url: streams.http.lines(f"http://{url}"),
        lambda url: streams.http.lines(f"ftp://{url}"),
        lambda url: streams.http.lines(f"http:/{url}"),
        lambda url: streams.http.lines(url),
        lambda url: streams.amqp.queue("q", url=f"amqp://{url}"),
        lambda url: streams.amqp.queue("q", url=f"http://{url}"),
        lambda url: streams.amqp.deliveries("q", url=[f"amqp://{url}", f"amqps://{url}"]),
        lambda url: sinks.amqp.publish(f"amqp://{url}", routing_key="q"),
        lambda url: sinks.elasticsearch.bulk(f"http://{url}", **BULK),
        lambda url: sinks.elasticsearch.bulk([f"https://{url}"], **BULK, api_key=KEY),
        lambda url: sinks.elasticsearch.bulk(f"es://{url}", **BULK),
    ],
)
def test_a_wrong_url_is_an_error_without_its_password(
    make: Any, place: str, account: str, leaks: Leaks
) -> None:
    try:
        leaks.show(make(f"{account}@{place}"))
    except (ValueError, TypeError) as error:
        leaks.show(error)


@pytest.mark.parametrize(
    "make",
    [
        lambda: streams.http.lines(URL(f"http://{ACCOUNT}@h/")),  # type: ignore[arg-type]
        lambda: streams.http.lines(f"http://{ACCOUNT}@h/".encode()),  # type: ignore[arg-type]
        lambda: streams.http.lines("http://h/", headers={"X-Token": f"{KEY}\n"}),
        lambda: streams.http.lines("http://h/", headers={"X-Token": KEY.encode()}),  # type: ignore[dict-item]
        lambda: streams.amqp.queue("q", url=URL(f"amqp://{ACCOUNT}@h/")),  # type: ignore[arg-type]
        lambda: sinks.amqp.publish(URL(f"amqp://{ACCOUNT}@h/"), routing_key="q"),  # type: ignore[arg-type]
        lambda: sinks.elasticsearch.bulk(URL(f"http://{ACCOUNT}@h:9200"), **BULK),  # type: ignore[arg-type]
        lambda: sinks.elasticsearch.bulk({"password": PASSWORD}, **BULK),  # type: ignore[arg-type]
        lambda: sinks.elasticsearch.bulk("http://h:9200", bearer_auth=f"{TOKEN}\n", **BULK),
        lambda: sinks.elasticsearch.bulk("http://h:9200", api_key=(KEY,), **BULK),  # type: ignore[arg-type]
        lambda: sinks.elasticsearch.bulk("http://h:9200", basic_auth=PASSWORD, **BULK),  # type: ignore[arg-type]
        lambda: sinks.elasticsearch.bulk(
            f"http://{ACCOUNT}@h:9200", basic_auth=(USER, PASSWORD), **BULK
        ),
    ],
)
def test_a_setting_of_the_wrong_kind_is_an_error_that_does_not_show_it(
    make: Any, leaks: Leaks
) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        make()
    leaks.show(caught.value)


# -- servers that are away, refuse or can't be trusted ------------------------------------------


@asynccontextmanager
async def closed(_: Path) -> Any:
    yield free_port()


@asynccontextmanager
async def silent(_: Path) -> Any:
    async with mute() as port:
        yield port


@asynccontextmanager
async def garbage(_: Path) -> Any:
    async with mute(greeting=b"HTTP/1.1 999 \r\nX: \x00\r\n\r\n" * 9) as port:
        yield port


@asynccontextmanager
async def untrusted(folder: Path) -> Any:
    async with mute(Authority(folder).server()) as port:
        yield port


SERVERS = [closed, silent, garbage, untrusted]


@pytest.mark.parametrize("server", SERVERS)
async def test_a_broker_that_can_not_be_had(server: Any, leaks: Leaks, tmp_path: Path) -> None:
    scheme = "amqps" if server is untrusted else "amqp"
    async with server(tmp_path) as port:
        url = f"{scheme}://{ACCOUNT}@localhost:{port}/shop"
        source = streams.amqp.queue("words", url=url, start_timeout=0.2)
        await run(leaks, source | sinks.to_list(), halted)
        if server in (silent, garbage):  # which the sink waits for much longer
            return
        await run(leaks, streams.of("um") | sinks.amqp.publish(url, routing_key="q"), halted)
        letters = sinks.amqp.publish(url, routing_key="dead")
        dead = streams.amqp.queue("words", url=url, dead_letter=letters, start_timeout=0.2)
        await run(leaks, dead | op.map(other) | sinks.to_list(), halted)


@pytest.mark.parametrize("credentials", [*CREDENTIALS, {}])
@pytest.mark.parametrize("server", SERVERS)
async def test_an_elasticsearch_that_can_not_be_had(
    server: Any, credentials: dict[str, Any], leaks: Leaks, tmp_path: Path
) -> None:
    scheme = "https" if server is untrusted else "http"
    account = "" if credentials else f"{ACCOUNT}@"
    async with server(tmp_path) as port:
        url = f"{scheme}://{account}localhost:{port}"
        settings = {**QUICK, "server_timeout": 0.1, "request_timeout": 0.2}
        bulk = sinks.elasticsearch.bulk(url, **settings, **credentials)
        await run(leaks, words("um") | bulk, halted)
        leaks.show(bulk.statistics, bulk._connection)


@pytest.mark.parametrize("server", SERVERS)
async def test_a_page_that_can_not_be_had(server: Any, leaks: Leaks, tmp_path: Path) -> None:
    scheme = "https" if server is untrusted else "http"
    async with server(tmp_path) as port:
        url = f"{scheme}://{ACCOUNT}@localhost:{port}/words?token={quote(TOKEN)}"
        headers = {"X-Token": KEY, "Cookie": f"session={KEY}"}
        lines = streams.http.lines(url, headers=headers, timeout=0.2)
        await run(leaks, lines | sinks.to_list())


async def test_a_page_that_says_no_and_repeats_what_was_asked(leaks: Leaks) -> None:
    async def echo(request: web.Request) -> web.Response:
        if request.path == "/loop":
            raise web.HTTPFound(str(request.rel_url))
        asked = str(dict(request.headers))
        return web.Response(status=401, reason="Unauthorized", text=asked)

    async with serving(echo) as base:
        for path in ("/words", "/loop"):
            url = base.replace("//", f"//{ACCOUNT}@") + f"{path}?token={quote(TOKEN)}"
            lines = streams.http.lines(url, headers={"X-Token": KEY})
            await run(leaks, lines | sinks.to_list())


@pytest.mark.parametrize("credentials", CREDENTIALS)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 502])
async def test_an_elasticsearch_that_says_no_and_repeats_what_was_asked(
    status: int, credentials: dict[str, Any], leaks: Leaks
) -> None:
    """There are proxies whose error page shows the request, headers and all."""

    def echo(request: Any) -> Any:
        sent = request.headers["Authorization"]
        body = (
            {"error": {"type": "proxy", "reason": f"{sent} {credentials}"}} if status % 2 else sent
        )
        return BulkAnswer(status, body)

    async with FakeElasticsearch([echo] * 200) as server:
        letters: list[Any] = []
        queue = words("um", "dois", dead_letter=sinks.each(letters.append))
        bulk = sinks.elasticsearch.bulk(server.url, **QUICK, retry_for=0.2, **credentials)
        await run(leaks, queue | bulk, lambda handle: halted(handle) or handle.stats().held)
        leaks.show(*letters, bulk.statistics)


# -- poison, and where it ends ------------------------------------------------------------------


async def test_poison_and_its_dead_letters(leaks: Leaks) -> None:
    letters: list[Any] = []
    async with FakeElasticsearch(refused={"dois": (400, "document_parsing", "bad")}) as server:
        queue = words("um", "dois", "x" * 600, dead_letter=sinks.each(letters.append))
        url = server.url.replace("//", f"//{ACCOUNT}@")
        await run(leaks, queue | sinks.elasticsearch.bulk(url, **QUICK))
    assert len(letters) == 2
    for letter in letters:
        leaks.show(letter, letter.headers, letter.properties)


def raises(value: Any) -> Any:
    raise ValueError(f"can't use {value!r}")


async def test_a_real_broker_shows_no_password_whatever_fails(
    rabbitmq: RabbitMQ, leaks: Leaks
) -> None:
    words, dead, user = unique("words"), unique("dead"), unique(USER)
    for queue in (words, dead):
        await declare(rabbitmq.url, queue)
    url = rabbitmq.add_user(user, PASSWORD)
    await fill(rabbitmq.url, words, [b"um", b"dois", b"x" * 100])

    letters = sinks.amqp.publish(url, routing_key=dead)
    queue = streams.amqp.queue(
        words, url=url, dead_letter=letters, max_body_bytes=50, until_idle=0.5, connection_name="me"
    )
    pipeline = queue | op.map(raises) | sinks.to_list()
    await run(leaks, pipeline)
    assert pipeline.summary.dead_lettered == 3
    for letter in await take(rabbitmq.url, dead):
        leaks.show(letter.body, letter.header.properties.headers, letter)

    wrong = rabbitmq.url_for("/", user, f"{PASSWORD}{KEY}")
    await run(leaks, streams.amqp.queue(words, url=wrong) | sinks.to_list())
    await run(leaks, streams.of(b"um") | sinks.amqp.publish(wrong, routing_key=words))
    await run(leaks, streams.amqp.queue(words, url=url, vhost="nowhere") | sinks.to_list())
    await run(leaks, streams.of(b"um") | sinks.amqp.publish(url, routing_key="", exchange="none"))

    await fill(rabbitmq.url, words, [b"um"])
    going = (streams.amqp.queue(words, url=url) | sinks.to_list()).start()
    await eventually(lambda: going.stats().acked)
    rabbitmq.ctl("close_all_user_connections", user, "over")
    await eventually(lambda: going.stats().reconnects)
    leaks.show(going.state, going.stats())
    await going.drain()


async def test_a_program_in_which_everything_fails_prints_no_secret(
    rabbitmq: RabbitMQ, leaks: Leaks
) -> None:
    """All that its process prints is searched: logs of everybody at DEBUG, and what ends it."""
    queue, dead, user = unique("words"), unique("dead"), unique(USER)
    for name in (queue, dead):
        await declare(rabbitmq.url, name)
    url = rabbitmq.add_user(user, PASSWORD)
    await fill(rabbitmq.url, queue, [b'{"word": "um"}', b"no JSON"])
    nobody = f"//{ACCOUNT}@127.0.0.1:{free_port()}"

    def echo(request: Any) -> Any:
        sent = request.headers.get("Authorization", "")
        return BulkAnswer(401, {"error": {"type": "security_exception", "reason": sent}})

    async def page(request: web.Request) -> web.Response:
        return web.Response(status=403, text=str(dict(request.headers)))

    async with FakeElasticsearch([echo] * 99) as server, serving(page) as pages:
        given = {
            "broker": url,
            "queue": queue,
            "dead": dead,
            "wrong password": rabbitmq.url_for("/", user, f"{PASSWORD}{KEY}"),
            "stranger": rabbitmq.url_for("/", "eve", PASSWORD),
            "nobody": f"amqp:{nobody}",
            "elasticsearch": [server.url, f"http://127.0.0.1:{free_port()}"],
            "credentials": CREDENTIALS,
            "pages": [f"{pages.replace('//', f'//{ACCOUNT}@')}/?token={TOKEN}", f"http:{nobody}/"],
            "headers": {"X-Token": KEY, "Cookie": f"session={KEY}"},
        }
        out, errors = await program("tests.security.failing", json.dumps(given))
    for said in (
        "status /: 200",
        "status /metrics: 200",
        "status /readyz: 503",
        "ackflow_failures",
        "RuntimeError",
        "refuses user",
        "nothing listens",
        "403",
        "401 security_exception",
    ):
        assert said in out + errors
    assert errors.splitlines()[-1].startswith("ackflow.streams.amqp.refusals.Refused: amqp://")
    leaks.show(out, errors)
    letters = await take(rabbitmq.url, dead)
    assert len(letters) == 2
    for letter in letters:
        leaks.show(letter.body, letter.header.properties.headers, letter)


async def program(module: str, given: str) -> tuple[str, str]:
    """Run a program that ends with an error; return what it prints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-X", "dev", "-m", module, stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    out, errors = await asyncio.wait_for(process.communicate(given.encode()), 60)
    assert process.returncode == 1
    return out.decode(), errors.decode()


# -- the test itself ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        f"amqp://{ACCOUNT}@host",
        f"http://{USER}:{PASSWORD}@host",
        "Basic YW5hOnDDpDU1L3c6cmQrJTIwJj8j",
        repr(PASSWORD.encode()),
        ascii({"password": PASSWORD}),
    ],
)
def test_a_leak_would_be_found(text: str) -> None:
    leaks = Leaks(PASSWORD)
    leaks.show("nothing")
    leaks.check()
    leaks.show(RuntimeError(text))
    with pytest.raises(AssertionError):
        leaks.check()


def test_a_leak_behind_another_error_would_be_found() -> None:
    leaks = Leaks(PASSWORD)
    hidden = RuntimeError("harmless")
    hidden.__context__ = ValueError(PASSWORD)
    leaks.show(hidden)
    with pytest.raises(AssertionError):
        leaks.check()
