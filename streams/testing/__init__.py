"""The test kit: virtual time, a broker with a script, assertions, the laws, fakes.

Everything is imported when it is first named: pytest finds the plugin in here at its every start.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ackflow.streams.testing.assertions import assert_closed, assert_settled
    from ackflow.streams.testing.cases import OperatorCase
    from ackflow.streams.testing.clock import VirtualClock, VirtualLoop, run
    from ackflow.streams.testing.diagrams import marbles
    from ackflow.streams.testing.elasticsearch import BulkAnswer, FakeElasticsearch
    from ackflow.streams.testing.flaky import FlakySink
    from ackflow.streams.testing.operators import check_operator
    from ackflow.streams.testing.scripts import (
        deliver,
        disconnect,
        end,
        fail,
        pause,
        scripted_queue,
    )
    from ackflow.streams.testing.sinks import check_sink
    from ackflow.streams.testing.sources import check_source
    from ackflow.streams.testing.waiting import Hang

__all__ = [
    "BulkAnswer",
    "FakeElasticsearch",
    "FlakySink",
    "Hang",
    "OperatorCase",
    "VirtualClock",
    "VirtualLoop",
    "assert_closed",
    "assert_settled",
    "check_operator",
    "check_sink",
    "check_source",
    "deliver",
    "disconnect",
    "end",
    "fail",
    "marbles",
    "pause",
    "run",
    "scripted_queue",
]

HOMES = {
    "assertions": ("assert_closed", "assert_settled"),
    "cases": ("OperatorCase",),
    "clock": ("VirtualClock", "VirtualLoop", "run"),
    "diagrams": ("marbles",),
    "elasticsearch": ("BulkAnswer", "FakeElasticsearch"),
    "flaky": ("FlakySink",),
    "operators": ("check_operator",),
    "scripts": ("deliver", "disconnect", "end", "fail", "pause", "scripted_queue"),
    "sinks": ("check_sink",),
    "sources": ("check_source",),
    "waiting": ("Hang",),
}
"""Which module each name is in."""


def __getattr__(name: str) -> Any:
    """Import the module of a name when it is first named."""
    for home, names in HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
