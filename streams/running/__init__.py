"""Running pipelines: in scripts, with signals; what they show over HTTP and to Prometheus."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ackflow.streams.core import Pipeline
from ackflow.streams.running.script import run

# Core knows nothing of signals: this is where Pipeline.run learns of them.
Pipeline.runner = staticmethod(run)

__all__ = ["Progress", "Status", "Tally", "Tracing", "metrics", "run"]

if TYPE_CHECKING:
    from ackflow.streams.running import metrics
    from ackflow.streams.running.progress import Progress
    from ackflow.streams.running.status import Status
    from ackflow.streams.running.tally import Tally
    from ackflow.streams.running.tracing import Tracing


def __getattr__(name: str) -> Any:
    """Import what shows a run when it is first named: most programs show none."""
    if name == "Status":
        return import_module("ackflow.streams.running.status").Status
    if name == "Progress":
        return import_module("ackflow.streams.running.progress").Progress
    if name == "Tracing":
        return import_module("ackflow.streams.running.tracing").Tracing
    if name == "Tally":
        return import_module("ackflow.streams.running.tally").Tally
    if name == "metrics":
        return import_module("ackflow.streams.running.metrics")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
