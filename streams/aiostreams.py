"""Being an aiostream stream: `isinstance` holds, and its pipes work on values.

Importing aiostream takes a sixth of the time that importing ackflow did, and most programs never use it.
So it is loaded when somebody first uses it, and is told of our streams then.
"""

import sys
from importlib.util import LazyLoader, find_spec, module_from_spec
from typing import Any


def register(stream: Any) -> None:
    """Make a class a virtual subclass of aiostream's Stream, now or when aiostream is loaded.

    Virtual, because inheriting brings an `__await__` that drains and an `__or__` that mypy can't narrow.
    """
    stream.stream = _streamed
    if "aiostream" in sys.modules:
        sys.modules["aiostream"].Stream.register(stream)
        return
    spec = find_spec("aiostream")
    assert spec is not None
    spec.loader = loader = LazyLoader(_Meeting(spec.loader, stream))  # type: ignore[arg-type]
    sys.modules["aiostream"] = module = module_from_spec(spec)
    loader.exec_module(module)


def _streamed(self: Any) -> Any:
    """Return an aiostream streamer, whose context closes what it iterates over."""
    import aiostream

    return aiostream.streamcontext(self)


class _Meeting:
    """Loads aiostream as its own loader does, and tells it of our streams.

    No subclass of importlib.abc.Loader, whose import would cost more than is saved.
    """

    def __init__(self, loader: Any, stream: Any) -> None:
        self._loader = loader
        self._stream = stream

    def create_module(self, spec: Any) -> Any:
        return self._loader.create_module(spec)

    def exec_module(self, module: Any) -> None:
        module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        module.Stream.register(self._stream)
