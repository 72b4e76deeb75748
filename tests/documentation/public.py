"""The public names, as the reference lists them."""

import inspect
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from ackflow import operators as op
from ackflow import sinks, streams
from ackflow.streams import running, testing

SOURCES = (streams.amqp, streams.files, streams.http, streams.memory, streams.dask)
SINKS = (sinks.amqp, sinks.elasticsearch, sinks.files, sinks.sqlite)
PUBLIC = (op, sinks, streams, *SOURCES, *SINKS, running, testing)


def names(module: ModuleType) -> list[str]:
    """Return the public names of a module that are no modules."""
    listed = getattr(module, "__all__", None) or [
        name
        for name, thing in vars(module).items()
        if getattr(thing, "__module__", "") == module.__name__ and not name.startswith("_")
    ]
    return [name for name in listed if not inspect.ismodule(getattr(module, name))]


def public() -> Iterator[tuple[str, Any]]:
    """Yield every public function, class and method with its name."""
    for module in PUBLIC:
        for name in names(module):
            thing = getattr(module, name)
            path = f"{module.__name__.removeprefix('ackflow.')}.{name}"
            yield path, thing
            for method, value in vars(thing).items() if inspect.isclass(thing) else ():
                if not method.startswith("_") and inspect.isfunction(value):
                    yield f"{path}.{method}", value
