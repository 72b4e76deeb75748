"""Texts among headers are found in the bytes as decoding all of them would find them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from ackflow.streams.amqp import frames
from ackflow.streams.amqp.texts import texts

NAMES = ("traceparent", "tracestate", "x")
VALUES = st.one_of(
    st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",)), max_size=300),
    st.integers(-(2**31), 2**31),
    st.booleans(),
    st.none(),
    st.binary(max_size=20).map(bytearray),
)


def header(headers: dict[str, Any]) -> bytes:
    return ContentHeader(body_size=10, properties=Basic.Properties(headers=headers)).marshal()


@given(st.dictionaries(st.sampled_from([*NAMES, "other", "tracepare"]), VALUES))
def test_what_is_found_is_what_decoding_finds(headers: dict[str, Any]) -> None:
    data = header(headers)
    decoded = frames.header(data).properties.headers or {}
    expected = {name: decoded[name] for name in NAMES if isinstance(decoded.get(name), str)}
    found = texts(data, NAMES)
    # A name and a length may stand in the bytes of another value, which a context never minds.
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_value_that_is_cut_off_is_none(cut: int) -> None:
    assert texts(header({"x": "0123456789"})[:-cut], NAMES) == {}


def test_bytes_that_are_no_utf_8_are_replaced() -> None:
    assert texts(b"\x01xS\x00\x00\x00\x02\xff-", NAMES) == {"x": "\ufffd-"}


@given(st.binary(max_size=200))
def test_garbage_raises_nothing(data: bytes) -> None:
    texts(data, NAMES)
    texts(b"\x01xS" + data, NAMES)
