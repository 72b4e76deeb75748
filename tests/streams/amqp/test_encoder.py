"""What is written is what pamqp reads again: the same message, whatever its size and properties."""

import struct
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import frame
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from ackflow.streams.amqp.encoder import KEPT_METHODS, Encoder
from ackflow.streams.amqp.outgoing import Outgoing, properties
from ackflow.streams.amqp.wire import LARGEST_FRAME

CHANNEL = 7
WHEN = datetime(2026, 8, 1, 12, tzinfo=UTC)
FULL: dict[str, Any] = {
    "content_type": "text/plain",
    "content_encoding": "gzip",
    "delivery_mode": 2,
    "priority": 4,
    "correlation_id": "c",
    "reply_to": "r",
    "expiration": 60.0,
    "message_id": "m",
    "timestamp": WHEN,
    "type": "t",
    "user_id": "guest",
    "app_id": "a",
}
SHORT = st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=60)
NAMES = st.text("abc-_.:", max_size=20)


def read(data: bytes) -> list[Any]:
    """Return the frames in these bytes, all of them on the channel."""
    frames = []
    while data:
        size, channel, found = frame.unmarshal(data)
        assert channel == CHANNEL
        frames.append(found)
        data = data[size:]
    return frames


def encoded(outgoing: Outgoing, message_id: bytes = b"", frame_max: int = 4096) -> bytes:
    return b"".join(Encoder(CHANNEL, frame_max).encode(outgoing, message_id))


@given(
    body=st.binary(max_size=100),
    exchange=NAMES,
    routing_key=SHORT,
    mandatory=st.booleans(),
    chosen=st.sets(st.sampled_from(sorted(FULL))),
    headers=st.none() | st.just({"n": 1, "text": "ã"}),
    message_id=st.sampled_from([b"", b"given", b"x" * 255]),
    frame_max=st.sampled_from([0, 20, 58, 4096]),
)
def test_a_message_is_what_a_broker_reads(
    body: bytes,
    exchange: str,
    routing_key: str,
    mandatory: bool,
    chosen: set[str],
    headers: dict[str, Any] | None,
    message_id: bytes,
    frame_max: int,
) -> None:
    if "message_id" in chosen:
        message_id = b""
    given = properties({name: FULL[name] for name in chosen}, headers)
    outgoing = Outgoing(body, exchange, routing_key, given, mandatory)
    method, header, *parts = read(encoded(outgoing, message_id, frame_max))
    assert isinstance(method, Basic.Publish)
    assert (method.exchange, method.routing_key) == (exchange, routing_key)
    assert (method.mandatory, method.immediate) == (mandatory, False)
    assert isinstance(header, ContentHeader)
    assert header.body_size == len(body)
    found = header.properties
    known = "m" if "message_id" in chosen else (message_id.decode() or None)
    assert found.message_id == known
    for name in chosen - {"message_id", "type", "expiration"}:
        assert getattr(found, name) == FULL[name]
    assert found.message_type == ("t" if "type" in chosen else None)
    assert found.expiration == ("60000" if "expiration" in chosen else None)
    assert found.headers == headers
    assert all(isinstance(part, ContentBody) for part in parts)
    assert b"".join(part.value for part in parts) == body


@pytest.mark.parametrize(("size", "frames"), [(0, 0), (1, 1), (42, 1), (43, 2), (84, 2), (85, 3)])
def test_a_body_is_split_where_it_exceeds_a_frame(size: int, frames: int) -> None:
    outgoing = Outgoing(b"x" * size, "", "words", properties({}))
    data = encoded(outgoing, frame_max=50)
    _, _, *parts = read(data)
    assert len(parts) == frames
    assert all(len(frame.marshal(part, CHANNEL)) <= 50 for part in parts)


def test_without_an_agreed_limit_a_body_is_one_frame() -> None:
    body = b"x" * 300_000
    assert len(body) < LARGEST_FRAME
    assert len(read(encoded(Outgoing(body, "", "w", properties({})), frame_max=0))) == 3


@pytest.mark.parametrize(("exchange", "routing_key"), [("x" * 256, ""), ("", "é" * 128)])
def test_a_name_that_is_too_long_is_an_error_of_its_message(
    exchange: str, routing_key: str
) -> None:
    encoder = Encoder(CHANNEL, 4096)
    with pytest.raises(ValueError, match="has at most 255 bytes"):
        encoder.encode(Outgoing(b"", exchange, routing_key, properties({})), b"")


def test_what_is_the_same_for_many_messages_is_encoded_once() -> None:
    encoder, constant = Encoder(CHANNEL, 4096), properties({"app_id": "a"})
    first, second = (encoder.encode(Outgoing(b, "x", "key", constant), b"") for b in (b"1", b"2"))
    assert first[0] is second[0]
    assert first[2] is second[2] is constant.encoded
    for number in range(2 * KEPT_METHODS):
        encoder.encode(Outgoing(b"", "x", str(number), constant), b"")
    assert encoder._method.cache_info().currsize == KEPT_METHODS


def test_sizes_are_those_of_the_specification() -> None:
    """Independent of pamqp: AMQP 0-9-1, section 4.2.6.1."""
    data = encoded(Outgoing(b"body", "", "q", properties({"delivery_mode": 2})))
    publish = struct.pack(">BHI", 1, CHANNEL, 9) + b"\0\x3c\0\x28\0\0\0\x01q\x01\xce"
    assert data == (
        struct.pack(">BHI", 1, CHANNEL, 10) + publish[7:]
        + struct.pack(">BHI", 2, CHANNEL, 15) + b"\0\x3c\0\0" + struct.pack(">QHB", 4, 0x1000, 2)
        + b"\xce" + struct.pack(">BHI", 3, CHANNEL, 4) + b"body\xce"
    )  # fmt: skip
