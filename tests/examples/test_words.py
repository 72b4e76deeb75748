"""examples/words.py, run as its user runs it."""

import asyncio
import json
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

EXAMPLE = Path(__file__).parents[2] / "examples" / "words.py"


async def start(folder: Path, *arguments: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable, str(EXAMPLE), *arguments, cwd=folder, stdout=pipe, stderr=pipe
    )


async def run(folder: Path, *arguments: str) -> str:
    """Run the example in a folder; return what it printed."""
    process = await start(folder, *arguments)
    out, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return out.decode()


async def run_to_error(folder: Path, *arguments: str) -> str:
    """Run the example in a folder; return its complaint."""
    process = await start(folder, *arguments)
    _, errors = await process.communicate()
    assert process.returncode not in (0, None)
    assert b"Traceback" not in errors
    return errors.decode()


def words(database: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute("SELECT word, frequency FROM words ORDER BY word").fetchall()


@asynccontextmanager
async def serving(body: str, gate: asyncio.Event | None = None) -> AsyncIterator[str]:
    """Serve a list; with a `gate`, go on only when it opens."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(body.encode())
        if gate is not None:
            await gate.wait()
        return response

    application = web.Application()
    application.router.add_get("/words", answer)
    server = TestServer(application)
    await server.start_server()
    try:
        yield str(server.make_url("/words"))
    finally:
        if gate is not None:
            gate.set()
        await server.close()


async def test_every_word_is_published_indexed_and_acked(tmp_path: Path) -> None:
    out = await run(tmp_path, "--limit", "3000", "--json")
    counts = json.loads(out)
    seconds = counts.pop("seconds")
    assert counts == {
        "published": 3000,
        "indexed": 3000,
        "acked": 3000,
        "rejected": 0,
        "requeued": 0,
    }
    assert seconds > 0
    found = words(tmp_path / "words.db")
    assert len(found) == len(dict(found)) == 3000


async def test_people_see_a_summary_and_what_a_search_finds(tmp_path: Path) -> None:
    out = await run(tmp_path, "--limit", "3000", "--database", "other.db")
    summary, title, *hits = out.splitlines()
    assert summary.startswith("3,000 published, 3,000 indexed, 3,000 acked, 0 rejected, 0 requeued")
    assert title == "abaca*:"
    assert {"  abacate", "  abacaxi"} <= set(hits)
    assert (tmp_path / "other.db").exists()


async def test_a_second_run_stores_no_word_twice(tmp_path: Path) -> None:
    for _ in range(2):
        assert json.loads(await run(tmp_path, "--limit", "300", "--json"))["acked"] == 300
    assert len(words(tmp_path / "words.db")) == 300


async def test_several_queues_are_filled_and_emptied(tmp_path: Path) -> None:
    queues = ("--queue", "a", "--queue", "b", "--queue", "c")
    counts = json.loads(await run(tmp_path, "--limit", "3000", "--json", *queues))
    assert (counts["published"], counts["acked"]) == (3000, 3000)
    assert len(words(tmp_path / "words.db")) == 3000


async def test_any_list_can_be_streamed(tmp_path: Path) -> None:
    async with serving("um\n\ndois\t7\num\t3\n") as url:
        counts = json.loads(await run(tmp_path, "--words", url, "--json"))
    assert (counts["published"], counts["indexed"]) == (3, 3)
    assert words(tmp_path / "words.db") == [("dois", 7), ("um", 3)]


async def test_a_list_that_is_not_there_is_an_error_without_a_traceback(tmp_path: Path) -> None:
    async with serving("") as url:
        error = await run_to_error(tmp_path, "--words", url.replace("words", "nothing"))
    assert "/nothing: the server answers 404 Not Found" in error


@pytest.mark.parametrize("part", ["produce", "index"])
async def test_one_part_alone_needs_a_broker(tmp_path: Path, part: str) -> None:
    error = await run_to_error(tmp_path, part)
    assert f"{part} alone needs --amqp: a queue in memory ends with its process" in error


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals to send")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_when_what_was_published_is_indexed(
    tmp_path: Path, number: signal.Signals
) -> None:
    async with serving("um\ndois\n", asyncio.Event()) as url:
        process = await start(tmp_path, "--words", url, "--json", "--search", "um")
        await wait_for_words(tmp_path / "words.db", 2)
        process.send_signal(number)
        out, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    counts = json.loads(out)
    assert (counts["published"], counts["acked"]) == (2, 2)


async def wait_for_words(database: Path, number: int) -> None:
    """Wait until a database holds so many words."""
    async with asyncio.timeout(30):
        while True:
            try:
                if len(words(database)) == number:
                    return
            except sqlite3.OperationalError:
                pass  # no table yet
            await asyncio.sleep(0.02)
