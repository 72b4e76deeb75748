"""Write values to a file, one a line."""

import asyncio
import os
from collections.abc import Sequence
from typing import Any

from ackflow.sinks.files.file import File
from ackflow.streams.core import PipelineError, Sink, Summary, Unavailable


def lines(
    path: str | os.PathLike[str],
    *,
    append: bool = False,
    encoding: str = "utf-8",
    durable: bool = True,
) -> "Lines":
    r"""Write strings or bytes to a file, one a line, each ended by LF.

    Example:
        >>> lines("words.txt", append=True)
        files.lines(path='words.txt')

    What is already there is written at once, up to 1,000 values, in a thread. Strings are encoded,
    bytes are written as they are. `streams.files.lines` reads the same values back.

    Acks: a value is accepted when its line is in the file, with `durable` on disk. A value that is
    no line fails alone, for good: not str or bytes, with LF in it or CR at its end, not in the
    encoding, or bytes that end within a character of UTF-16 or UTF-32. A full or failing disk halts
    the pipeline until writing works again; half a line is taken back. A message that comes twice
    gives two lines.

    Args:
        path: of the file; its folder must be there. Nobody else should write to it meanwhile.
        append: keep what is in the file; False replaces it, with what earlier runs wrote and acked.
        encoding: of the strings.
        durable: whether an accepted line outlives a power failure; False is faster and still
            outlives a crash of the process.

    Raises:
        ValueError: at the call, for an encoding that is none, or that begins every text with a
            byte order mark, and for a path ending in .gz, since the file is not compressed.
        PipelineError: at the start, naming the file, if it can't be opened.

    """
    name = os.fspath(path)
    _check(name, encoding)
    return Lines(name, append=append, encoding=encoding, durable=durable)


def _check(path: str, encoding: str) -> None:
    call = "sinks.files.lines(path)"
    if path.lower().endswith(".gz"):
        raise ValueError(f"{call}: writes plain text, so path must not end in .gz, got {path!r}")
    try:
        mark = "".encode(encoding)
    except LookupError:
        raise ValueError(f"{call}: encoding must name a text encoding, got {encoding!r}") from None
    if mark:
        raise ValueError(
            f"{call}: {encoding!r} begins every line with a byte order mark; "
            "use one without, such as 'utf-8' or 'utf-16-le'"
        )


class Lines(Sink[str | bytes, Summary]):
    """What `lines` returns."""

    name = "files.lines"
    max_items = 1000

    def __init__(self, path: str, *, append: bool, encoding: str, durable: bool) -> None:
        self._path = path
        self._append = append
        self._encoding = encoding
        self._end = "\n".encode(encoding)
        self._return = "\r".encode(encoding)
        self._durable = durable

    async def open(self) -> None:
        """Open the file."""
        self._file = File(self._path, append=self._append, end=self._end, durable=self._durable)
        try:
            await asyncio.to_thread(self._file.open)
        except OSError as error:
            raise PipelineError(f"{self._path}: can't be opened ({error.strerror})") from error

    async def write(self, items: Sequence[str | bytes]) -> Sequence[Exception | None] | None:
        """Write the values that are lines; return what is wrong with the others."""
        found: list[bytes] = []
        faults: list[Exception | None] = []
        for value in items:
            try:
                found.append(self._line(value))
                faults.append(None)
            except (TypeError, ValueError) as error:
                faults.append(error)
        if found:
            await self._write(b"".join(found))
        return faults if len(found) < len(items) else None

    async def close(self) -> None:
        """Close the file."""
        await asyncio.to_thread(self._file.close)

    @property
    def shown_settings(self) -> dict[str, Any]:
        return {"path": self._path}

    def _line(self, value: object) -> bytes:
        match value:
            case str():
                torn = "\n" in value or value.endswith("\r")
                data = value.encode(self._encoding)
            case bytes():
                # A part of a character would shift all lines that follow, in UTF-16 and UTF-32.
                torn = self._end in value or value.endswith(self._return)
                torn = torn or len(value) % len(self._end) > 0
                data = value
            case _:
                raise TypeError(f"a line must be str or bytes, got {type(value).__name__}")
        if torn:
            raise ValueError("a value that is written as a line can't hold a line end")
        return data + self._end

    async def _write(self, data: bytes) -> None:
        try:
            await asyncio.to_thread(self._file.write, data)
        except OSError as error:
            raise Unavailable(f"{self._path}: {error.strerror or error}") from error
