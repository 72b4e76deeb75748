"""How to reach Elasticsearch: the settings, checked when written, with the secrets kept apart."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from elasticsearch import AsyncElasticsearch

CREDENTIALS = ("api_key", "basic_auth", "bearer_auth")


@dataclass(frozen=True, slots=True)
class Connection:
    """Addresses without credentials, or somebody's client; secrets are not in the repr."""

    hosts: tuple[str, ...]
    client: "AsyncElasticsearch | None" = field(default=None, repr=False)
    credentials: dict[str, Any] = field(default_factory=dict, repr=False)
    tls: dict[str, Any] = field(default_factory=dict)
    request_timeout: float = 90.0

    @property
    def name(self) -> str:
        """What to call the server in messages."""
        return ", ".join(self.hosts) or "the given client's server"

    def __str__(self) -> str:
        if self.client is not None:
            return f"<{type(self.client).__name__}>"
        return repr(self.hosts[0] if len(self.hosts) == 1 else list(self.hosts))


def connection(
    url_or_client: "str | Sequence[str] | AsyncElasticsearch",
    *,
    api_key: str | tuple[str, str] | None = None,
    basic_auth: tuple[str, str] | None = None,
    bearer_auth: str | None = None,
    ca_certs: str | None = None,
    verify_certs: bool = True,
    request_timeout: float = 90.0,
) -> Connection:
    """Check the settings and part credentials from addresses."""
    given = {"api_key": api_key, "basic_auth": basic_auth, "bearer_auth": bearer_auth}
    credentials = {name: secret for name, secret in given.items() if secret is not None}
    if len(credentials) > 1:
        raise ValueError(
            f"bulk({'=…, '.join(credentials)}=…): one kind of credentials, leave out the others"
        )
    tls = _tls(ca_certs, verify_certs)
    if isinstance(url_or_client, (str, list, tuple)):
        hosts, secret = _addresses(url_or_client)
        if secret and credentials:
            raise ValueError(
                f"bulk(url, {next(iter(credentials))}=…): the URL has credentials too; "
                "give them in one place"
            )
        if secret:
            credentials["basic_auth"] = secret
        return Connection(hosts, None, credentials, tls, request_timeout)
    if credentials or tls:
        raise ValueError(
            f"bulk(client, {next(iter(credentials or tls))}=…): a client brings its own "
            "credentials and certificates; give them to the client, or a URL in its place"
        )
    return Connection((), _checked_client(url_or_client), request_timeout=request_timeout)


def _tls(ca_certs: str | None, verify_certs: bool) -> dict[str, Any]:
    """Return the client's settings for certificates."""
    tls: dict[str, Any] = {} if verify_certs else {"verify_certs": False, "ssl_show_warn": False}
    if ca_certs is not None:
        if not Path(ca_certs).exists():
            raise ValueError(f"bulk(ca_certs={ca_certs!r}): there is no such file or folder")
        tls["ca_certs"] = ca_certs
    return tls


def _checked_client(client: Any) -> Any:
    if not hasattr(client, "perform_request"):
        raise TypeError(
            f"bulk({client!r:.100}): the first argument is a URL, a list of URLs, or an "
            "elasticsearch.AsyncElasticsearch"
        )
    kind = type(client)
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
    parts = urlsplit(url)
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
