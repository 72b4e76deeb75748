"""Lines of a body that an HTTP server sends, read as they arrive."""

from collections.abc import AsyncIterator, Mapping
from functools import partial
from ssl import SSLContext
from typing import TYPE_CHECKING, Any

from ackflow.streams.core import SourceError, Stream, from_lists
from ackflow.streams.http import address, answers, requests
from ackflow.streams.lines import (
    MAX_LINE_BYTES,
    LineReader,
    check_encoding,
    check_max_body_bytes,
    check_max_line_bytes,
)

if TYPE_CHECKING:
    import aiohttp


def lines(
    url: str,
    *,
    encoding: str | None = None,
    headers: Mapping[str, str] | None = None,
    ssl: SSLContext | None = None,
    timeout: float = 60.0,
    max_line_bytes: int = MAX_LINE_BYTES,
    max_body_bytes: int | None = None,
    on_error: Any = "raise",
) -> Stream[str]:
    """Read the lines of a body over HTTP as they arrive, never the whole body at once.

    Example:
        >>> lines("https://me:secret@example.com/words.txt.gz", timeout=10)
        http.lines(url='https://example.com/words.txt.gz')

    A line ends with LF or CRLF, which is not part of it; the last may end with the body. Gzip and
    deflate are undone, both as Content-Encoding and where the body itself is a .gz file (it begins
    as one, whatever its name and Content-Type). One request a run; redirects are followed, but not
    from https to http, and what `headers` and the URL hold of secrets goes to its own server alone.

    Acks: none, since a server can't take lines back. `on_error` says what becomes of a line that
    fails further on: "raise" drains the pipeline and raises the error, "skip" drops the line, a
    sink takes it as a dead letter.

    Args:
        url: http or https; user and password in it are sent as basic authentication. Neither
            they nor the query show in errors.
        encoding: of the text; None takes the charset of Content-Type, or UTF-8. A byte order mark
            at the beginning is dropped.
        headers: sent with the request.
        ssl: a context that trusts an authority of one's own, or has a certificate to show.
        timeout: seconds, to connect and for every silence of the server; the whole may take longer.
        max_line_bytes: the longest line, without its end.
        max_body_bytes: bytes of the whole body at most, decompressed; None for no limit.
        on_error: "raise", "skip" or a sink.

    Raises:
        ValueError: at the call, for a setting that can't be meant.
        SourceError: while it runs, naming the address and, within the body, the line: no
            connection, a status other than 2xx, a body that is cut off or not in the encoding, a
            line or body that is too long, far more data than compressing it once could hide, a
            silence longer than `timeout`. Lines before it were handed out.

    """
    call = "streams.http.lines(url)"
    address.check(call, url)
    if encoding is not None:
        check_encoding(call, encoding)
    if not timeout > 0:
        raise ValueError(f"{call}: timeout must be more than 0 seconds, got {timeout!r}")
    check_max_line_bytes(call, max_line_bytes)
    check_max_body_bytes(call, max_body_bytes)
    sent = requests.checked_headers(call, headers or {})
    shown = address.without_secrets(url)
    reader = partial(
        LineReader, shown, max_line_bytes=max_line_bytes, max_body_bytes=max_body_bytes
    )
    request = _Request(url, encoding, sent, ssl, timeout, reader)
    return from_lists(request.runs, name="http.lines", settings={"url": shown}, on_error=on_error)


class _Request:
    """One request, made anew for every run of the stream."""

    def __init__(
        self,
        url: str,
        encoding: str | None,
        headers: Mapping[str, str],
        ssl: SSLContext | None,
        timeout: float,
        reader: "partial[LineReader]",
    ) -> None:
        self._url = url
        self._where = address.without_secrets(url)
        self._encoding = encoding
        self._headers = {"Accept-Encoding": "gzip, deflate", **headers}
        self._ssl = ssl
        self._timeout = timeout
        self._line_reader = reader

    async def runs(self) -> AsyncIterator[list[str]]:
        """Hand out what each read from the network completes."""
        import aiohttp

        silence = aiohttp.ClientTimeout(connect=self._timeout, sock_read=self._timeout)
        reader, problem = None, ""
        try:
            async with (
                # What aiohttp decompresses itself may be cut off without an error.
                aiohttp.ClientSession(
                    timeout=silence,
                    auto_decompress=False,
                    middlewares=[requests.Guard(self._where, self._url, self._headers)],
                ) as session,
                session.get(self._url, headers=self._headers, ssl=self._ssl or True) as response,
            ):
                reader = self._reader(response)
                async for block in response.content.iter_any():
                    for run in reader.feed(block):
                        yield run
                for run in reader.end():
                    yield run
        except (aiohttp.ClientError, OSError) as error:
            # Not raised from here: aiohttp's own texts may hold the query.
            problem = self._problem(error)
        if problem:
            raise reader.error(problem) if reader else SourceError(f"{self._where}: {problem}")

    def _reader(self, response: "aiohttp.ClientResponse") -> LineReader:
        if not response.ok or response.status >= 300:
            raise SourceError(f"{self._where}: the server answers {answers.status(response)}")
        encoding = self._encoding or answers.charset(self._where, response)
        codings = answers.codings(self._where, response)
        return self._line_reader(encoding=encoding, codings=codings)

    def _problem(self, error: Exception) -> str:
        import aiohttp

        match error:
            case TimeoutError():
                return f"the server is silent for {self._timeout:g} seconds (timeout=)"
            case aiohttp.ClientPayloadError():
                return f"the body is cut off ({error.__cause__ or error})"
            case aiohttp.ClientConnectorCertificateError():
                return _untrusted(error.certificate_error)
            case aiohttp.ClientConnectorDNSError():
                return f"no such host ({error.os_error})"
            case aiohttp.ClientResponseError():
                return f"the answer can't be used ({type(error).__name__}: {error.message})"
            case aiohttp.InvalidURL():
                return f"the address can't be used ({type(error).__name__})"
        return f"{type(error).__name__}: {error}"


def _untrusted(error: Exception) -> str:
    """Say why a certificate is refused, and what can be done about that (X509_V_ERR_…)."""
    match getattr(error, "verify_code", None):
        case 9 | 10:
            way_out = "the clock or the certificate has to be put right"
        case 62 | 64:
            way_out = "url must name a host that the certificate is for"
        case _:
            way_out = "ssl= takes a context that trusts its authority"
    reason = getattr(error, "verify_message", "").rstrip(".") or str(error)
    return f"certificate verify failed: {reason}; {way_out}"
