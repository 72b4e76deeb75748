"""Where tasks wait, for the error that a test gets in place of a hang."""

import asyncio
import gc
import inspect
from pathlib import PurePath
from types import FrameType
from typing import Any

DEPTH = 3
"""Calls shown of each task, from the innermost outwards."""
MOST = 20
"""Tasks shown."""


class Hang(RuntimeError):
    """Everything waits, and nothing will ever happen: what would be a hang in real time.

    The message names every task with the lines at which it waits.
    """


def whereabouts(loop: asyncio.AbstractEventLoop) -> str:
    """Say of every task where it waits, one line a task."""
    tasks = sorted(asyncio.all_tasks(loop), key=lambda task: task.get_name())
    lines = [f"  {task.get_name()} waits {_place(task)}" for task in tasks[:MOST]]
    if len(tasks) > MOST:
        lines.append(f"  and {len(tasks) - MOST} more")
    return "".join(f"\n{line}" for line in lines)


def _place(task: "asyncio.Task[Any]") -> str:
    frames = [frame for frame in _frames(task.get_coro()) if not _in_asyncio(frame)]
    if not frames:
        return "for asyncio"
    return "in " + ", called from ".join(map(_line, frames[: -DEPTH - 1 : -1]))


def _line(frame: FrameType) -> str:
    path = PurePath(frame.f_code.co_filename)
    return f"{frame.f_code.co_name} ({'/'.join(path.parts[-2:])}:{frame.f_lineno})"


def _in_asyncio(frame: FrameType) -> bool:
    module: str = frame.f_globals.get("__name__", "")
    return module == "asyncio" or module.startswith("asyncio.")


def _frames(awaited: Any) -> list[FrameType]:
    """Return the frames of a suspended coroutine, the innermost last."""
    frames: list[FrameType] = []
    while awaited is not None:
        kind = next((kind for kind in ("cr", "gi", "ag") if hasattr(awaited, f"{kind}_frame")), "")
        if not kind:
            awaited = _generator(awaited)
            continue
        frame = getattr(awaited, f"{kind}_frame")
        if frame is None or frame in frames:
            break
        frames.append(frame)
        awaited = getattr(awaited, "gi_yieldfrom" if kind == "gi" else f"{kind}_await")
    return frames


def _generator(awaited: Any) -> Any:
    """Return the generator behind `anext(…)` or `aclose()`, which hide it from everybody but the gc."""
    wraps = type(awaited).__name__.startswith(("async_generator", "coroutine_wrapper", "anext"))
    behind = gc.get_referents(awaited) if wraps else []
    found = [each for each in behind if inspect.isasyncgen(each) or inspect.iscoroutine(each)]
    return next(iter(found), None) or next(
        (each for each in behind if type(each).__name__.startswith("async_generator")), None
    )
