"""Sinks: where values go, and what says whether they arrived."""

if __name__ != "ackflow.sinks":
    raise ImportError(
        f"imported as {__name__!r}: use `from ackflow import sinks`, "
        "with ackflow installed (pip install -e . --config-settings editable_mode=strict)"
    )

from ackflow.sinks import amqp, elasticsearch, files, sqlite
from ackflow.sinks.branching import optional, route, tee
from ackflow.sinks.calling import each, to_queue
from ackflow.sinks.collecting import count, first, fold, to_list

__all__ = [
    "amqp",
    "count",
    "each",
    "elasticsearch",
    "files",
    "first",
    "fold",
    "optional",
    "route",
    "sqlite",
    "tee",
    "to_list",
    "to_queue",
]
