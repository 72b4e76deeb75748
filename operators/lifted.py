"""What operators of aiostream are given when they are lifted, checked where it is written."""

import inspect
from math import inf
from typing import Any

from ackflow.streams.core import check_count, shown

SECONDS = ("interval", "delay", "timeout")
"""Their parameters that are times, as their signatures name them."""


def check_lifted(title: str, operator: Any, args: Any, options: dict[str, Any]) -> None:
    """Raise TypeError or ValueError for arguments with which an operator could only fail later."""
    call = f"op.lift({title})"
    try:
        given = inspect.signature(operator.raw).bind(None, *args, **options).arguments
    except TypeError as error:
        raise TypeError(
            f"{call}: must be given what aiostream.stream.{title} takes, got {shown(args)} and "
            f"{shown(options)}; {error}"
        ) from None
    for function in (*args, *options.values()):
        if inspect.iscoroutinefunction(function):
            raise TypeError(
                f"{call}: functions must be ordinary ones, got {shown(function)}; use op.map_async"
            )
    for name, value in given.items():
        _check_argument(call, name, value)


def _check_argument(call: str, name: str, value: object) -> None:
    if name == "func" and not callable(value):
        raise TypeError(
            f"{call}: must be given a function, got {shown(value)}; "
            "give the function itself, not what it returns"
        )
    if name == "n":
        check_count(call, value, 0, "the end of a stream is known to sinks only")
    if name in SECONDS and not (
        isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < inf
    ):
        raise ValueError(
            f"{call}: must be given seconds from 0 up, got {shown(value)}; 0 waits for nothing"
        )
    if name == "index":
        _check_index(call, value)


def _check_index(call: str, index: Any) -> None:
    """Raise ValueError for what can't be known before the stream's end: it would be buffered."""
    parts = (index.start, index.stop, index.step) if isinstance(index, slice) else (index,)
    whole = all(part is None or isinstance(part, int) for part in parts) and index is not None
    if not whole or any(isinstance(part, int) and part < 0 for part in parts):
        raise ValueError(
            f"{call}: must be an index or slice from the front, got {shown(index)}; "
            "what lies at the end is known to sinks only"
        )
