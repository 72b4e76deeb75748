"""How to reach Elasticsearch: the settings, checked when written, with the secrets kept apart."""

import json
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, quote, unquote, urlsplit

from ackflow.sinks.elasticsearch.gzipping import Gzip, Plain
from ackflow.streams.core import check_flag

if TYPE_CHECKING:
    from elasticsearch import AsyncElasticsearch

SHORTEST = 5
"""Characters of a secret that is looked for in texts."""

Certificate = str | tuple[str, str]


@dataclass(frozen=True, slots=True)
class Connection:
    """Addresses without credentials, or somebody's client; secrets are not in the repr."""

    hosts: tuple[str, ...]
    client: "AsyncElasticsearch | None" = field(default=None, repr=False)
    credentials: dict[str, Any] = field(default_factory=dict, repr=False)
    tls: dict[str, Any] = field(default_factory=dict)
    request_timeout: float = 90.0
    body: Gzip | Plain = field(default_factory=Plain, repr=False)
    """How bulks are sent."""

    @property
    def name(self) -> str:
        """What to call the server in messages."""
        return ", ".join(self.hosts) or "the given client's server"

    def hide(self, text: bytes) -> bytes:
        """Return what a server said without our credentials, which some proxies send back."""
        for secret in self._secrets():
            text = text.replace(secret.encode(), b"***")
        return text

    def _secrets(self) -> Iterator[str]:
        """Yield what must not show; shorter ones would be found in any text."""
        for name, given in self.credentials.items():
            parts = [given] if isinstance(given, str) else list(given)
            pair = b64encode(":".join(parts).encode()).decode()
            secrets = [pair, *parts] if name != "basic_auth" else [pair, parts[1]]
            for secret in secrets:
                if len(secret) >= SHORTEST:
                    yield from {secret, quote(secret, safe=""), *_in_json(secret)}

    def __str__(self) -> str:
        if self.client is not None:
            return f"<{type(self.client).__name__}>"
        return repr(self.hosts[0] if len(self.hosts) == 1 else list(self.hosts))


def _in_json(secret: str) -> set[str]:
    return {json.dumps(secret, ensure_ascii=ascii)[1:-1] for ascii in (True, False)}


def connection(
    url_or_client: "str | Sequence[str] | AsyncElasticsearch",
    *,
    api_key: str | tuple[str, str] | None = None,
    basic_auth: tuple[str, str] | None = None,
    bearer_auth: str | None = None,
    ca_certs: str | None = None,
    certificate: Certificate | None = None,
    verify_certs: bool = True,
    request_timeout: float = 90.0,
    compress: bool = False,
) -> Connection:
    """Check the settings and part credentials from addresses."""
    given = {"api_key": api_key, "basic_auth": basic_auth, "bearer_auth": bearer_auth}
    credentials = {name: secret for name, secret in given.items() if secret is not None}
    _check_credentials(credentials)
    tls = _tls(ca_certs, certificate, verify_certs)
    check_flag("bulk(compress)", compress)
    if isinstance(url_or_client, (str, list, tuple)):
        hosts, secret = _addresses(url_or_client)
        if secret and credentials:
            raise ValueError(
                f"bulk(url, {next(iter(credentials))}=…): the URL has credentials too; "
                "give them in one place"
            )
        if secret:
            credentials["basic_auth"] = secret
        if tls and not all(host.startswith("https:") for host in hosts):
            raise ValueError(
                f"bulk({hosts[0]!r}, {next(iter(tls))}=…): needs https:// in every URL"
            )
        body = Gzip() if compress else Plain()
        return Connection(hosts, None, credentials, tls, request_timeout, body)
    if compress:
        raise ValueError(
            "bulk(client, compress=True): a client compresses by itself; make it with "
            "http_compress=True, or give a URL in its place"
        )
    if credentials or tls:
        raise ValueError(
            f"bulk(client, {next(iter(credentials or tls))}=…): a client brings its own "
            "credentials and certificates; give them to the client, or a URL in its place"
        )
    return Connection((), _checked_client(url_or_client), request_timeout=request_timeout)


