"""The tests in this folder run in virtual time."""

from collections.abc import Callable
from typing import Any

from tests.virtual_time import VirtualTimeLoop


def pytest_asyncio_loop_factories(config: Any, item: Any) -> dict[str, Callable[[], Any]]:
    return {"virtual": VirtualTimeLoop}
