"""Portion: what one write to a sink consists of, down to the messages that are settled singly."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ackflow.streams.core.errors import shown
from ackflow.streams.core.outcome import ACCEPTED, Outcome
from ackflow.streams.core.run import Run
from ackflow.streams.core.token import Joined, Token, all_fresh, fresh, settle

if TYPE_CHECKING:
    from ackflow.streams.core.session import Session

ENTRIES = (type(None), Exception)
"""What a sink may say of an element: that it is written, or why it is not."""


class Portion:
    """Messages of one write: single elements, or the members of one chunk."""

    def __init__(self, values: list[Any], tokens: Sequence[Token], *, chunk: bool) -> None:
        self._values = values
        self._tokens = tokens
        self._chunk = chunk
        self._settled: set[int] = set()

    @classmethod
    def of(cls, run: Run[Any], places: int) -> "Portion":
        """Take a run; a single chunk whose entries are still its members is taken apart."""
        if places and len(run) == 1:
            value, (account, _) = run.values[0], run.tokens[0]
            if isinstance(account, Joined) and len(value) == len(account.tokens):
                return cls(list(value), account.tokens, chunk=True)
        return cls(run.values, run.tokens, chunk=False)

    @property
    def size(self) -> int:
        """How many messages are not settled."""
        return len(self._values)

    @property
    def items(self) -> list[Any]:
        """What the sink is given: the elements, a chunk being one."""
        return [self._values] if self._chunk else self._values

    @property
    def tokens(self) -> Sequence[Token]:
        """What settles the messages that are not settled."""
        return self._tokens

    @property
    def run(self) -> Run[Any]:
        """The elements as a run."""
        if self._chunk:
            return Run([self._values], [(Joined(self._tokens), 0)])
        return Run(self._values, self._tokens)

    def fresh(self) -> "Portion":
        """Leave out the messages whose channel is gone: they come again."""
        if all_fresh(self._tokens):
            return self
        keep = [index for index, token in enumerate(self._tokens) if fresh(token)]
        return self._select(keep)

    def _select(self, keep: Sequence[int]) -> "Portion":
        values = [self._values[index] for index in keep]
        return Portion(values, [self._tokens[index] for index in keep], chunk=self._chunk)

    def halves(self) -> "Iterator[Portion]":
        """Yield the first and the second half."""
        middle = self.size // 2
        yield self._select(range(middle))
        yield self._select(range(middle, self.size))

    def entries(self, answer: Sequence[Exception | None], sink: str) -> Sequence[Exception | None]:
        """Return the sink's answer with one entry per message; raise RuntimeError where it is none."""
        check_answer(answer, sink)
        if len(answer) == self.size:
            return answer
        if self._chunk and len(answer) == 1:
            return list(answer) * self.size
        if (
            self.size == 1
            and isinstance(self._values[0], list)
            and len(answer) == len(self._values[0])
        ):
            # A list that is one unit, answered by the entry: the first error is the unit's.
            return [next((error for error in answer if error is not None), None)]
        raise RuntimeError(
            f"{sink}.write(items) must return None or one entry per element or member of a chunk: "
            f"{self.size} were written, {len(answer)} entries came back; None says that all are"
        )

    def accept(self, indices: Sequence[int]) -> None:
        """Settle messages that are written, together."""
        if len(indices) == self.size:
            self.settle_all(ACCEPTED)
            return
        self._settled.update(indices)
        settle([self._tokens[index] for index in indices], ACCEPTED)

    def settle_all(self, outcome: Outcome) -> None:
        """Settle every message alike."""
        settle(self._tokens, outcome)
        self._values, self._tokens = [], []

    def fail(self, index: int, error: Exception, session: "Session", stage: str) -> None:
        """Settle one message with what its source's policy makes of an error."""
        self._settled.add(index)
        session.failed(Run([self._values[index]], [self._tokens[index]], error), stage)

    def forget_settled(self) -> None:
        """Keep only what is not settled, for the next try."""
        keep = [index for index in range(self.size) if index not in self._settled]
        rest = self._select(keep)
        self._values, self._tokens, self._settled = rest._values, rest._tokens, set()


def check_answer(answer: object, sink: str) -> None:
    """Raise RuntimeError for an answer that is no list of exceptions and None."""
    fits = isinstance(answer, Sequence) and not isinstance(answer, str | bytes)
    if not fits or not all(issubclass(kind, ENTRIES) for kind in set(map(type, answer))):  # type: ignore[call-overload]
        raise RuntimeError(
            f"{sink}.write(items) must return None or a list of None and exceptions, "
            f"got {shown(answer)}; None says that all are written"
        )
