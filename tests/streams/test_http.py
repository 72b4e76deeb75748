"""streams.http.lines against servers on loopback: a real one, and a raw one for broken answers."""

import asyncio
import contextlib
import gzip
import ssl
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import trustme
from aiohttp import test_utils, web
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ackflow import sinks
from ackflow.streams import http
from ackflow.streams.core import SourceError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@contextlib.asynccontextmanager
async def serving(handler: Handler, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve every path with `handler`; gives the address without a path."""
    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    server = test_utils.TestServer(app, host="localhost")
    await server.start_server(ssl=context)
    try:
        yield str(server.make_url("")).rstrip("/")
    finally:
        await server.close()


def answering(body: bytes, **headers: str) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(body=body, headers=names)

    return handler


@contextlib.asynccontextmanager
async def raw(answer: bytes, gate: asyncio.Event | None = None) -> AsyncIterator[str]:
    """Send these bytes whatever is asked, and hang up, with a `gate` only when it opens."""
    gone = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        if gate is not None:
            await gate.wait()
        writer.close()
        gone.set()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        if gate is not None:
            gate.set()
        await gone.wait()


async def read(url: str, **settings: object) -> list[str]:
    return [line async for line in http.lines(url, **settings)]  # type: ignore[arg-type]


async def read_until_error(
    url: str, gate: asyncio.Event | None = None, **settings: object
) -> tuple[list[str], str]:
    got: list[str] = []
    with pytest.raises(SourceError) as caught:
        async for line in http.lines(url, **settings):  # type: ignore[arg-type]
            got.append(line)
            if gate is not None:
                gate.set()
    return got, str(caught.value)


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        (b"one\ntwo\n", ["one", "two"]),
        (b"one\r\ntwo\r\n", ["one", "two"]),
        (b"one\ntwo", ["one", "two"]),
        (b"one\n\n\ntwo", ["one", "", "", "two"]),
        ("\ufeffé\n€".encode(), ["é", "€"]),
        (b"", []),
        (gzip.compress(b"one\ntwo\n", mtime=0), ["one", "two"]),
    ],
)
async def test_lines_of_a_body_come_without_their_ends(body: bytes, lines: list[str]) -> None:
    async with serving(answering(body)) as url:
        assert await read(f"{url}/words") == lines


@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        ("gzip", gzip.compress(b"one\ntwo", mtime=0)),
        ("x-gzip", gzip.compress(b"one\ntwo", mtime=0)),
        ("deflate", zlib.compress(b"one\ntwo")),
        ("deflate", zlib.compress(b"one\ntwo")[2:-4]),
        ("identity", b"one\ntwo"),
        ("deflate, gzip", gzip.compress(zlib.compress(b"one\ntwo"), mtime=0)),
        ("gzip", gzip.compress(gzip.compress(b"one\ntwo", mtime=0), mtime=0)),
    ],
)
async def test_content_encodings_are_undone(coding: str, packed: bytes) -> None:
    async with serving(answering(packed, Content_Encoding=coding)) as url:
        assert await read(f"{url}/words.gz") == ["one", "two"]


async def test_a_gzip_file_is_decompressed_whatever_its_type() -> None:
    packed = gzip.compress("é\n".encode("latin-1"))
    async with serving(answering(packed, Content_Type="application/gzip")) as url:
        assert await read(f"{url}/words", encoding="latin-1") == ["é"]


async def test_a_content_encoding_that_was_not_asked_for_is_an_error() -> None:
    async with serving(answering(b"?", Content_Encoding="br")) as url:
        got, error = await read_until_error(f"{url}/words")
    assert got == []
    assert error.startswith(f"{url}/words: Content-Encoding 'br'")


@pytest.mark.parametrize(
    ("type_", "encoding"),
    [("text/plain; charset=latin-1", None), ("text/plain; charset=utf-8", "latin-1")],
)
async def test_the_encoding_given_wins_over_the_charset(type_: str, encoding: str | None) -> None:
    async with serving(answering("é\n".encode("latin-1"), Content_Type=type_)) as url:
        assert await read(url, encoding=encoding) == ["é"]


async def test_a_charset_that_python_does_not_know_is_an_error() -> None:
    async with serving(answering(b"one", Content_Type="text/plain; charset=klingon")) as url:
        _, error = await read_until_error(url)
    assert "'klingon'" in error
    assert "encoding= overrides it" in error


async def test_the_wrong_charset_names_address_and_line() -> None:
    body = "um\ndois\ntrês\n".encode("latin-1")
    async with serving(answering(body)) as url:
        got, error = await read_until_error(f"{url}/words?page=1")
    assert got == ["um", "dois"]
    assert error.startswith(f"{url}/words?…, line 3: bytes ea are not utf-8")


async def test_lines_come_before_the_body_has_ended() -> None:
    seen = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write("one\ntré".encode()[:-1])
        await seen.wait()
        await response.write("é".encode()[1:] + b"s\n")
        return response

    got = []
    async with serving(handler) as url:
        async for line in http.lines(url):
            got.append(line)
            seen.set()
    assert got == ["one", "trés"]


async def test_a_large_body_is_never_whole_in_memory() -> None:
    sent = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(1000):
            await response.write(b"0123456\n" * 8192)
            sent += 1
        return response

    async with serving(handler) as url:
        async for _ in http.lines(url):
            if sent > 1:
                for _ in range(1000):  # time enough for a server that nothing holds back
                    await asyncio.sleep(0)
                break
    assert sent < 500, "the server was held back while nobody read on"


@pytest.mark.parametrize("status", [404, 403, 410, 500, 503])
async def test_another_status_is_an_error_that_names_it(status: int) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=status, text="one\ntwo\n")

    async with serving(handler) as url:
        got, error = await read_until_error(f"{url}/words")
    assert got == []
    assert error.startswith(f"{url}/words: the server answers {status} ")


async def test_redirects_are_followed_and_a_loop_of_them_is_an_error() -> None:
    async def handler(request: web.Request) -> web.Response:
        match request.path:
            case "/moved":
                raise web.HTTPFound("/here")
            case "/loop":
                raise web.HTTPFound("/loop?token=secret")
        return web.Response(text="one")

    async with serving(handler) as url:
        assert await read(f"{url}/moved") == ["one"]
        _, error = await read_until_error(f"{url}/loop")
    assert error.startswith(f"{url}/loop: the answer can't be used (TooManyRedirects")
    assert "secret" not in error


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"Content-Length: 100", b"one\ntwo\nthr"),
        (b"Transfer-Encoding: chunked", b"b\r\none\ntwo\nthr\r\n"),
        (b"Transfer-Encoding: chunked", b"b\r\none\ntwo\nthr\r\nff\r\nmore"),
    ],
)
async def test_a_body_cut_off_names_address_and_line(head: bytes, body: bytes) -> None:
    gate = asyncio.Event()
    async with raw(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + body, gate) as url:
        got, error = await read_until_error(f"{url}/words", gate)
    assert got == ["one", "two"]
    assert error.startswith(f"{url}/words, line 3: the body is cut off (")


async def test_what_was_published_before_a_cut_stays_published() -> None:
    gate, published = asyncio.Event(), list[str]()

    def publish(line: str) -> None:
        published.append(line)
        gate.set()

    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
    async with raw(head + b"one\ntwo\nthr", gate) as url:
        with pytest.raises(SourceError, match="line 3: the body is cut off"):
            await (http.lines(f"{url}/words") | sinks.each(publish))
    assert published == ["one", "two"]


@pytest.mark.parametrize("coding", [b"gzip", b"deflate", b"identity"])
async def test_compressed_data_cut_off_is_an_error_though_the_body_is_whole(coding: bytes) -> None:
    pack = zlib.compress if coding == b"deflate" else gzip.compress
    body = pack(b"one\ntwo\nthree\n")[:-6]
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n"
    async with raw(head % (coding, len(body)) + body) as url:
        _, error = await read_until_error(f"{url}/words")
    assert error.startswith(f"{url}/words, line ")
    assert "data is cut off" in error


async def test_a_line_longer_than_allowed_names_address_and_line() -> None:
    async with serving(answering(b"one\n" + b"x" * 2_000_000)) as url:
        got, error = await read_until_error(f"{url}/words")
    assert got == ["one"]
    assert error.startswith(f"{url}/words, line 2: longer than max_line_bytes=1,048,576")


async def test_a_server_that_falls_silent_is_an_error() -> None:
    async with raw(b"HTTP/1.1 200 OK\r\n\r\none\n", asyncio.Event()) as url:
        got, error = await read_until_error(url, timeout=0.05)
    assert got == ["one"]
    assert error == f"{url}, line 2: the server is silent for 0.05 seconds (timeout=)"


async def test_a_server_that_never_answers_is_an_error() -> None:
    async with raw(b"", asyncio.Event()) as url:
        got, error = await read_until_error(url, timeout=0.05)
    assert (got, error) == ([], f"{url}: the server is silent for 0.05 seconds (timeout=)")


@pytest.mark.parametrize("answer", [b"", b"220 mail.example.com ESMTP\r\n\r\n"])
async def test_what_is_no_http_server_is_an_error(answer: bytes) -> None:
    async with raw(answer) as url:
        _, error = await read_until_error(f"{url}/words")
    assert error.startswith(f"{url}/words: ")


async def test_a_refused_connection_is_an_error_that_names_it(unused_tcp_port: int) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}/words"
    _, error = await read_until_error(url)
    assert error.startswith(f"{url}: ")
    assert "Cannot connect" in error


async def test_a_host_that_does_not_exist_is_an_error_that_names_it() -> None:
    _, error = await read_until_error("http://nowhere.invalid/words")
    assert error.startswith("http://nowhere.invalid/words: no such host (")


async def test_a_certificate_nobody_vouches_for_is_an_error_and_ssl_the_way_out() -> None:
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    async with serving(answering(b"one"), server) as url:
        _, error = await read_until_error(url)
        assert "certificate verify failed" in error
        assert await read(url, ssl=client) == ["one"]


async def test_user_and_password_are_sent_and_never_shown() -> None:
    asked: list[str | None] = []

    async def handler(request: web.Request) -> web.Response:
        asked.append(request.headers.get("Authorization"))
        return web.Response(status=401)

    async with serving(handler) as url:
        secret = url.replace("http://", "http://me:p%40ss@") + "/words?token=abc"
        stream = http.lines(secret)
        _, error = await read_until_error(secret)
    assert asked == ["Basic bWU6cEBzcw=="]
    for shown in (error, repr(stream)):
        assert f"{url}/words?…" in shown
        assert "ss@" not in shown
        assert "abc" not in shown


async def test_headers_are_sent() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=request.headers["X-Token"])

    async with serving(handler) as url:
        assert await read(url, headers={"X-Token": "abc"}) == ["abc"]


async def test_a_stream_is_read_anew_each_time() -> None:
    async with serving(answering(b"one\ntwo")) as url:
        stream = http.lines(url)
        assert [line async for line in stream] == [line async for line in stream]


@pytest.mark.parametrize(
    "url", ["words.txt", "ftp://example.com/words", "http://", "http://x:port/", "http://[::1", ""]
)
def test_what_is_no_address_is_refused_at_the_call(url: str) -> None:
    with pytest.raises(ValueError, match=r"streams.http.lines\(url\): url must be http://host"):
        http.lines(url)


def test_a_wrong_address_is_refused_without_its_password() -> None:
    with pytest.raises(ValueError, match="url must be") as caught:
        http.lines("ftp://me:secret@example.com")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"encoding": "klingon"}, "encoding must name a text encoding"),
        ({"encoding": "hex"}, "encoding must name a text encoding"),
        ({"timeout": 0}, "timeout must be more than 0 seconds, got 0"),
        ({"max_line_bytes": 0}, "max_line_bytes must be at least 1, got 0"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused_at_the_call(
    settings: dict[str, object], text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        http.lines("http://example.com", **settings)  # type: ignore[arg-type]


CHUNKED = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)


def chunked(data: bytes, size: int) -> bytes:
    """Return the body of an answer in chunks, as HTTP/1.1 has it."""
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in [*parts, b""])


@given(st.integers(1, 40), st.lists(st.integers(1, 60), max_size=12))
@settings(max_examples=40, deadline=None)
async def test_lines_are_the_same_however_an_answer_is_cut(size: int, cuts: list[int]) -> None:
    answer = CHUNKED + chunked(gzip.compress("um\ndois\ntrês".encode()), size)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        rest = answer
        for length in [*cuts, len(answer)]:
            writer.write(rest[:length])
            rest = rest[length:]
            await writer.drain()
            await asyncio.sleep(0)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert await read(f"http://127.0.0.1:{port}") == ["um", "dois", "três"]


DAMAGED = st.tuples(st.integers(0, 200), st.integers(0, 9), st.binary(max_size=9)).map(
    lambda where: ANSWER[: where[0]] + where[2] + ANSWER[where[0] + where[1] :]
)
ANSWER = CHUNKED + chunked(gzip.compress(b"one\ntwo\n", mtime=0), 20)


@given(st.binary(max_size=200) | DAMAGED)
@example(b"")
@example(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n")
@example(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n")
@settings(max_examples=150, deadline=None)
async def test_any_bytes_for_an_answer_are_lines_or_one_error(answer: bytes) -> None:
    said = ""
    async with raw(answer) as url, asyncio.timeout(10):
        try:
            assert all(isinstance(line, str) for line in await read(url, timeout=5))
        except SourceError as error:
            said = str(error)
    assert said == "" or said.startswith(url)
    assert len(said) < 1_000
