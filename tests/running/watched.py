"""A pipeline that is looked at while it runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from ackflow import sinks, streams
from ackflow.streams.running import Status
from ackflow.streams.running.status import Board


class Store:
    """A sink's function that lets each value wait until it may go on, or raises."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.begun = asyncio.Event()
        self.may_end = asyncio.Event()

    async def __call__(self, value: object) -> None:
        self.begun.set()
        if self.error is not None:
            raise self.error
        await self.may_end.wait()


class Shown:
    """A status page that listens, and what it answers."""

    def __init__(self, board: Board, session: aiohttp.ClientSession) -> None:
        self.board = board
        self.session = session
        self.url = f"http://127.0.0.1:{board.port}"

    async def ask(self, path: str, method: str = "GET", **headers: str) -> "Answer":
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(method, self.url + path, headers=named) as response:
            return Answer(response.status, await response.text(), dict(response.headers))

    async def everything(self) -> str:
        answers = [await self.ask(path) for path in ("/", "/metrics", "/readyz", "/healthz")]
        return "\n".join(f"{answer.text}\n{answer.headers}" for answer in answers)


class Answer:
    def __init__(self, status: int, text: str, headers: dict[str, str]) -> None:
        self.status = status
        self.text = text
        self.headers = headers


@asynccontextmanager
async def showing(status: Status | None = None) -> AsyncIterator[Shown]:
    async with (
        (status or Status("127.0.0.1:0")).serve() as board,
        aiohttp.ClientSession() as session,
    ):
        yield Shown(board, session)


@asynccontextmanager
async def running(pipeline: Any, *, measure: bool = True) -> AsyncIterator[Any]:
    """Run a pipeline beside the block, and abort it behind it."""
    handle = pipeline.start(measure=measure)
    try:
        yield handle
    finally:
        await handle.abort()


def held_up(store: Store, *values: Any, **options: Any) -> Any:
    """A pipeline whose messages wait in its sink."""
    queue = streams.memory.queue(values or ["a", "b"], **options)
    return queue | sinks.each(store)
