"""Sinks that write files."""

from ackflow.sinks.files.writing import Lines, lines

__all__ = ["Lines", "lines"]
