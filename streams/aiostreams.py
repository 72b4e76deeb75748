"""Being an aiostream stream: `isinstance` holds, and its pipes work on values."""

from abc import ABCMeta

import aiostream


def register(stream: type) -> None:
    """Make a class a virtual subclass of aiostream's Stream.

    Virtual, because inheriting brings an `__await__` that drains and an `__or__` that mypy can't narrow.
    """
    kind: ABCMeta = aiostream.Stream
    kind.register(stream)
    stream.stream = aiostream.streamcontext  # type: ignore[attr-defined]
