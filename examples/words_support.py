"""What words.py needs beside its pipelines: a server of words, signals, a search."""

import argparse
import asyncio
import contextlib
import gzip
import json
import signal
import sqlite3
from collections.abc import AsyncIterator
from importlib import resources
from typing import Any

import aiohttp
from aiohttp import web

from ackflow import streams

Handles = dict[str, streams.Handle[Any]]


@contextlib.asynccontextmanager
async def serving(limit: int | None) -> AsyncIterator[tuple[str, int]]:
    """Serve pyspellchecker's Portuguese words, a line each; give the address and their number."""
    packed = resources.files("spellchecker") / "resources" / "pt.json.gz"
    words = json.loads(gzip.decompress(packed.read_bytes()))
    lines = [f"{word}\t{frequency}\n" for word, frequency in words.items()]

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/plain; charset=utf-8"})
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):  # who has enough hangs up
            for start in range(0, len(lines), 1000):
                await response.write("".join(lines[start : start + 1000]).encode())
        return response

    application = web.Application()
    application.router.add_get("/words", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield (
            f"http://127.0.0.1:{runner.addresses[0][1]}/words",
            min(len(lines), limit or len(lines)),
        )
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def drained_by_signals(handles: Handles) -> AsyncIterator[None]:
    """Have the first SIGINT or SIGTERM drain the first run; a second one ends the process."""
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)

    def remove() -> None:
        for number in numbers:
            loop.remove_signal_handler(number)

    def drain() -> None:
        remove()
        next(iter(handles.values())).stop()

    for number in numbers:
        loop.add_signal_handler(number, drain)
    try:
        yield
    finally:
        remove()


async def search(options: argparse.Namespace) -> list[str]:
    """Return the most frequent words that match, from wherever they were stored."""
    if options.elasticsearch:
        return await _search_elasticsearch(options.elasticsearch.rstrip("/"), options.search)
    with contextlib.closing(sqlite3.connect(options.database)) as database:
        rows = database.execute(
            "SELECT words.word FROM words_search JOIN words ON words.rowid = words_search.rowid "
            "WHERE words_search MATCH ? ORDER BY frequency DESC, words.word LIMIT 5",
            [options.search],
        )
        return [word for (word,) in rows]


async def _search_elasticsearch(url: str, text: str) -> list[str]:
    query = {"q": f"word:{text}", "sort": "frequency:desc", "size": "5"}
    async with aiohttp.ClientSession(raise_for_status=True) as session:
        await session.post(f"{url}/words/_refresh")
        async with session.get(f"{url}/words/_search", params=query) as answer:
            return [hit["_source"]["word"] for hit in (await answer.json())["hits"]["hits"]]
