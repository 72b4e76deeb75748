"""Streams: where messages are born, and what carries them."""

if __name__ != "ackflow.streams":
    raise ImportError(
        f"imported as {__name__!r}: use `from ackflow import streams`, "
        "with ackflow installed (pip install -e . --config-settings editable_mode=strict)"
    )

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ackflow.streams import memory, running
from ackflow.streams.aiostreams import register
from ackflow.streams.core import (
    AckflowError,
    CallTimeout,
    Delivery,
    Handle,
    Message,
    Operator,
    Pipeline,
    PrefetchExhausted,
    Reject,
    Requeue,
    Sink,
    Skip,
    SourceError,
    Stream,
    Summary,
    Unavailable,
    WorkerDied,
    exponential,
    from_iterable,
    from_lists,
    from_queue,
    of,
)
from ackflow.streams.showing import graph
from ackflow.streams.ticking import every

register(Stream)

__all__ = [
    "AckflowError",
    "CallTimeout",
    "Delivery",
    "Handle",
    "Message",
    "Operator",
    "Pipeline",
    "PrefetchExhausted",
    "Reject",
    "Requeue",
    "Sink",
    "Skip",
    "SourceError",
    "Stream",
    "Summary",
    "Unavailable",
    "WorkerDied",
    "amqp",
    "dask",
    "every",
    "exponential",
    "files",
    "from_iterable",
    "from_lists",
    "from_queue",
    "graph",
    "graphs",
    "http",
    "memory",
    "of",
    "running",
    "testing",
]

DRIVERS = ("amqp", "dask", "files", "graphs", "http", "testing")

if TYPE_CHECKING:
    from ackflow.streams import amqp, dask, files, graphs, http, testing


def __getattr__(name: str) -> Any:
    """Import a driver, or the test kit, when it is first named: most programs need one or two."""
    if name in DRIVERS:
        return import_module(f"ackflow.streams.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
