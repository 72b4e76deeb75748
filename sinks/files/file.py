"""A file that grows by whole lines; blocking, for use in threads."""

import os
import stat
import threading
from contextlib import suppress
from typing import BinaryIO


class File:
    """A file that is written to from threads; each write is in it whole, or not at all."""

    def __init__(self, path: str, *, append: bool, end: bytes, durable: bool) -> None:
        self._path = path
        self._append = append
        self._end = end
        self._durable = durable
        self._lock = threading.Lock()  # a write outlives the task that waits for it
        self._file: BinaryIO | None = None

    def open(self) -> None:
        """Open the file, and end the last line of one that is kept."""
        # Unbuffered: what a failed write leaves in a buffer would be written later.
        self._file = open(self._path, "ab" if self._append else "wb", buffering=0)  # noqa: SIM115
        # A pipe or a terminal can't be synced or cut.
        self._regular = stat.S_ISREG(os.fstat(self._file.fileno()).st_mode)
        if self._append and self._regular and self._torn():
            self.write(self._end)

    def _torn(self) -> bool:
        with open(self._path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(-min(size, len(self._end)), os.SEEK_END)
            return file.read() not in (b"", self._end)

    def write(self, data: bytes) -> None:
        """Add the data; OSError leaves the file as it was."""
        with self._lock:
            if self._file is None:
                raise ValueError(f"{self._path} is closed")
            size = os.fstat(self._file.fileno()).st_size
            try:
                self._add(self._file, data)
            except OSError:
                if self._regular:
                    with suppress(OSError):
                        os.ftruncate(self._file.fileno(), size)
                        self._file.seek(size)
                raise

    def _add(self, file: BinaryIO, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[file.write(rest) :]
        if self._durable and self._regular:
            os.fsync(file.fileno())

    def close(self) -> None:
        """Close the file, after the write that is under way."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None
