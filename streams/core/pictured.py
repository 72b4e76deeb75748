"""Pictured: what shows itself as a picture where pictures can be shown."""

from collections.abc import Callable
from typing import Any, ClassVar


def in_words(part: object) -> dict[str, str]:
    """Show a part as its repr alone."""
    return {"text/plain": repr(part)}


class Pictured:
    """What Jupyter shows as a graph of its stages."""

    picture: ClassVar[Callable[[Any], dict[str, str]]] = staticmethod(in_words)
    """Draws a part, by MIME type; ackflow.streams puts what can draw here: core only describes."""

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return Pictured.picture(self)
