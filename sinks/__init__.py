"""Sinks: where values go, and what says whether they arrived."""

if __name__ != "ackflow.sinks":
    raise ImportError(
        f"imported as {__name__!r}: use `from ackflow import sinks`, "
        "with ackflow installed (pip install -e . --config-settings editable_mode=strict)"
    )

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ackflow.sinks.calling import each, to_queue
from ackflow.sinks.collecting import count, first, fold, to_list
from ackflow.sinks.optionally import optional
from ackflow.sinks.reducing import last, reduce
from ackflow.sinks.routing import route
from ackflow.sinks.teeing import tee

__all__ = [
    "amqp",
    "count",
    "each",
    "elasticsearch",
    "files",
    "first",
    "fold",
    "last",
    "optional",
    "reduce",
    "route",
    "sqlite",
    "tee",
    "to_list",
    "to_queue",
]

DRIVERS = ("amqp", "elasticsearch", "files", "sqlite")

if TYPE_CHECKING:
    from ackflow.sinks import amqp, elasticsearch, files, sqlite


def __getattr__(name: str) -> Any:
    """Import the folder of a driver when it is first named: most programs need one or two of them."""
    if name in DRIVERS:
        return import_module(f"ackflow.sinks.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
