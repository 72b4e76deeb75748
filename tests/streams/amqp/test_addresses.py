"""URLs are understood in full, and passwords never show."""

import pickle
import ssl
import traceback
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ackflow.streams import amqp
from ackflow.streams.amqp.address import Address, redacted
from ackflow.streams.amqp.server import HEARTBEAT, Server

PASSWORDS = st.text(min_size=8, alphabet=st.characters(codec="utf-8", exclude_categories=["C"]))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("amqp://broker", ("broker", 5672, "guest", "guest", "/", False)),
        ("amqp://broker/", ("broker", 5672, "guest", "guest", "/", False)),
        ("amqp://broker/%2F", ("broker", 5672, "guest", "guest", "/", False)),
        ("amqp://broker//", ("broker", 5672, "guest", "guest", "/", False)),
        ("amqps://ana@broker:99/shop", ("broker", 99, "ana", "guest", "shop", True)),
        ("amqps://a:b@[::1]/my%2Fshop", ("::1", 5671, "a", "b", "my/shop", True)),
        ("amqp://a%3Ab:c%40d@h/%25", ("h", 5672, "a:b", "c@d", "%", False)),
        ("amqp://a:p@ss@h/x", ("h", 5672, "a", "p@ss", "x", False)),
    ],
)
def test_a_url_is_taken_apart(url: str, expected: tuple[Any, ...]) -> None:
    address = Address.parse(url)
    fields = (address.host, address.port, address.user, address.password)
    assert (*fields, address.vhost, address.tls) == expected


def test_a_vhost_beside_the_url_wins() -> None:
    assert Address.parse("amqp://h/one", "two").vhost == "two"


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("http://h/", "must begin with amqp://"),
        ("h:5672", "must begin with amqp://"),
        ("amqp:///x", "the host is missing"),
        ("amqp://a:s3cret@h:port/", "can't be taken apart"),
        ("amqp://a:s3/cret@h/", "can't be taken apart"),
        ("amqp://h/x#y", "there is a #"),
        ("amqp://h/?heartbeat=often", "heartbeat must be whole seconds"),
        ("amqp://h/?heartbeat=65536", "heartbeat must be whole seconds from 0"),
        (f"amqp://h/?heartbeat={5_000 * '9'}", "heartbeat must be whole seconds from 0"),
        ("amqp://h/?hartbeat=5", "only cacertfile, cafile, certfile, heartbeat, keyfile, name"),
    ],
)
def test_what_is_no_url_is_an_error_without_the_password(url: str, text: str) -> None:
    with pytest.raises(ValueError, match="url must look like") as caught:
        amqp.queue("words", url=url)
    everything = "".join(traceback.format_exception(caught.value))
    assert text in everything
    assert "s3" not in everything
    assert "cret" not in everything


@given(PASSWORDS)
def test_no_password_shows_in_a_redacted_url_however_it_is_written(password: str) -> None:
    for written in (password, quote(password, safe="")):
        url = f"amqp://ana:{written}@broker:5672/shop?heartbeat=5"
        assert redacted(url) == "amqp://ana:***@broker:5672/shop?heartbeat=5"
        assert redacted(["amqp://one", url]).endswith("***@broker:5672/shop?heartbeat=5")


@given(PASSWORDS)
def test_no_password_shows_in_what_is_made_of_a_url(password: str) -> None:
    url = f"amqp://u:{quote(password, safe='')}@h/"
    address = Address.parse(url)
    assert address.password == password
    stream = amqp.queue("q", url=url)
    shown = [str(address), repr(address), repr(Server.of(url)), str(Server.of(url)), repr(stream)]
    for text in shown:
        assert password not in text
        assert quote(password, safe="") not in text


def test_redacting_leaves_alone_what_has_no_password() -> None:
    for url in ("amqp://h/", "amqp://ana@h/x", "h", ""):
        assert redacted(url) == url


def test_heartbeat_and_name_come_from_the_setting_the_url_or_a_default() -> None:
    url = "amqp://h/?heartbeat=7&name=mine"
    server = Server.of(["amqp://h/", url])
    plain, named = server.addresses
    assert [server.heartbeat_for(plain), server.heartbeat_for(named)] == [HEARTBEAT, 7]
    assert server.name_for(named, "consuming") == "mine: consuming"
    assert server.name_for(plain, "publishing").endswith(": publishing")
    chosen = Server.of(url, heartbeat=0, connection_name="other")
    assert chosen.heartbeat_for(chosen.addresses[0]) == 0
    assert chosen.name_for(chosen.addresses[0], "consuming") == "other: consuming"


def test_equal_settings_are_one_server() -> None:
    first, second = (Server.of("amqp://a:b@h/x", heartbeat=5) for _ in range(2))
    assert first == second
    assert hash(first) == hash(second)
    assert first != Server.of("amqp://a:other@h/x", heartbeat=5)
    assert pickle.loads(pickle.dumps(first)) == first


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"url": []}, "at least one broker"),
        ({"heartbeat": -1}, "heartbeat must be whole seconds"),
        ({"ca_file": __file__}, "need amqps://"),
        ({"ssl_context": ssl.create_default_context()}, "need amqps://"),
        ({"url": ["amqps://h", "amqp://h"], "ca_file": __file__}, "need amqps://"),
        ({"url": "amqps://h", "ca_file": "no-such-file.pem"}, "no file 'no-such-file.pem'"),
        ({"url": "amqps://h", "certificate": (__file__, "no.key")}, "no file 'no.key'"),
        (
            {
                "url": "amqps://h",
                "ca_file": __file__,
                "ssl_context": ssl.create_default_context(),
            },
            "leave out ca_file",
        ),
    ],
)
def test_settings_of_a_connection_are_checked_where_they_are_written(
    settings: dict[str, Any], text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        amqp.queue("words", **settings)


def test_a_client_certificate_may_come_with_its_key_or_hold_it() -> None:
    path = Path(__file__)
    assert Server.of("amqps://h", certificate=path).certificate == (path, None)
    assert Server.of("amqps://h", certificate=(path, path)).certificate == (path, path)