def _check_credentials(credentials: dict[str, Any]) -> None:
    """Refuse what can't be sent, in words that hold nothing of it."""
    if len(credentials) > 1:
        raise ValueError(
            f"bulk({'=…, '.join(credentials)}=…): one kind of credentials, leave out the others"
        )
    for name, secret in credentials.items():
        pair = isinstance(secret, tuple | list) and len(secret) == 2 and name != "bearer_auth"
        parts = secret if pair else [secret]
        if not all(isinstance(part, str) for part in parts) or (name == "basic_auth" and not pair):
            raise TypeError(f"bulk({name}=…): {name} is {_KINDS[name]}")
        if any(not part.isprintable() for part in parts):
            raise ValueError(
                f"bulk({name}=…): there is a line end or another control character in it, which no "
                "HTTP header can hold; one read from a file needs .strip()"
            )


_KINDS = {
    "api_key": "a key, or a pair of its id and secret",
    "basic_auth": "a pair of user and password",
    "bearer_auth": "a token, which is a text",
}


def _tls(
    ca_certs: str | None, certificate: Certificate | None, verify_certs: bool
) -> dict[str, Any]:
    """Return the client's settings for certificates."""
    tls: dict[str, Any] = {} if verify_certs else {"verify_certs": False, "ssl_show_warn": False}
    if ca_certs is not None:
        if not Path(ca_certs).exists():
            raise ValueError(f"bulk(ca_certs={ca_certs!r}): there is no such file or folder")
        tls["ca_certs"] = ca_certs
    if certificate is not None:
        files = certificate if isinstance(certificate, tuple) else (certificate,)
        for file in files:
            if not Path(file).is_file():
                raise ValueError(f"bulk(certificate=…): there is no file {str(file)!r}")
        tls |= zip(("client_cert", "client_key"), map(str, files), strict=False)
    return tls


def _checked_client(client: Any) -> Any:
    kind = type(client)
    if not hasattr(client, "perform_request"):
        # Its repr may hold a password: there are URLs in classes of their own.
        raise TypeError(
            f"bulk(<{kind.__name__}>): the first argument is a URL in a str, a list of URLs, or an "
            "elasticsearch.AsyncElasticsearch"
        )
    if kind.__module__.split(".")[0] == "elasticsearch" and "Async" not in kind.__name__:
        raise TypeError(
            f"bulk({kind.__name__}(…)): this client blocks the event loop; give an "
            "elasticsearch.AsyncElasticsearch, or the URL"
        )
    return client


def _addresses(urls: str | Sequence[str]) -> tuple[tuple[str, ...], tuple[str, str] | None]:
    """Check URLs; return them without credentials, and the credentials."""
    given = [urls] if isinstance(urls, str) else list(urls)
    if not given:
        raise ValueError("bulk([]): at least one URL, such as 'http://localhost:9200'")
    parted = [_address(url) for url in given]
    secrets = {secret for _, secret in parted}
    if len(secrets) > 1:
        raise ValueError(
            "bulk([url, …]): the URLs have different credentials; one user for all of them"
        )
    return tuple(address for address, _ in parted), secrets.pop()


def _address(url: str) -> tuple[str, tuple[str, str] | None]:
    if not isinstance(url, str):
        raise TypeError(
            f"bulk([{type(url).__name__}]): an address is a URL like 'http://localhost:9200'"
        )
    parts = SplitResult("", "", "", "", "")
    with suppress(ValueError):  # whose text may hold pieces of the password
        parts = urlsplit(url)
    if not any(parts):
        raise ValueError(
            "bulk('…'): the URL can't be taken apart; an address is a URL like "
            "'http://localhost:9200', with special characters quoted by urllib.parse.quote"
        )
    place = parts.netloc.rpartition("@")[2]
    shown = f"{parts.scheme}://{place}{parts.path.rstrip('/')}"
    if "@" in url and parts.username is None:
        # A password with a slash in it takes the URL apart in the wrong place: show nothing of it.
        raise ValueError(
            "bulk('…@…'): the URL's password has special characters; quote them with "
            "urllib.parse.quote, or use basic_auth="
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"bulk({shown!r}): an address is a URL like 'http://localhost:9200'")
    try:
        port = parts.port
    except ValueError:
        port = None
    if port is None:
        raise ValueError(f"bulk({shown!r}): the URL must name the port, such as {shown}:9200")
    if parts.username is None:
        return shown, None
    return shown, (unquote(parts.username), unquote(parts.password or ""))
