"""LineReader: whatever the cuts, the lines are those of the text; every fault names its line."""

import gzip
import tracemalloc
import zlib
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ackflow.streams.core import SourceError
from ackflow.streams.inflate import PIECE_BYTES
from ackflow.streams.lines import CODINGS, LineReader

ENCODINGS = ["utf-8", "utf-16", "utf-16-le", "utf-32", "shift_jis", "gb18030", "iso2022_jp"]
TEXTS = st.text(st.sampled_from("aé€😀文字\r\n\u2028\x85\x0c\x1c\ufeff "), max_size=30)
BODIES = st.lists(st.sampled_from(["", "a", "文字", "\r", "x\ry"]), max_size=8)


def model(text: str) -> list[str]:
    """The specification: what the lines of a text are."""
    *ended, last = text.removeprefix("\ufeff").split("\n")
    return [line.removesuffix("\r") for line in ended] + ([last] if last else [])


def read(reader: LineReader, blocks: list[bytes]) -> list[str]:
    runs = [run for block in blocks for run in reader.feed(block)]
    runs += reader.end()
    assert all(runs), "a run holds one line at least"
    assert reader.line == sum(map(len, runs))
    return [line for run in runs for line in run]


def read_until_error(reader: LineReader, blocks: list[bytes]) -> tuple[list[str], str]:
    got: list[str] = []
    with pytest.raises(SourceError) as caught:
        for block in blocks:
            for run in reader.feed(block):
                got += run
        for run in reader.end():
            got += run
    return got, str(caught.value)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:stop] for start, stop in pairwise(edges)]


CUTS = st.lists(st.integers(min_value=0), max_size=12)


@given(TEXTS, CUTS)
def test_any_cuts_give_the_lines_of_the_text(text: str, cuts: list[int]) -> None:
    assert read(LineReader("x"), cut(text.encode(), cuts)) == model(text)


@given(TEXTS)
def test_one_byte_at_a_time_gives_the_lines_of_the_text(text: str) -> None:
    assert read(LineReader("x"), [bytes([byte]) for byte in text.encode()]) == model(text)


@given(BODIES, st.sampled_from(ENCODINGS), CUTS)
def test_every_encoding_splits_alike(parts: list[str], encoding: str, cuts: list[int]) -> None:
    text = "\n".join(parts)
    reader = LineReader("x", encoding=encoding)
    assert read(reader, cut(text.encode(encoding), cuts)) == model(text)


@given(TEXTS, TEXTS, CUTS)
def test_gzip_members_in_a_row_are_one_text(first: str, second: str, cuts: list[int]) -> None:
    body = gzip.compress(first.encode()) + gzip.compress(second.encode()) + bytes(3)
    assert read(LineReader("x"), cut(body, cuts)) == model(first + second)


@given(TEXTS, st.sampled_from([zlib.MAX_WBITS, -zlib.MAX_WBITS]), CUTS)
def test_deflate_is_undone_with_and_without_its_header(
    text: str, bits: int, cuts: list[int]
) -> None:
    packer = zlib.compressobj(wbits=bits)
    body = packer.compress(text.encode()) + packer.flush()
    assert read(LineReader("x", codings=["deflate"]), cut(body, cuts)) == model(text)


def test_content_encoding_is_undone_before_a_gzip_file_is() -> None:
    body = gzip.compress(gzip.compress(b"one\ntwo\n"))
    assert read(LineReader("x", codings=["gzip"]), [body]) == ["one", "two"]


@given(TEXTS, CUTS)
@example("\n" * 9, [])
def test_gzip_cut_off_anywhere_names_the_line(text: str, cuts: list[int]) -> None:
    body = gzip.compress(text.encode())
    for stop in range(1, len(body)):
        got, error = read_until_error(LineReader("x"), cut(body[:stop], cuts))
        assert got == model(text)[: len(got)]
        assert error.startswith(f"x, line {len(got) + 1}: "), error
        assert "cut off" in error or "not utf-8" in error


@pytest.mark.parametrize("coding", CODINGS)
def test_damaged_data_names_the_line(coding: str) -> None:
    got, error = read_until_error(LineReader("x", codings=[coding]), [b"not compressed"])
    assert (got, error[:34]) == ([], "x, line 1: the compressed data is ")


def test_a_damaged_checksum_is_found() -> None:
    body = bytearray(gzip.compress(b"one\ntwo\nthree"))
    body[-8] ^= 1
    _, error = read_until_error(LineReader("x"), [bytes(body)])
    assert "the compressed data is damaged" in error


def test_lines_before_the_damage_are_handed_out_though_it_is_in_the_same_block() -> None:
    body = bytearray(gzip.compress(b"one\ntwo\nthree"))
    body[-8] ^= 1
    got, error = read_until_error(LineReader("x"), [bytes(body)])
    assert got == ["one", "two"]
    assert error.startswith("x, line 3: the compressed data is damaged")


