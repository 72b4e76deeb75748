"""Everything that a run shows, searched for secrets in whatever way they may be written."""

import traceback
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, quote_plus

PASSWORD = "pä55/w:rd+%20&?#"
"""One that looks different in every way of writing it."""
USER = "ana"


def written(secret: str, user: str = USER) -> set[str]:
    """Return the ways in which a secret may be written down."""
    data = secret.encode()
    pairs = [
        data,
        f"{user}:{secret}".encode(),
        f"\0{user}\0{secret}".encode(),
        f":{secret}".encode(),
    ]
    ways = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), repr(data)[2:-1]}
    ways |= {ascii(secret)[1:-1], data.hex(), secret.encode("latin-1", "replace").hex()}
    ways |= {repr(quote(secret, safe="").encode())[2:-1]}
    for encode in (b64encode, urlsafe_b64encode):
        ways |= {encode(pair).decode().rstrip("=") for pair in pairs}
    return ways


class Leaks:
    """Collects what is shown."""

    def __init__(self, *secrets: str) -> None:
        self._secrets = {way for secret in secrets for way in written(secret)}
        self.texts: list[str] = []

    def show(self, *things: Any) -> None:
        """Take in everything that a user could print of these."""
        for thing in things:
            self.texts += [str(thing), repr(thing), f"{thing}", repr([thing])]
            if isinstance(thing, BaseException):
                self.texts += traceback.format_exception(thing)
                self.texts += [text for error in chain(thing) for text in shown(error)]

    def check(self) -> None:
        """Fail if a secret is in any of it."""
        assert self.texts
        found = {way for way in self._secrets if any(way in text for text in self.texts)}
        where = [text[:500] for text in self.texts if any(way in text for way in found)]
        assert not found, f"{found} in {where}"


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all that it came from, what `from None` hides included."""
    seen: set[int] = set()
    todo: list[BaseException | None] = [error]
    while todo:
        each = todo.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            todo += [each.__cause__, each.__context__, *getattr(each, "exceptions", ())]
            yield each


def shown(error: BaseException) -> list[str]:
    notes = getattr(error, "__notes__", [])
    return [str(error), repr(error), repr(error.args), *notes]
