"""sinks.files.lines: what it writes is what streams.files.lines reads."""

import asyncio
import os
import resource
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ackflow.sinks import files
from ackflow.streams import files as sources
from ackflow.streams.core import PipelineError, Unavailable

LINES = st.text().filter(lambda text: "\n" not in text and not text.endswith("\r"))


async def store(sink: files.Lines, *writes: list[Any]) -> list[Any]:
    """Write as the engine does, in one run."""
    await sink.open()
    try:
        return [await sink.write(items) for items in writes]
    finally:
        await sink.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "words.txt"


async def test_values_become_lines(path: Path) -> None:
    assert await store(files.lines(path), ["um", "três"], [b"raw\xff"]) == [None, None]
    assert path.read_bytes() == "um\ntrês\n".encode() + b"raw\xff\n"


@given(st.lists(LINES, min_size=1), st.sampled_from(["utf-8", "utf-16-le", "utf-7"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
async def test_the_source_reads_the_values_back(
    path: Path, values: list[str], encoding: str
) -> None:
    kept = [value for value in values if value.isprintable()]
    await store(files.lines(path, encoding=encoding, durable=False), kept)
    assert [line async for line in sources.lines(path, encoding=encoding)] == kept


async def test_a_file_is_replaced_or_kept_as_asked(path: Path) -> None:
    await store(files.lines(path), ["um"])
    await store(files.lines(path, append=True), ["dois"])
    assert path.read_text() == "um\ndois\n"
    await store(files.lines(path), ["três"])
    assert path.read_text() == "três\n"


async def test_a_last_line_without_its_end_is_ended_first(path: Path) -> None:
    path.write_text("torn by a cra")
    await store(files.lines(path, append=True), ["um"])
    assert path.read_text() == "torn by a cra\num\n"


async def test_an_empty_file_is_appended_to(path: Path) -> None:
    path.touch()
    await store(files.lines(path, append=True), ["um"])
    assert path.read_text() == "um\n"


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        ("a\nb", "ValueError: a value that is written as a line can't hold a line end"),
        (b"a\nb", "ValueError: a value that is written as a line can't hold a line end"),
        ("a\r", "ValueError: a value that is written as a line can't hold a line end"),
        ("\ud800", "UnicodeEncodeError: 'utf-8' codec can't encode"),
        (1, "TypeError: a line must be str or bytes, got int"),
    ],
)
async def test_a_value_that_is_no_line_fails_alone(path: Path, bad: Any, error: str) -> None:
    [answer] = await store(files.lines(path), ["um", bad, "dois"])
    assert [entry is None for entry in answer] == [True, False, True]
    assert f"{type(answer[1]).__name__}: {answer[1]}".startswith(error)
    assert path.read_text() == "um\ndois\n"


async def test_a_character_made_of_bytes_like_a_line_end_is_none(path: Path) -> None:
    assert await store(files.lines(path, encoding="utf-16-le"), ["\u0a05\u0100"]) == [None]


async def test_an_accepted_line_is_in_the_file_at_once(path: Path) -> None:
    sink = files.lines(path)
    await sink.open()
    try:
        await sink.write(["um"])
        assert path.read_text() == "um\n"
    finally:
        await sink.close()


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond `size` bytes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("append", [False, True])
async def test_a_full_disk_is_an_outage_and_leaves_no_half_line(path: Path, append: bool) -> None:
    sink = files.lines(path, append=append)
    await sink.open()
    try:
        await sink.write(["um"])
        with file_size_limit(100), pytest.raises(Unavailable, match=r"words\.txt: File too large"):
            await sink.write(["x" * 70, "y" * 70])
        assert path.read_text() == "um\n"
        assert await sink.write(["dois"]) is None
    finally:
        await sink.close()
    assert path.read_text() == "um\ndois\n"


def read_all(descriptor: int) -> bytes:
    os.set_blocking(descriptor, True)
    with open(descriptor, "rb") as file:
        return file.read()


async def test_closing_waits_for_the_write_of_a_cancelled_task(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    sink = files.lines(path)
    await sink.open()
    write = asyncio.create_task(sink.write(["x" * 1_000_000]))  # more than the pipe takes
    await asyncio.to_thread(select.select, [reader], [], [])  # the write has begun
    write.cancel()
    closing = asyncio.create_task(sink.close())
    await asyncio.wait([closing], timeout=0.05)
    assert not closing.done()
    text = await asyncio.to_thread(read_all, reader)
    await closing
    assert text == b"x" * 1_000_000 + b"\n"
    assert write.cancelled()


async def test_a_pipe_is_written_to_as_well(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reading = asyncio.create_task(asyncio.to_thread(path.read_text))
    assert await store(files.lines(path), ["um"]) == [None]
    assert await reading == "um\n"


async def test_a_folder_that_is_not_there_is_an_error_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "words.txt"
    with pytest.raises(PipelineError, match="can't be opened") as caught:
        await files.lines(path).open()
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("path_given", "encoding", "error"),
    [
        ("words.txt.gz", "utf-8", "path must not end in .gz"),
        ("words.txt", "klingon", "encoding must name a text encoding, got 'klingon'"),
        ("words.txt", "utf-16", "'utf-16' begins every line with a byte order mark"),
        ("words.txt", "utf-8-sig", "use one without"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused_at_the_call(
    path_given: str, encoding: str, error: str
) -> None:
    with pytest.raises(ValueError, match=error):
        files.lines(path_given, encoding=encoding)


def test_its_repr_names_the_file() -> None:
    assert repr(files.lines("words.txt")) == "files.lines(path='words.txt')"
