"""Observer: who hears what becomes of the deliveries of one run, where anybody wants to know.

There is none unless somebody asks (`tracing=`): a run that nobody observes asks for it a few times a run
of messages, and does nothing more. It must not raise: what it hears happens whatever it does.
"""

from collections.abc import Awaitable, Mapping, Sequence
from contextvars import Context
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from ackflow.streams.core.epoch import Epoch
    from ackflow.streams.core.ledger import Verb
    from ackflow.streams.core.outcome import Kind, Outcome
    from ackflow.streams.core.token import Token

T = TypeVar("T")


class Observer(Protocol):
    """Hears of deliveries from when they are handed out until they are settled, and of writes."""

    def taken(self, epoch: "Epoch[Any]", tags: Sequence[int]) -> None:
        """Hear that deliveries are handed out for the first time, or refused."""
        ...

    def failed(self, epoch: "Epoch[Any]", tags: Sequence[int], outcome: "Outcome") -> None:
        """Hear of a failure: an attempt, or the end of them."""
        ...

    def settled(self, epoch: "Epoch[Any]", tags: Sequence[int], verb: "Verb", kind: "Kind") -> None:
        """Hear that deliveries are settled for good; some may never have been handed out."""
        ...

    def ended(self, epoch: "Epoch[Any]") -> None:
        """Hear that a channel is gone: what was not settled comes again by itself."""
        ...

    def written(self, sink: Any, tokens: "Sequence[Token]", writing: Awaitable[T]) -> Awaitable[T]:
        """Return what writes to a sink, for these messages, with whatever is to be around it."""
        ...

    def context(self, token: "Token") -> Context | None:
        """Return the context that a task for one message is to have; None for the current one."""
        ...

    def headers(self, token: "Token") -> Mapping[str, str]:
        """Return the headers by which what is made of a message is known to come from it."""
        ...
