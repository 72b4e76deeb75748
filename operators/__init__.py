"""Operators: functions of their settings that turn one stream into another."""

if __name__ != "ackflow.operators":
    raise ImportError(
        f"imported as {__name__!r}: use `from ackflow import operators as op`, "
        "with ackflow installed (pip install -e . --config-settings editable_mode=strict)"
    )

from ackflow.operators.catching import catch
from ackflow.operators.chunking import chunk
from ackflow.operators.concurrent import map_async
from ackflow.operators.custom import operator, pipe
from ackflow.operators.lifting import lift
from ackflow.operators.mapping import flatten, map, map_chunk, tap, unchunk
from ackflow.operators.merging import concat, merge
from ackflow.operators.retrying import retry
from ackflow.operators.selecting import filter, skip, take
from ackflow.operators.splitting import flat_map

__all__ = [
    "catch",
    "chunk",
    "concat",
    "filter",
    "flat_map",
    "flatten",
    "lift",
    "map",
    "map_async",
    "map_chunk",
    "merge",
    "operator",
    "pipe",
    "retry",
    "skip",
    "take",
    "tap",
    "unchunk",
]
