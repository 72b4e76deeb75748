"""Address: where a broker is and as whom to go there; a password never shows in a text."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import SplitResult, parse_qsl, quote, quote_plus, unquote, urlsplit

PORTS = {"amqp": 5672, "amqps": 5671}
OPTIONS = ("cacertfile", "cafile", "certfile", "heartbeat", "keyfile", "name")
"""What may follow the "?" of a URL: the names that RabbitMQ's and aiormq's URLs share."""


def redacted(url: str | Sequence[str]) -> str:
    """Return a URL, or several, fit to be shown: without passwords.

    Works on text that is no valid URL too, since that is what errors are about.

    Example:
        >>> redacted("amqp://ana:s3cret@broker/shop")
        'amqp://ana:***@broker/shop'

    """
    if not isinstance(url, str):
        return ", ".join(redacted(one) for one in url)
    scheme, mark, rest = url.partition("://")
    if not mark:
        scheme, rest = "", url
    account, at, place = rest.rpartition("@")
    user, colon, _ = account.partition(":")
    return f"{scheme}{mark}{user}{colon and ':***'}{at}{place}"


@dataclass(frozen=True, slots=True)
class Address:
    """One broker, one user, one vhost, and the options that came with the URL.

    Example:
        >>> Address.parse("amqps://ana:p%40ss@broker/my%2Fshop?heartbeat=10").vhost
        'my/shop'

    """

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    vhost: str
    tls: bool = False
    options: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, url: str, vhost: str | None = None) -> "Address":
        """Take a URL apart; a `vhost` given beside it wins. Raise ValueError where it is no URL."""
        if not isinstance(url, str):
            raise TypeError(f"url must be a text or a list of them, got {type(url).__name__}")
        try:
            address = cls._of(urlsplit(url))
            return address if vhost is None else replace(address, vhost=vhost)
        except _BadURLError as error:
            reason = str(error)
        except ValueError:
            # Not raised from here: urllib quotes pieces of the URL, which may be of the password.
            reason = "it can't be taken apart"
        raise ValueError(
            f"url must look like amqp://user:password@host:5672/vhost, got {redacted(url)!r}: "
            f"{reason}; / ? # @ : % inside a name or password are written %2F %3F %23 %40 %3A %25"
        )

    @classmethod
    def _of(cls, parts: SplitResult) -> "Address":
        if parts.scheme not in PORTS:
            raise _BadURLError("it must begin with amqp:// or amqps://")
        if not parts.hostname:
            raise _BadURLError("the host is missing")
        if parts.fragment:
            raise _BadURLError("there is a # in it")
        return cls(
            host=parts.hostname,
            port=parts.port or PORTS[parts.scheme],
            user="guest" if parts.username is None else unquote(parts.username),
            password="guest" if parts.password is None else unquote(parts.password),
            vhost=unquote(parts.path[1:]) or "/",
            tls=parts.scheme == "amqps",
            options=_options(parts.query),
        )

    def option(self, *names: str) -> str | None:
        """Return the URL's option of the first of these names that it has."""
        given = dict(self.options)
        return next((given[name] for name in names if name in given), None)

    def hide(self, text: str) -> str:
        """Return a text of somebody else's without the password, in whatever way it is written."""
        plain = self.password
        account = b64encode(f"\0{self.user}\0{plain}".encode()).decode()
        for secret in (account, quote(plain, safe=""), quote_plus(plain), quote(plain), plain):
            text = text.replace(secret, "***") if secret else text
        return text

    def __str__(self) -> str:
        scheme = "amqps" if self.tls else "amqp"
        host = f"[{self.host}]" if ":" in self.host else self.host
        vhost = "" if self.vhost == "/" else self.vhost
        return f"{scheme}://{self.user}@{host}:{self.port}/{vhost}"


class _BadURLError(ValueError):
    """What is wrong with a URL, in words that hold nothing of it."""


def _is_heartbeat(text: str) -> bool:
    return text.isdecimal() and len(text) < 6 and int(text) < 65_536


def _options(query: str) -> tuple[tuple[str, str], ...]:
    options = parse_qsl(query, keep_blank_values=True)
    for name, value in options:
        if name not in OPTIONS:
            raise _BadURLError(f"only {', '.join(OPTIONS)} may follow the ?")
        if name == "heartbeat" and not _is_heartbeat(value):
            raise _BadURLError("heartbeat must be whole seconds from 0 (off) to 65,535")
    return tuple(options)
