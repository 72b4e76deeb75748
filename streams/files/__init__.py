"""Sources that read files."""

from ackflow.streams.files.reading import lines

__all__ = ["lines"]
