"""Deliveries: what a broker said of a message, and nothing it did not say."""

from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from ackflow.streams.core import Delivery, texts_among


def test_what_a_broker_does_not_tell_is_empty() -> None:
    delivery = Delivery(b"body")
    assert (delivery.properties, delivery.headers) == ({}, {})
    assert (delivery.exchange, delivery.routing_key, delivery.source) == ("", "", "")
    assert (delivery.redelivered, delivery.delivery_count) == (False, 0)


def test_a_delivery_does_not_change() -> None:
    delivery: Any = Delivery(b"body")
    with pytest.raises(FrozenInstanceError):
        delivery.body = b"other"


@pytest.mark.parametrize(
    ("headers", "texts"),
    [
        ({}, {}),
        ({"traceparent": "00-1-2-01", "lang": "pt"}, {"traceparent": "00-1-2-01"}),
        ({"traceparent": b"00-1-2-01"}, {}),
        ({"traceparent": None, "tracestate": ""}, {"tracestate": ""}),
        ({"traceparent": 7, "tracestate": ["a=b"]}, {}),
    ],
)
def test_of_the_headers_asked_for_only_texts_are_found(
    headers: dict[str, Any], texts: dict[str, str]
) -> None:
    assert texts_among(headers, ["traceparent", "tracestate"]) == texts
