"""Running pipelines: in scripts, with signals."""

from ackflow.streams.core import Pipeline
from ackflow.streams.running.script import run

# Core knows nothing of signals: this is where Pipeline.run learns of them.
Pipeline.runner = staticmethod(run)

__all__ = ["run"]
