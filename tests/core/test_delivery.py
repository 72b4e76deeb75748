"""Deliveries: what a broker said of a message, and nothing it did not say."""

from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from ackflow.streams.core import Delivery


def test_what_a_broker_does_not_tell_is_empty() -> None:
    delivery = Delivery(b"body")
    assert (delivery.properties, delivery.headers) == ({}, {})
    assert (delivery.exchange, delivery.routing_key, delivery.source) == ("", "", "")
    assert (delivery.redelivered, delivery.delivery_count) == (False, 0)


def test_a_delivery_does_not_change() -> None:
    delivery: Any = Delivery(b"body")
    with pytest.raises(FrozenInstanceError):
        delivery.body = b"other"
