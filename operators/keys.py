"""Keys: what a user's key function makes of each value, beside the value."""

from collections.abc import Callable
from typing import Any

from ackflow.operators.functions import OfFunction, call_each, name
from ackflow.streams.core import Context, Run, Step, is_awaitable, refuse_awaitable, shown


class Keyed(OfFunction, Step):
    """Puts the key of each value before it; what has no key, or one that can't be one, fails.

    A step of its own before the stage that needs the keys, so that its failures are dealt with as
    those of every other step: caught, tried again in an outage, the failing message alone.
    """

    def __init__(self, operator: str, function: Callable[[Any], Any]) -> None:
        super().__init__(function)
        self.name = f"{operator}.key"  # type: ignore[misc]
        self._call = f"op.{operator}(key)"

    def bind(self, context: Context) -> Callable[[Run[Any]], Run[Any]]:
        def pair(value: Any) -> tuple[Any, Any]:
            return self._key(value), value

        def apply(run: Run[Any]) -> Run[Any]:
            return Run(call_each(self._call, pair, run), run.tokens)

        pair.__name__ = name(self.function)
        return apply

    def _key(self, value: Any) -> Any:
        key = self.function(value)
        if is_awaitable(type(key)):
            refuse_awaitable(self._call, self.function, key)
        try:
            hash(key)
        except TypeError as error:
            raise TypeError(
                f"{self._call}: {name(self.function)} must return something hashable, "
                f"got {shown(key)}; a tuple or a string made of it is"
            ) from error
        return key
