"""Field tables, the type of AMQP headers, encoded without loss.

pamqp writes every float with 32 bits, so that 0.1 would come back as 0.10000000149.
Types: AMQP 0-9-1, section 4.2.5.5, as in https://www.rabbitmq.com/amqp-0-9-1-errata#section_3
"""

import struct
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

LONGEST_NAME = 255
"""Bytes of a field's name, which is a short string."""


def encode(table: Mapping[str, object]) -> bytes:
    r"""Encode a table; raise TypeError or ValueError naming the field that can't be.

    Example:
        >>> encode({"n": 1})
        b'\x00\x00\x00\x07\x01nI\x00\x00\x00\x01'

    """
    parts = []
    for name, value in table.items():
        if not isinstance(name, str):
            raise TypeError(f"headers: a name must be a text, got {name!r}")
        key = name.encode()
        if len(key) > LONGEST_NAME:
            raise ValueError(f"headers: a name has at most {LONGEST_NAME} bytes, got {name!r:.80}…")
        try:
            parts.append(bytes([len(key)]) + key + _value(value))
        except (struct.error, ArithmeticError):
            raise ValueError(f"headers: {name!r} can't be {value!r}: it does not fit") from None
        except RecursionError:
            raise ValueError(f"headers: {name!r}: it is nested too deep") from None
        except TypeError as error:
            raise TypeError(f"headers: {name!r}: {error}") from None
    return _long(b"".join(parts))


def _long(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _value(value: object) -> bytes:
    match value:
        case None:
            return b"V"
        case bool():
            return b"t\x01" if value else b"t\x00"
        case int() | float() | Decimal():
            return _number(value)
        case str():
            return b"S" + _long(value.encode())
        case bytes() | bytearray() | memoryview():
            return b"x" + _long(bytes(value))
        case datetime():
            return struct.pack(">cQ", b"T", int(value.timestamp()))
        case Mapping():
            return b"F" + encode(value)
        case list() | tuple():
            return b"A" + _long(b"".join(map(_value, value)))
    raise TypeError(f"AMQP has no type for {type(value).__name__}")


def _number(value: float | Decimal) -> bytes:
    if isinstance(value, Decimal):
        return _decimal(value)
    if isinstance(value, float):
        return struct.pack(">cd", b"d", value)
    if -(2**31) <= value < 2**31:
        return struct.pack(">ci", b"I", value)
    return struct.pack(">cq", b"l", value)


def _decimal(value: Decimal) -> bytes:
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int):
        raise OverflowError
    scale = max(0, -exponent)
    return struct.pack(">cBi", b"D", scale, int(value.scaleb(scale)))
