"""The tests of the sinks that need no file, database or server run in virtual time."""

import asyncio
from collections.abc import Callable
from typing import Any

from tests.virtual_time import VirtualTimeLoop

VIRTUAL = {"test_branching.py", "test_calling.py", "test_collecting.py"}


def pytest_asyncio_loop_factories(config: Any, item: Any) -> dict[str, Callable[[], Any]]:
    if item.path.name in VIRTUAL:
        return {"virtual": VirtualTimeLoop}
    return {"real": asyncio.new_event_loop}
