"""Headers are encoded without loss, and what can't be is named."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import decode

from ackflow.streams.amqp import table
from ackflow.streams.amqp.outgoing import of_delivery, properties
from ackflow.streams.core import Delivery

NAMES = st.text(max_size=60)
PLAIN = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary().map(bytearray)
    | st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)).map(
        lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
    )
)
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=20
)


NESTED: list[Any] = []
for _ in range(2_000):
    NESTED = [NESTED]


@given(st.dictionaries(NAMES, VALUES))
def test_what_is_encoded_is_decoded_as_it_was(headers: dict[str, Any]) -> None:
    data = table.encode(headers)
    assert decode.field_table(data) == (len(data), headers)


def test_decimals_keep_their_digits() -> None:
    for text in ("1.25", "100", "0.001", "7E2"):
        _, decoded = decode.field_table(table.encode({"d": Decimal(text)}))
        assert decoded["d"] == Decimal(text)


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({"a": object()}, TypeError),
        ({"a": [1, {"b": set()}]}, TypeError),
        ({"a": 2**63}, ValueError),
        ({"a": Decimal("NaN")}, ValueError),
        ({"a": Decimal(2**40)}, ValueError),
        ({"a": Decimal("1E+9999999")}, ValueError),
        ({"a": Decimal("1E-99999999999999999")}, ValueError),
        ({"a": NESTED}, ValueError),
        ({"a" * 256: 1}, ValueError),
        ({5: 1}, TypeError),
    ],
)
def test_what_amqp_can_not_say_is_named(headers: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="headers: "):
        table.encode(headers)


def test_expirations_are_seconds_here_and_milliseconds_there() -> None:
    assert properties({"expiration": 1.5}).expiration == "1500"
    assert properties({"expiration": 0.0001}).expiration == "1"
    assert properties({"expiration": "250"}).expiration == "250"
    for seconds in (-1, 5e6, float("nan")):
        with pytest.raises(ValueError, match="expiration is 0 to"):
            properties({"expiration": seconds})


def test_names_of_properties_may_be_amqps_own() -> None:
    encoded = properties({"content-type": "text/plain", "type": "word"})
    assert (encoded.content_type, encoded.message_type) == ("text/plain", "word")
    with pytest.raises(ValueError, match="properties can't be sent"):
        properties({"priority": 300})
    with pytest.raises(ValueError, match="properties can't be sent"):
        properties({"correlation_id": "x" * 300})


def test_a_delivery_is_not_routed_back_to_where_it_came_from() -> None:
    headers = {"CC": ["other"], "BCC": ["one"], "x-delivery-count": 3, "kept": 1}
    kept, own = of_delivery(Delivery(b"", {"user_id": "ana", "type": "t"}, headers), "guest")
    assert own == {"kept": 1}
    assert kept == {"type": "t"}
    assert of_delivery(Delivery(b"", {"user_id": "ana"}), "ana")[0] == {"user_id": "ana"}
