"""Sinks that write to SQLite databases."""

from ackflow.sinks.sqlite.inserting import Insert, insert

__all__ = ["Insert", "insert"]
