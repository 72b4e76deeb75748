"""A real kernel of Jupyter, without a page around it."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

SETUP = "import asyncio\nfrom ackflow import operators as op, sinks, streams\n"
WITHIN = 120.0
"""Seconds that a kernel may take for what is expected of it."""


class Kernel:
    """A kernel, and one cell at a time in it."""

    def __init__(self, manager: Any) -> None:
        self._manager = manager
        self._client: Any = None
        self._cell = ""

    async def open(self) -> None:
        """Wait until it answers, and import what cells take."""
        self.close()
        self._client = self._manager.client()
        self._client.start_channels()
        await self._client.wait_for_ready(timeout=WITHIN)
        await self.run(SETUP)

    def close(self) -> None:
        """Listen to it no longer."""
        if self._client is not None:
            self._client.stop_channels()

    def begin(self, code: str) -> None:
        """Run a cell, without waiting for its end."""
        self._cell = self._client.execute(code)

    async def says(self, words: str) -> None:
        """Wait until the cell has printed these words."""
        while True:
            message = await self._next()
            if message["msg_type"] == "stream" and words in message["content"]["text"]:
                return

    async def ends(self) -> str:
        """Wait for the end of the cell, and return what it shows from now on, as text."""
        found = []
        while True:
            message = await self._next()
            content = message["content"]
            if message["msg_type"] == "status" and content["execution_state"] == "idle":
                return re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(found))
            if message["msg_type"] == "execute_result":
                found.append(content["data"]["text/plain"])
            found += [content["text"]] if message["msg_type"] == "stream" else []
            found += content["traceback"] if message["msg_type"] == "error" else []

    async def run(self, code: str) -> str:
        """Run a cell to its end, and return what it shows."""
        self.begin(code)
        return await self.ends()

    async def interrupt(self) -> None:
        """Interrupt it, as the button does."""
        await self._manager.interrupt_kernel()

    async def restart(self) -> None:
        """Restart it, whatever it is at."""
        await self._manager.restart_kernel(now=True)
        await self.open()

    async def _next(self) -> Any:
        """Return the next message about the cell."""
        while True:
            message = await self._client.get_iopub_msg(timeout=WITHIN)
            if message["parent_header"].get("msg_id") == self._cell:
                return message


@asynccontextmanager
async def running() -> AsyncIterator[Kernel]:
    """Run a kernel."""
    from jupyter_client.manager import AsyncKernelManager

    manager: Any = AsyncKernelManager(kernel_name="python3")
    await manager.start_kernel()
    kernel = Kernel(manager)
    try:
        await kernel.open()
        yield kernel
    finally:
        kernel.close()
        await manager.shutdown_kernel(now=True)
        manager.context.destroy(linger=0)
