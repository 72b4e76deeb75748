"""distinct: values whose key was not there before."""

from collections import OrderedDict
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Hashable,
    Iterator,
    Sequence,
    Set,
)
from typing import Any, overload

from ackflow.operators.functions import check_function
from ackflow.operators.keeping import now
from ackflow.operators.keys import Keyed
from ackflow.operators.variables import A
from ackflow.streams.core import (
    SKIPPED,
    Context,
    Delivery,
    Kind,
    Operator,
    Outcome,
    RootToken,
    Run,
    Same,
    Stage,
    Token,
    check_count,
    check_seconds,
    close,
    fresh,
    settle,
)


class Distinct(Stage):
    """Drops values whose key was there before; takes pairs of key and value."""

    name = "distinct"
    passes_failures = True

    def __init__(self, within: float | None, keys: int) -> None:
        self.within = within
        self.keys = keys

    @property
    def settings(self) -> dict[str, Any]:
        return {"within": self.within, "keys": self.keys}

    def places(self, before: int) -> int:
        return 0

    async def runs(
        self, context: Context, *inputs: AsyncIterator[Run[Any]]
    ) -> AsyncGenerator[Run[Any]]:
        (upstream,) = inputs
        keys = _Keys(self, context)
        try:
            async for run in upstream:
                first = keys.select(run) if run.error is None else run
                if first.values:
                    yield first
        finally:
            await close(upstream)


class _Keys:
    """The keys of one `distinct` in one run: those that are remembered, and those under way."""

    def __init__(self, stage: Distinct, context: Context) -> None:
        self._stage = stage
        self._context = context
        self._session = context.session
        self._remembered: OrderedDict[Hashable, float] = OrderedDict()
        """When the first value of a key was accepted, the oldest first."""
        self._holders: dict[Hashable, Holder] = {}
        self._reconnects = 0

    def select(self, run: Run[Any]) -> Run[Any]:
        """Return the first values of their keys; of the others, those that are not dropped wait."""
        self._forget_old()
        self._forget_lost()
        first: Run[Any] = Run([], tokens := [])
        known: list[Token] = []
        for (key, value), token in zip(run.values, run.tokens, strict=True):
            try:
                holder, remembered = self._holders.get(key), key in self._remembered
            except Exception as error:  # keys that can't be compared
                self._context.failed(Run([value], [token], error))
                continue
            if remembered:
                known.append(token)
            elif holder is not None:
                holder.duplicates.append(token)
            else:
                self._holders[key] = holder = Holder(token, key, self)
                first.values.append(value)
                tokens.append((holder, 0))
        settle(known, SKIPPED)
        # What waits for what a chunk keeps back is kept back with it.
        self._session.relieve()
        return first

    def settled(self, holder: "Holder", outcome: Outcome) -> None:
        """Remember the key of a value that was accepted, or dropped further down."""
        if self._holders.get(holder.key) is holder:
            del self._holders[holder.key]
        if outcome.kind <= Kind.SKIPPED:
            self._remembered[holder.key] = now()
            self._remembered.move_to_end(holder.key)
            if len(self._remembered) > self._stage.keys:
                self._remembered.popitem(last=False)

    def _forget_old(self) -> None:
        if self._stage.within is None:
            return
        oldest = now() - self._stage.within
        while self._remembered and next(iter(self._remembered.values())) <= oldest:
            self._remembered.popitem(last=False)

    def _forget_lost(self) -> None:
        """Forget keys whose messages have lost their channel: they may have been left out by now."""
        reconnects = self._session.summary.reconnects
        if self._reconnects != reconnects:
            self._reconnects = reconnects
            living = {key: each for key, each in self._holders.items() if not each.closed}
            self._holders = living


class Holder:
    """The account of the first message of a key, and of those that wait for what becomes of it.

    It is closed once the channels of all of them are gone: while one is left, its value is needed.
    """

    __slots__ = ("_keys", "_token", "duplicates", "key")

    def __init__(self, token: Token, key: Hashable, keys: _Keys) -> None:
        self.key = key
        self.duplicates: list[Token] = []
        self._token = token
        self._keys = keys

    @property
    def closed(self) -> bool:
        return not (fresh(self._token) or any(map(fresh, self.duplicates)))

    def settle(self, tags: Sequence[int], outcome: Outcome) -> None:
        """Settle the message; its duplicates are dropped, or fail as it did and come again, too."""
        duplicates, self.duplicates = self.duplicates, []
        settle([self._token], outcome)
        self._keys.settled(self, outcome)
        settle(duplicates, SKIPPED if outcome.kind <= Kind.SKIPPED else outcome)

    def judge(self, error: Exception) -> Outcome:
        account, _ = self._token
        return account.judge(error)

    def eased(self) -> None:
        """Pass it on."""
        for account, _ in (self._token, *self.duplicates):
            account.eased()

    def wholes(self, tags: Set[int]) -> Sequence[Token]:
        return (self._token, *self.duplicates)

    def roots(self, tag: int) -> Iterator[RootToken]:
        for account, own in (self._token, *self.duplicates):
            yield from account.roots(own)

    def delivery(self, tag: int) -> Delivery | None:
        account, own = self._token
        return account.delivery(own)


def itself(value: Any) -> Any:
    """Return the value: the key where none is asked for."""
    return value


@overload
def distinct(key: None = None, within: float | None = None, keys: int = 1_000_000) -> Same: ...
@overload
def distinct(  # pyright: ignore[reportOverlappingOverload]  # what takes any value comes first
    key: Callable[[object], Hashable], within: float | None = None, keys: int = 1_000_000
) -> Same: ...
@overload
def distinct(
    key: Callable[[A], Hashable], within: float | None = None, keys: int = 1_000_000
) -> Operator[A, A]: ...
def distinct(
    key: Callable[[Any], Hashable] | None = None,
    within: float | None = None,
    keys: int = 1_000_000,
) -> Same | Operator[Any, Any]:
    """Drop values whose `key(value)` was there before; without `key`, values that were.

    Example:
        await (streams.of(1, 2, 1) | op.distinct() | sinks.to_list())      # [1, 2]

    A key is remembered once its first value was accepted by the sinks, or dropped further down. Until
    then its duplicates wait, unacked, for what becomes of that one: they are dropped when it is
    accepted, and fail with it otherwise, so that none is dropped for the sake of one that is lost. What
    was seen is known to one run of a pipeline, in one process.
    Acks: settles what it drops as skipped, which acks it. When the first value of a key fails, each
    duplicate has the same outcome: it comes again by its own source's policy, having spent an attempt,
    and whichever comes first is the first value then. A list after `chunk` is one unit.
    `within`: seconds above 0 for which a key is remembered, or None for as long as there is room;
    `keys`: keys remembered at most, 1 and up; the oldest are forgotten first.
    Raises TypeError or ValueError, where it is written, for settings that can't be meant; a value whose
    key is not hashable fails by itself.
    """
    if key is not None:
        check_function("op.distinct(key)", key, instead="op.map_async before it")
    check_seconds("op.distinct(within)", within)
    check_count("op.distinct(keys)", keys, 1, "leave it out for 1,000,000")
    return Operator(Keyed("distinct", itself if key is None else key), Distinct(within, keys))
