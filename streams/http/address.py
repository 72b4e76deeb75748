"""Addresses: checked where they are written, and shown without what is secret in them."""

from urllib.parse import SplitResult, urlsplit


def without_secrets(url: str) -> str:
    """Return the address as errors and reprs may show it: no user, no password, no query.

    A query is left out because it may hold a token or a signature.

    Example:
        >>> without_secrets("https://me:secret@example.com/words?token=abc")
        'https://example.com/words?…'

    """
    parts = _split(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}" + ("?…" if parts.query else "")


def check(call: str, url: str) -> None:
    """Raise ValueError or TypeError for what can't be the address of an HTTP server."""
    if not isinstance(url, str):
        # Its repr may hold a password: there are URLs in classes of their own.
        raise TypeError(
            f"{call}: url must be a text, got one of type {type(url).__name__}; str(url)"
        )
    try:
        parts = _split(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname)
        parts.port  # noqa: B018  # raises ValueError when it is no port
    except ValueError:
        good, shown = False, "one that is none"
    else:
        # Without a host, what may be a password is taken for a part of the path.
        shown = repr(without_secrets(url)) if parts.hostname else "one without a host"
    if not good:
        raise ValueError(f"{call}: url must be http://host/… or https://host/…, got {shown}")


def _split(url: str) -> SplitResult:
    return urlsplit(url)
