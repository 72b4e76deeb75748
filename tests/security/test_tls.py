"""Who answers is checked unless it is said otherwise; a refusal says what is wrong and what helps."""

import asyncio
import re
import ssl
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams.core import SourceError
from ackflow.streams.testing import BulkAnswer, FakeElasticsearch
from tests.security.certificates import Authority, mute
from tests.servers.elasticsearch import Elasticsearch
from tests.servers.rabbitmq import RabbitMQ
from tests.streams.amqp.tools import declare, eventually, fill, take
from tests.streams.test_http import answering, serving


@pytest.fixture
def readable() -> Iterator[Path]:
    """A folder that the broker's own user can read."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


UNKNOWN, OTHER_HOST, EXPIRED = "an unknown authority", "another host", "yesterday"
FLAWS = (UNKNOWN, OTHER_HOST, EXPIRED)
SAID = {UNKNOWN: "self.signed|unable to get", OTHER_HOST: "ostname mismatch", EXPIRED: "expired"}
HELPS = {OTHER_HOST: "must name a host that", EXPIRED: "the clock or the certificate"}


def flawed(flaw: str, authority: Authority, folder: Path) -> tuple[ssl.SSLContext, Path]:
    """Return a server's context with a flaw, and the file of authorities that a client trusts."""
    match flaw:
        case "an unknown authority":
            return authority.server(), Authority(folder, "other").file
        case "another host":
            return authority.server("elsewhere.example"), authority.file
    return authority.server(expired=True), authority.file


async def halted(sink: Any) -> str:
    """Run a pipeline that has to halt; return its state."""
    queue = streams.memory.queue([{"word": "um"}])
    handle = (queue | op.chunk(1) | sink).start()
    await eventually(lambda: handle.done or handle.state.startswith("halted"))
    state = handle.state
    await handle.abort()
    assert queue.acked == []
    return state


async def refused(stream: Any) -> str:
    with pytest.raises(SourceError) as caught:
        await asyncio.wait_for(_run(stream | sinks.to_list()), 20)
    return str(caught.value)


async def _run(pipeline: Any) -> None:
    await pipeline


@pytest.mark.parametrize("flaw", FLAWS)
async def test_elasticsearch_with_a_wrong_certificate_gets_no_document(
    flaw: str, authority: Authority, tmp_path: Path
) -> None:
    context, trusted = flawed(flaw, authority, tmp_path)
    async with FakeElasticsearch(ssl=context) as server:
        sink = sinks.elasticsearch.bulk(
            server.url,
            index="words",
            id="word",
            ca_certs=str(trusted),
            basic_auth=("ana", "s3cret"),
        )
        state = await halted(sink)
        assert server.requests == []
    assert re.search(SAID[flaw], state)
    assert HELPS.get(flaw, "ca_certs= names the authority") in state


@pytest.mark.parametrize("flaw", FLAWS)
async def test_a_broker_with_a_wrong_certificate_gets_no_password(
    flaw: str, authority: Authority, tmp_path: Path
) -> None:
    context, trusted = flawed(flaw, authority, tmp_path)
    async with mute(context) as port:
        url = f"amqps://ana:s3cret@localhost:{port}/"
        source = streams.amqp.queue("words", url=url, ca_file=trusted, start_timeout=0.2)
        text = await refused(source)
        sink = sinks.amqp.publish(url, routing_key="words", ca_file=trusted)
        with pytest.raises(sinks.amqp.PublishRefused, match=HELPS.get(flaw, "ca_file=")):
            await asyncio.wait_for(_run(streams.of("um") | sink), 20)
    assert "TLS refused, the broker's certificate can't be trusted" in text
    assert HELPS.get(flaw, "ca_file= names the authority") in text


@pytest.mark.parametrize("flaw", FLAWS)
async def test_a_page_with_a_wrong_certificate_is_not_read(
    flaw: str, authority: Authority, tmp_path: Path
) -> None:
    context, trusted = flawed(flaw, authority, tmp_path)
    trusting = ssl.create_default_context(cafile=trusted)
    async with serving(answering(b"one"), context) as url:
        text = await refused(streams.http.lines(url, ssl=trusting))
    assert "certificate verify failed" in text
    assert HELPS.get(flaw, "ssl= takes a context") in text


async def test_nobody_is_trusted_whom_this_machine_does_not_know(authority: Authority) -> None:
    async with (
        mute(authority.server()) as port,
        serving(answering(b"one"), authority.server()) as page,
        FakeElasticsearch(ssl=authority.server()) as server,
    ):
        queue = streams.amqp.queue("q", url=f"amqps://localhost:{port}/", start_timeout=0.2)
        assert "can't be trusted" in await refused(queue)
        assert "certificate verify failed" in await refused(streams.http.lines(page))
        bulk = sinks.elasticsearch.bulk(server.url, index="words", id="word")
        assert "can't be trusted" in await halted(bulk)
        assert server.requests == []


