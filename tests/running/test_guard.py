"""Guard: one Host, and what it may be."""

import pytest

from ackflow.streams.running.guard import Guard, host_and_port, is_loopback


def test_a_request_has_one_host() -> None:
    guard = Guard([])
    assert not guard.refuses(["localhost"], {})
    assert guard.refuses([], {})
    assert guard.refuses(["localhost", "localhost"], {})
    assert guard.refuses(["localhost", "evil.example"], {})


def test_names_are_the_same_in_any_case() -> None:
    guard = Guard(["Words.Internal"])
    assert not guard.refuses(["words.INTERNAL:80"], {"Origin": "http://WORDS.internal:80"})


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_loopback_is_what_this_machine_alone_reaches(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "0.0.0.0", "::", "10.0.0.1", "localhost.evil", "127.0.0.1.evil"]
)
def test_anything_else_is_not(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    "text", ["", ":1", "a/b:1", "u@a:1", "a:b", "a:70000", "[::1", "a?b", "a#b"]
)
def test_what_is_no_host_and_port_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        host_and_port(text)
