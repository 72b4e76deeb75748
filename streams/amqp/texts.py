"""Texts: a few headers of a message, found in its bytes without decoding the others."""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

Found = Iterator[re.Match[bytes]]


@lru_cache(maxsize=64)
def _finder(names: tuple[str, ...]) -> Callable[[bytes], Found]:
    """Return what finds entries of an AMQP table with these names: name, "S", length.

    They are long strings, section 4.2.5.3 of AMQP 0-9-1 with RabbitMQ's types:
    https://www.rabbitmq.com/amqp-0-9-1-errata#section_3
    """
    short = (bytes([len(name)]) + name.encode() for name in names if len(name) < 128)
    alternatives = b"|".join(map(re.escape, short))
    return re.compile(b"(%b)S(.{4})" % alternatives, re.DOTALL).finditer


def texts(header: bytes, names: tuple[str, ...]) -> dict[str, str]:
    r"""Return those of the named headers whose value is a text, out of the payload of a header frame.

    The bytes of an entry may stand inside another header's value as well, so what is found is no more
    to be trusted than headers are.

    Example:
        >>> texts(b"…\x04langS\x00\x00\x00\x02pt…", ("lang",))
        {'lang': 'pt'}

    """
    found: dict[str, str] = {}
    for match in _finder(names)(header):
        size = int.from_bytes(match[2], "big")
        value = header[match.end() : match.end() + size]
        if len(value) == size:
            found.setdefault(match[1][1:].decode(), value.decode(errors="replace"))
    return found