@pytest.mark.parametrize("url", ["amqps://h/?no_verify_ssl=1", "amqps://h/?verify=0"])
def test_a_url_can_not_turn_verification_off(url: str) -> None:
    with pytest.raises(ValueError, match=r"only .* may follow the \?"):
        streams.amqp.queue("words", url=url)


async def test_an_authority_of_ones_own_is_enough(authority: Authority) -> None:
    async with (
        serving(answering(b"one"), authority.server()) as page,
        FakeElasticsearch(ssl=authority.server()) as server,
    ):
        lines = streams.http.lines(page, ssl=authority.trusting())
        assert await (lines | sinks.to_list()) == ["one"]
        sink = sinks.elasticsearch.bulk(
            server.url, index="words", id="word", ca_certs=str(authority.file)
        )
        await (streams.of({"word": "um"}) | op.chunk(1) | sink)
        assert list(server.documents) == ["um"]


@pytest.mark.parametrize(
    ("credentials", "sent"),
    [
        ({"api_key": "key-of-ana"}, "ApiKey key-of-ana"),
        ({"api_key": ("ana", "key")}, "ApiKey YW5hOmtleQ=="),
        ({"basic_auth": ("ana", "s3cret")}, "Basic YW5hOnMzY3JldA=="),
        ({"bearer_auth": "token-of-ana"}, "Bearer token-of-ana"),
    ],
)
async def test_every_kind_of_credentials_goes_over_tls(
    credentials: dict[str, Any], sent: str, authority: Authority
) -> None:
    async with FakeElasticsearch(ssl=authority.server()) as server:
        sink = sinks.elasticsearch.bulk(
            server.url, index="words", id="word", ca_certs=str(authority.file), **credentials
        )
        await (streams.of({"word": "um"}) | op.chunk(1) | sink)
    assert {request.headers["Authorization"] for request in server.requests} == {sent}


async def test_elasticsearch_is_shown_a_client_certificate(
    authority: Authority, tmp_path: Path
) -> None:
    clients, strangers = Authority(tmp_path, "clients"), Authority(tmp_path, "strangers")
    settings = {"index": "words", "id": "word", "ca_certs": str(authority.file)}
    async with FakeElasticsearch(ssl=authority.asking(clients)) as server:
        for certificate in (None, str(strangers.client("eve@example.org"))):
            sink = sinks.elasticsearch.bulk(server.url, certificate=certificate, **settings)
            assert server.url in await halted(sink)
        assert server.requests == []
        mine = str(clients.client())
        for certificate in (mine, (mine, mine)):
            sink = sinks.elasticsearch.bulk(server.url, certificate=certificate, **settings)
            await (streams.of({"word": "um"}) | op.chunk(1) | sink)
    assert list(server.documents) == ["um"]


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"certificate": "no.pem"}, r"bulk\(certificate=…\): there is no file 'no.pem'"),
        ({"certificate": (__file__, "no.key")}, "there is no file 'no.key'"),
        ({"url": "http://h:9200", "certificate": __file__}, "needs https:// in every URL"),
        ({"url": "http://h:9200", "ca_certs": __file__}, "needs https:// in every URL"),
    ],
)
def test_certificates_are_checked_where_they_are_written(settings: Any, text: str) -> None:
    url = settings.pop("url", "https://h:9200")
    with pytest.raises(ValueError, match=text):
        sinks.elasticsearch.bulk(url, index="words", id="word", **settings)


async def test_documents_do_not_follow_a_redirect(authority: Authority) -> None:
    """307 and 308 would have the whole bulk sent elsewhere, in the clear where they say so."""
    async with FakeElasticsearch() as elsewhere:
        away = BulkAnswer(307, "", {"Location": f"{elsewhere.url}/_bulk"})
        async with FakeElasticsearch([away] * 50, ssl=authority.server()) as server:
            sink = sinks.elasticsearch.bulk(
                server.url, index="words", id="word", ca_certs=str(authority.file)
            )
            assert "answers 307, a redirect, which is not followed" in await halted(sink)
        assert elsewhere.requests == []


async def test_a_page_is_not_read_in_the_clear_after_https(authority: Authority) -> None:
    async with serving(answering(b"forged")) as clear:
        away = answering(b"", Location=f"{clear}/words")

        async def redirect(request: Any) -> Any:
            response = await away(request)
            response.set_status(302)
            return response

        async with serving(redirect, authority.server()) as url:
            text = await refused(streams.http.lines(url, ssl=authority.trusting()))
    assert "redirects from https to http://localhost" in text


