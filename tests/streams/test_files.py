"""streams.files.lines: files as they are found on disks."""

import gzip
import os
from pathlib import Path
from typing import Any

import pytest

from ackflow.streams import files
from ackflow.streams.core import SourceError
from ackflow.streams.files.reading import BLOCK_BYTES


async def read(path: Path | str, **settings: Any) -> list[str]:
    return [line async for line in files.lines(path, **settings)]


async def read_until_error(path: Path, **settings: Any) -> tuple[list[str], str]:
    got: list[str] = []
    with pytest.raises(SourceError) as caught:
        async for line in files.lines(path, **settings):
            got.append(line)
    return got, str(caught.value)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize(
    ("body", "lines"),
    [
        (b"one\ntwo\n", ["one", "two"]),
        (b"one\r\ntwo", ["one", "two"]),
        (b"\n\n", ["", ""]),
        (b"", []),
        ("\ufeffcoração\n".encode(), ["coração"]),
    ],
)
async def test_plain_and_gzip_files_have_the_same_lines(
    tmp_path: Path, pack: Any, body: bytes, lines: list[str]
) -> None:
    path = tmp_path / "words"
    path.write_bytes(pack(body))
    assert await read(path) == lines


async def test_blocks_may_end_anywhere_in_a_line_or_a_character(tmp_path: Path) -> None:
    lines = ["€" * (n % 97) for n in range(3000)]
    path = tmp_path / "words.txt"
    path.write_bytes("\r\n".join(lines).encode())
    assert path.stat().st_size > 3 * BLOCK_BYTES
    assert await read(path) == lines


async def test_a_file_is_read_as_its_lines_are_wanted(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes(b"0123456\n" * (32 * BLOCK_BYTES // 8))
    got = 0
    async for _ in files.lines(path):
        if not got:
            os.truncate(path, BLOCK_BYTES)  # what was not read yet is gone
        got += 1
    assert BLOCK_BYTES // 8 <= got <= 4 * BLOCK_BYTES // 8


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "cp1252"])
async def test_the_encoding_given_is_that_of_the_file(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "words.txt"
    path.write_text("é\nè\n", encoding=encoding, newline="")
    assert await read(path, encoding=encoding) == ["é", "è"]


async def test_bytes_of_another_encoding_name_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes("um\ndois\ntrês\n".encode("latin-1"))
    got, error = await read_until_error(path)
    assert got == ["um", "dois"]
    assert error.startswith(f"{path}, line 3: bytes ea are not utf-8")


async def test_gzip_cut_off_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "words.gz"
    path.write_bytes(gzip.compress(os.urandom(1000).hex().encode())[:-9])
    got, error = await read_until_error(path)
    assert got == []
    assert error == f"{path}, line 1: the gzip data is cut off"


async def test_a_line_longer_than_allowed_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes(b"1\n" + b"x" * 11 + b"\n")
    got, error = await read_until_error(path, max_line_bytes=10)
    assert got == ["1"]
    assert error.startswith(f"{path}, line 2: longer than max_line_bytes=10")


async def test_a_file_that_is_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    got, error = await read_until_error(path)
    assert (got, error) == ([], f"{path}: can't be opened (No such file or directory)")


async def test_a_folder_is_an_error_that_names_it(tmp_path: Path) -> None:
    _, error = await read_until_error(tmp_path)
    assert error == f"{tmp_path}: can't be opened (Is a directory)"


async def test_a_relative_path_counts_from_where_it_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "words.txt").write_text("one")
    monkeypatch.chdir(tmp_path)
    stream = files.lines("words.txt")
    monkeypatch.chdir("/")
    assert [line async for line in stream] == ["one"]


async def test_a_stream_is_read_anew_each_time(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("one")
    stream = files.lines(path)
    assert [line async for line in stream] == [line async for line in stream] == ["one"]


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"encoding": "klingon"}, r"streams.files.lines\(path\): encoding must name a text"),
        ({"max_line_bytes": 0}, "max_line_bytes must be at least 1, got 0"),
        ({"on_error": "ignore"}, "on_error must be"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused_at_the_call(
    settings: dict[str, Any], text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        files.lines("words.txt", **settings)
