"""Lines of a file, read block by block in a thread."""

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any, BinaryIO

from ackflow.streams.core import SourceError, Stream, from_lists
from ackflow.streams.lines import (
    MAX_LINE_BYTES,
    LineReader,
    check_encoding,
    check_max_line_bytes,
)

BLOCK_BYTES = 64 * 1024


def lines(
    path: str | os.PathLike[str],
    *,
    encoding: str = "utf-8",
    max_line_bytes: int = MAX_LINE_BYTES,
    on_error: Any = "raise",
) -> Stream[str]:
    """Read the lines of a file, plain or .gz, block by block in a thread.

    Example:
        >>> lines("words.txt.gz")
        files.lines(path='words.txt.gz')

    A line ends with LF or CRLF, which is not part of it; the last may end with the file. A file
    that begins as gzip does is decompressed, whatever its name. The file is opened when the
    pipeline runs, once a run.

    Acks: none, since a file can't take lines back. `on_error` says what becomes of a line that
    fails further on: "raise" drains the pipeline and raises the error, "skip" drops the line, a
    sink takes it as a dead letter.

    Args:
        path: of the file; a relative one counts from the current folder at the call.
        encoding: of the text. A byte order mark at the beginning is dropped.
        max_line_bytes: the longest line, without its end.
        on_error: "raise", "skip" or a sink.

    Raises:
        ValueError: at the call, for a setting that can't be meant.
        SourceError: while it runs, naming the file and, within it, the line: a file that can't be
            opened or read, text not in the encoding, a line that is too long, gzip that is damaged
            or cut off. Lines before it were handed out.

    """
    call = "streams.files.lines(path)"
    check_encoding(call, encoding)
    check_max_line_bytes(call, max_line_bytes)
    name = os.fspath(path)
    whole = os.path.abspath(name)

    async def runs() -> AsyncIterator[list[str]]:
        reader = LineReader(name, encoding=encoding, max_line_bytes=max_line_bytes)
        file = await _opened(whole, name)
        try:
            while block := await _block(file, reader):
                for run in reader.feed(block):
                    yield run
            for run in reader.end():
                yield run
        finally:
            await asyncio.to_thread(file.close)

    return from_lists(runs, name="files.lines", settings={"path": name}, on_error=on_error)


async def _opened(path: str, name: str) -> BinaryIO:
    try:
        return await asyncio.to_thread(open, path, "rb")
    except OSError as error:
        raise SourceError(f"{name}: can't be opened ({error.strerror or error})") from error


async def _block(file: BinaryIO, reader: LineReader) -> bytes:
    try:
        return await asyncio.to_thread(file.read, BLOCK_BYTES)
    except OSError as error:
        raise reader.error(f"can't be read ({error.strerror or error})") from error