async def test_headers_with_secrets_stay_with_the_server_they_are_for() -> None:
    asked: list[dict[str, str]] = []

    async def elsewhere(request: web.Request) -> web.Response:
        asked.append(dict(request.headers))
        return web.Response(text="one")

    async with serving(elsewhere) as other:

        async def redirect(request: web.Request) -> web.Response:
            asked.append(dict(request.headers))
            raise web.HTTPFound("/again" if request.path == "/" else f"{other}/words")

        async with serving(redirect) as url:
            secrets = {
                "X-Token": "s3cret",
                "Authorization": "Bearer s3cret",
                "Accept": "text/plain",
            }
            lines = streams.http.lines(url, headers=secrets)
            assert await (lines | sinks.to_list()) == ["one"]
    *home, away = asked
    assert [headers["X-Token"] for headers in home] == ["s3cret", "s3cret"]
    assert away["Accept"] == "text/plain"
    assert "s3cret" not in str(away)


async def test_amqps_from_end_to_end(
    make_rabbitmq: Callable[..., RabbitMQ], authority: Authority
) -> None:
    node = make_rabbitmq(tls=True)
    await declare(node.url, "words")
    await declare(node.url, "copies")
    await fill(node.url, "words", [b"um", b"dois"])
    secure: dict[str, Any] = {"url": node.amqps_url, "ca_file": node.ca_file}
    queue = streams.amqp.queue("words", until_idle=0.3, **secure)
    summary = await (queue | sinks.amqp.publish(routing_key="copies", **secure))
    assert summary.accepted == 2
    assert [message.body for message in await take(node.url, "copies")] == [b"um", b"dois"]
    strange = {"ca_file": authority.file, "start_timeout": 0.2}
    text = await refused(streams.amqp.queue("words", url=node.amqps_url, **strange))
    assert "ca_file= names the authority to trust" in text


async def test_a_broker_lets_in_only_whom_its_authority_knows(
    make_rabbitmq: Callable[..., RabbitMQ], readable: Path
) -> None:
    clients, strangers = Authority(readable, "clients"), Authority(readable, "strangers")
    asking = {
        "ssl_options.cacertfile": str(clients.file),
        "ssl_options.verify": "verify_peer",
        "ssl_options.fail_if_no_peer_cert": "true",
    }
    node = make_rabbitmq(tls=True, settings=asking)
    await declare(node.url, "words")
    await fill(node.url, "words", [b"um"])
    secure: dict[str, Any] = {"url": node.amqps_url, "ca_file": node.ca_file, "start_timeout": 0.2}
    await declare(node.url, "copies")
    for certificate in (None, strangers.client("eve@example.org")):
        text = await refused(streams.amqp.queue("words", certificate=certificate, **secure))
        assert "TLS refused" in text or "ask for a client certificate" in text
        sink = publish(node, certificate)
        with pytest.raises(
            sinks.amqp.PublishRefused, match=r"TLS refused|ask for a client certificate"
        ):
            await asyncio.wait_for(_run(streams.of(b"forged") | sink), 20)
    mine = streams.amqp.queue("words", certificate=clients.client(), until_idle=0.3, **secure)
    summary = await (mine | publish(node, clients.client()))
    assert summary.accepted == 1
    assert [message.body for message in await take(node.url, "copies")] == [b"um"]


def publish(node: RabbitMQ, certificate: Path | None) -> Any:
    """Return a sink that shows a broker a client certificate."""
    return sinks.amqp.publish(
        node.amqps_url, routing_key="copies", ca_file=node.ca_file, certificate=certificate
    )


async def test_a_real_elasticsearch_over_https(
    make_elasticsearch: Callable[..., Elasticsearch], authority: Authority, tmp_path: Path
) -> None:
    """Nobody gets in or is sent anything without the right authority and a client certificate."""
    node = make_elasticsearch(tls=True)
    strange = Authority(tmp_path, "strange")
    settings: dict[str, Any] = {"index": "words", "id": "word", "ca_certs": str(node.ca_file)}
    settings["basic_auth"] = (node.user, node.password)
    mine = str(node.client_file)
    refusals = [
        ({"ca_certs": str(strange.file), "certificate": mine}, "ca_certs= names the authority"),
        ({"certificate": None}, node.url),
        ({"certificate": str(strange.client("eve@example.org"))}, node.url),
    ]
    for changed, text in refusals:
        assert text in await halted(sinks.elasticsearch.bulk(node.url, **{**settings, **changed}))
    # Who trusts only the authorities of this machine does not trust that one.
    unknown = {key: value for key, value in settings.items() if key != "ca_certs"}
    sink = sinks.elasticsearch.bulk(node.url, certificate=mine, **unknown)
    assert "can't be trusted" in await halted(sink)
    sink = sinks.elasticsearch.bulk(node.url, certificate=mine, **settings)
    summary = await (streams.of({"word": "um"}, {"word": "dois"}) | op.chunk(2) | sink)
    assert summary.accepted == 2
    assert node.count("words") == 2
