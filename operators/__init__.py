"""Operators: functions of their settings that turn one stream into another."""

if __name__ != "ackflow.operators":
    raise ImportError(
        f"imported as {__name__!r}: use `from ackflow import operators as op`, "
        "with ackflow installed (pip install -e . --config-settings editable_mode=strict)"
    )

from ackflow.operators.accumulating import enumerate, scan
from ackflow.operators.broadcasting import broadcast
from ackflow.operators.buffering import buffer
from ackflow.operators.catching import catch
from ackflow.operators.chunking import chunk
from ackflow.operators.concurrent import map_async
from ackflow.operators.custom import operator
from ackflow.operators.delaying import delay
from ackflow.operators.distinct import distinct
from ackflow.operators.ending import take_until, take_while
from ackflow.operators.executing import map_in
from ackflow.operators.latest import zip_latest
from ackflow.operators.lifting import lift
from ackflow.operators.mapping import flatten, map, map_chunk, tap, unchunk
from ackflow.operators.merging import concat, merge
from ackflow.operators.pacing import RateLimiter, rate_limit
from ackflow.operators.pairing import pairwise
from ackflow.operators.partitioning import partition
from ackflow.operators.piping import pipe
from ackflow.operators.retrying import retry
from ackflow.operators.selecting import filter, skip, take
from ackflow.operators.splitting import flat_map
from ackflow.operators.switching import switch_map
from ackflow.operators.timing import debounce, throttle
from ackflow.operators.windowing import window
from ackflow.operators.zipping import zip

__all__ = [
    "RateLimiter",
    "broadcast",
    "buffer",
    "catch",
    "chunk",
    "concat",
    "debounce",
    "delay",
    "distinct",
    "enumerate",
    "filter",
    "flat_map",
    "flatten",
    "lift",
    "map",
    "map_async",
    "map_chunk",
    "map_in",
    "merge",
    "operator",
    "pairwise",
    "partition",
    "pipe",
    "rate_limit",
    "retry",
    "scan",
    "skip",
    "switch_map",
    "take",
    "take_until",
    "take_while",
    "tap",
    "throttle",
    "unchunk",
    "window",
    "zip",
    "zip_latest",
]
