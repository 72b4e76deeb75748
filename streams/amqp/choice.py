"""Choice: which of two ways messages, and the confirms of those that are published, come and go.

"wire", the default: deliveries and confirms are taken off the bytes that the broker sends, by `Wire`,
and what is published is written as bytes. "plain": all of it goes through aiormq's consumer and its
basic_publish. Both do the same, the first at a fraction of the time. An environment variable chooses,
for the choice belongs to an installation and not to a pipeline: whoever suspects the wire of something,
or runs on a loop or an aiormq that it does not suit, can do without it unasked.
"""

import asyncio
import functools
import inspect
import logging
import os
from typing import TYPE_CHECKING

from ackflow.streams.amqp.wire import Wire

if TYPE_CHECKING:
    from ackflow.streams.amqp.transport import Transport

VARIABLE = "ACKFLOW_AMQP"
CHOICES = ("wire", "plain")

logger = logging.getLogger("ackflow.amqp")


def chosen() -> str:
    """Return the way that the environment chooses; raise ValueError where it names none."""
    choice = os.environ.get(VARIABLE) or CHOICES[0]
    if choice not in CHOICES:
        raise ValueError(f"{VARIABLE} must be {' or '.join(CHOICES)}, got {choice!r:.80}")
    return choice


def transport() -> "Transport | None":
    """Return what a new connection is made with; None where aiormq is to do it."""
    if chosen() == "plain" or not _can_be_had():
        return None
    from ackflow.streams.amqp.transport import Transport

    return Transport(Wire(asyncio.get_running_loop().time))


@functools.cache
def _can_be_had() -> bool:
    """Say whether the installed aiormq lets its connection be given; warn once if not."""
    from aiormq import connection

    parameters = inspect.signature(connection.Connection).parameters
    if "transport_factory" in parameters and hasattr(connection, "TransportFactory"):
        return True
    logger.warning(
        "this aiormq takes no transport_factory: messages come and go in the plain way, which takes "
        "several times the time; aiormq 7.2 does, and %s=plain silences this",
        VARIABLE,
        extra={"event": "plain_way"},
    )
    return False
