"""Sources that read from HTTP servers."""

from ackflow.streams.http.reading import lines

__all__ = ["lines"]
