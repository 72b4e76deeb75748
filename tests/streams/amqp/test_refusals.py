"""What can't be had is an error at start that names it, and never shows a password."""

import os
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from ackflow.streams import amqp
from ackflow.streams.core import SourceError
from tests.servers.processes import free_port
from tests.servers.rabbitmq import RabbitMQ
from tests.streams.amqp.tools import Collect, declare, fill, unique

pytestmark = pytest.mark.usefixtures("way")

PASSWORD = "s3cret/pass"


async def refused(queue: str = "words", **settings: Any) -> str:
    """Run a source that can't start; return the error's text, its causes included."""
    settings = {"start_timeout": 0.2, "prefetch": 10, **settings}
    with pytest.raises(SourceError) as caught:
        await (amqp.queue(queue, **settings) | Collect())
    everything = "".join(traceback.format_exception(caught.value))
    for secret in (PASSWORD, "s3cret", "s3cret%2Fpass"):
        assert secret not in everything
    return str(caught.value)


async def test_a_host_that_is_not_known_is_named() -> None:
    text = await refused(url="amqp://ana:s3cret%2Fpass@no-such-host.invalid/")
    assert "host 'no-such-host.invalid' is not known" in text
    assert "amqp://ana@no-such-host.invalid:5672/" in text


async def test_a_port_where_nothing_listens_is_named() -> None:
    port = free_port()
    text = await refused(url=f"amqp://ana:s3cret%2Fpass@127.0.0.1:{port}/")
    assert f"nothing listens on port {port} of host '127.0.0.1'" in text


async def test_every_address_that_was_tried_is_named() -> None:
    ports = [free_port(), free_port()]
    text = await refused(url=[f"amqp://127.0.0.1:{port}/" for port in ports])
    assert all(f"port {port}" in text for port in ports)


async def test_a_wrong_password_is_named_with_its_user(rabbitmq: RabbitMQ) -> None:
    text = await refused(url=rabbitmq.url_for("/", "guest", PASSWORD))
    assert "refuses user 'guest': wrong user name or password" in text


async def test_a_vhost_that_is_not_there_is_named(rabbitmq: RabbitMQ) -> None:
    text = await refused(url=rabbitmq.url, vhost="nowhere")
    assert "refuses vhost 'nowhere': it does not exist" in text


async def test_a_vhost_that_is_forbidden_is_named(rabbitmq: RabbitMQ) -> None:
    vhost, user = unique("forbidden"), unique("ana")
    rabbitmq.add_vhost(vhost)
    rabbitmq.add_user(user, PASSWORD)
    text = await refused(url=rabbitmq.url_for(vhost, user, PASSWORD))
    assert f"refuses vhost {vhost!r}" in text
    assert f"user {user!r} may not use it" in text


async def test_a_queue_that_is_not_there_is_named(rabbitmq: RabbitMQ) -> None:
    text = await refused(queue="no-such-queue", url=rabbitmq.url)
    assert "queue 'no-such-queue' does not exist" in text
    assert "declare=" in text


async def test_a_queue_that_may_not_be_read_is_named(rabbitmq: RabbitMQ) -> None:
    queue, user = unique("private"), unique("ana")
    await declare(rabbitmq.url, queue)
    url = rabbitmq.add_user(user, PASSWORD, permissions=("", "", "nothing"))
    text = await refused(queue=queue, url=url)
    assert f"queue {queue!r}" in text
    assert "ACCESS_REFUSED" in text


async def test_a_queue_of_type_stream_is_refused(rabbitmq: RabbitMQ) -> None:
    queue = unique("stream")
    await declare(rabbitmq.url, queue, **{"x-queue-type": "stream"})
    text = await refused(queue=queue, url=rabbitmq.url)
    assert f"queue {queue!r} is of type stream" in text


async def test_tls_needs_an_authority_that_is_trusted(
    make_rabbitmq: Callable[..., RabbitMQ],
) -> None:
    node = make_rabbitmq(tls=True)
    await declare(node.url, "words")
    settings = {"url": node.amqps_url, "ca_file": node.ca_file, "prefetch": 1, "until_idle": 0.2}

    summary = await (amqp.queue("words", **settings) | Collect())
    assert summary.delivered == 0
    assert summary.reconnects == 0

    text = await refused(url=node.amqps_url)
    assert "TLS refused, the broker's certificate can't be trusted" in text
    text = await refused(url=node.amqps_url.replace("localhost", "127.0.0.1"), ca_file=__file__)
    assert "TLS refused" in text
    text = await refused(url=node.url.replace("amqp:", "amqps:"))
    assert "does not speak TLS" in text
    text = await refused(url=node.amqps_url.replace("amqps:", "amqp:"))
    assert "does the port expect TLS?" in text


async def test_a_client_certificate_is_shown_to_a_broker_that_asks_for_one(
    make_rabbitmq: Callable[..., RabbitMQ], tmp_path: Path
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        clients = trustme.CA()
        clients.cert_pem.write_to_path(f"{folder}/clients.pem")
        mine = clients.issue_cert("ana@example.org")
        mine.private_key_and_cert_chain_pem.write_to_path(tmp_path / "ana.pem")
        asking = {
            "ssl_options.cacertfile": f"{folder}/clients.pem",
            "ssl_options.verify": "verify_peer",
            "ssl_options.fail_if_no_peer_cert": "true",
        }
        node = make_rabbitmq(tls=True, settings=asking)
        await declare(node.url, "words")
        await fill(node.url, "words", [b"x"])
        settings = {"url": node.amqps_url, "ca_file": node.ca_file, "prefetch": 1}

        text = await refused(**settings)
        assert "TLS refused" in text or "closed before the broker greeted" in text
        sink, certificate = Collect(), tmp_path / "ana.pem"
        source = amqp.queue("words", certificate=certificate, until_idle=0.2, **settings)
        await (source | sink)
        assert sink.items == [b"x"]