def test_what_is_no_text_and_has_no_end_is_not_kept() -> None:
    """Neither what follows the end of compressed data, nor escape sequences without a text."""
    escapes = LineReader("x", encoding="iso2022_jp")
    ended = LineReader("x", codings=["deflate"])
    assert list(ended.feed(zlib.compress(b"one\n"))) == [["one"]]
    tracemalloc.start()
    try:
        for _ in range(2_000):
            assert list(ended.feed(bytes(10_000))) == []
        for _ in range(50_000):
            assert list(escapes.feed(b"\x1b(B")) == []
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grown < 100_000


def test_what_compresses_well_is_never_whole_in_memory() -> None:
    body = gzip.compress(b"0123456\n" * 1_000_000)
    reader = LineReader("x")
    runs = [len(run) for block in cut(body, []) for run in reader.feed(block)]
    assert sum(runs) == 1_000_000
    assert max(runs) <= PIECE_BYTES // 8 + 1


@given(TEXTS, CUTS, st.sampled_from([b"\xff", b"\xe9t\xe9", b"\xf0\x9f"]))
def test_lines_before_undecodable_bytes_are_handed_out(
    text: str, cuts: list[int], bad: bytes
) -> None:
    good = text.encode() + b"\n"
    got, error = read_until_error(LineReader("x"), cut(good + bad + b"\nafter", cuts))
    assert got == model(text + "\n")
    assert error.startswith(f"x, line {len(got) + 1}: ")
    assert "not utf-8" in error


@pytest.mark.parametrize("encoding", ["shift_jis", "gb18030", "utf-16-le", "utf-32-le"])
@given(cuts=CUTS)
def test_undecodable_bytes_are_found_in_every_encoding(encoding: str, cuts: list[int]) -> None:
    good = "文\n字\n".encode(encoding)
    bad = {"utf-16-le": b"\x00\xdc", "utf-32-le": b"\xff" * 4}.get(encoding, b"\xff")
    got, error = read_until_error(LineReader("x", encoding=encoding), cut(good + bad, cuts))
    assert got == ["文", "字"]
    assert error.startswith("x, line 3: ")
    assert f"not {encoding}" in error


def test_utf16_without_its_mark_is_an_error_that_says_so() -> None:
    reader = LineReader("x", encoding="utf-16")
    got, error = read_until_error(reader, ["one\n".encode("utf-16-le")])
    assert got == []
    assert error.startswith("x, line 1: ")
    assert "not utf-16 (" in error
    assert "BOM" in error


def test_lines_before_an_error_that_does_not_say_where_it_is_come_out() -> None:
    # Escape sequences that never end: "pending buffer overflow", without a position.
    reader = LineReader("x", encoding="iso2022_jp")
    got, error = read_until_error(
        reader, [b"um\ndois\n\x1b)\x8c\xf5\x8b\x8d\x00\x01.\x00\x00\x00\x00"]
    )
    assert got == ["um", "dois"]
    assert error.startswith("x, line 3: ")
    assert "not iso2022_jp (pending buffer overflow)" in error


def test_utf16_without_its_mark_may_be_undecodable_as_well() -> None:
    got, error = read_until_error(LineReader("x", encoding="utf-16"), [bytes(7) + b"\xd8\0\0"])
    assert (got, error[:11]) == ([], "x, line 1: ")


def test_what_its_encoding_can_read_and_not_write_is_a_line_too() -> None:
    body = b"\x1b\0\0\xff\n"
    (line,) = body.decode("iso2022_jp").splitlines()
    with pytest.raises(UnicodeEncodeError):
        line.encode("iso2022_jp")
    reader = LineReader("x", encoding="iso2022_jp", max_line_bytes=5)
    assert read(reader, [body]) == [line]


def test_a_character_cut_off_by_the_end_is_an_error() -> None:
    got, error = read_until_error(LineReader("x"), [b"one\ntw\xc3"])
    assert (got, error[:12]) == (["one"], "x, line 2: b")


@given(st.lists(st.text("a€", max_size=14), max_size=6), st.booleans(), CUTS)
def test_the_longest_line_counts_in_bytes(lines: list[str], crlf: bool, cuts: list[int]) -> None:
    end = "\r\n" if crlf else "\n"
    body = "".join(line + end for line in lines).encode()
    reader = LineReader("x", max_line_bytes=16)
    long = [at for at, line in enumerate(lines) if len(line.encode()) > 16]
    if not long:
        assert read(reader, cut(body, cuts)) == lines
        return
    got, error = read_until_error(reader, cut(body, cuts))
    assert got == lines[: long[0]]
    assert f"x, line {long[0] + 1}: longer than max_line_bytes=16" in error


def test_a_line_that_never_ends_is_given_up_at_the_limit() -> None:
    reader = LineReader("x", max_line_bytes=1000)
    for _ in range(10):
        assert list(reader.feed(b"a" * 100)) == []
    with pytest.raises(SourceError, match="line 1: longer than max_line_bytes=1,000"):
        list(reader.feed(b"a" * 100))
