"""Choice: which of two ways deliveries take into this library.

"wire", the default: they are taken off the bytes that the broker sends, by `Wire`. "plain": aiormq's own
consumer hands them out. Both do the same, the first at a fraction of the time. An environment variable
chooses, for the choice belongs to an installation and not to a pipeline: whoever suspects the wire of
something, or runs on a loop or an aiormq that it does not suit, can do without it unasked.
"""

import asyncio
import functools
import inspect
import logging
import os
from typing import Any

from ackflow.streams.amqp.wire import Wire

VARIABLE = "ACKFLOW_AMQP_CONSUMER"
CHOICES = ("wire", "plain")

logger = logging.getLogger("ackflow.amqp")


def chosen() -> str:
    """Return the way that the environment chooses; raise ValueError where it names none."""
    choice = os.environ.get(VARIABLE) or CHOICES[0]
    if choice not in CHOICES:
        raise ValueError(f"{VARIABLE} must be {' or '.join(CHOICES)}, got {choice!r:.80}")
    return choice


def wire() -> Wire | None:
    """Return a wire for a new connection; None where the plain consumer is to do."""
    if chosen() == "plain" or not _can_be_had():
        return None
    return Wire(asyncio.get_running_loop().time)


def transport(wire: Wire | None) -> dict[str, Any]:
    """Return the settings by which aiormq connects through a wire."""
    if wire is None:
        return {}
    from ackflow.streams.amqp.transport import Transport

    return {"transport_factory": Transport(wire)}


@functools.cache
def _can_be_had() -> bool:
    """Say whether the installed aiormq lets its connection be given; warn once if not."""
    from aiormq import connection

    parameters = inspect.signature(connection.Connection).parameters
    if "transport_factory" in parameters and hasattr(connection, "TransportFactory"):
        return True
    logger.warning(
        "this aiormq takes no transport_factory: messages are consumed in the plain way, which takes "
        "several times the time; aiormq 7.2 does, and %s=plain silences this",
        VARIABLE,
    )
    return False
