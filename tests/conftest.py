"""Fixtures for the whole test suite: the real servers, and the kit that ackflow ships."""

from importlib.metadata import entry_points

KIT = "ackflow.streams.testing.plugin"
# An installation that is older than the kit's entry point does not bring it by itself.
INSTALLED = any(point.value == KIT for point in entry_points(group="pytest11"))

pytest_plugins = ["tests.servers.fixtures", *([] if INSTALLED else [KIT])]
