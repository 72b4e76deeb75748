"""Delivery: a message as its broker handed it out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message as its broker handed it out: body, properties, headers, and where it came from.

    `properties` are the broker's own (for AMQP 0-9-1 those of section 4.2.6, by name, without the
    headers). `delivery_count` is how often it was handed out before, where the broker counts.

    Example:
        >>> Delivery("olá".encode(), headers={"lang": "pt"}).headers["lang"]
        'pt'

    """

    body: Any
    properties: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, Any] = field(default_factory=dict)
    exchange: str = ""
    routing_key: str = ""
    redelivered: bool = False
    delivery_count: int = 0
    source: str = ""


def texts_among(headers: Mapping[str, Any], names: Sequence[str]) -> dict[str, str]:
    """Return those of the named headers whose value is a text.

    Example:
        >>> texts_among({"lang": "pt", "size": 3}, ["lang", "size", "from"])
        {'lang': 'pt'}

    """
    return {name: headers[name] for name in names if isinstance(headers.get(name), str)}
