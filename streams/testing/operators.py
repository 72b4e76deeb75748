"""check_operator: every law, on an operator of one's own."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from ackflow.streams.core import check_count
from ackflow.streams.testing import laws
from ackflow.streams.testing.cases import Function, OperatorCase, case_of, none, nothing
from ackflow.streams.testing.searching import import_hypothesis, search, strategy


@dataclass(frozen=True)
class Law:
    """A law: what it promises, how it is checked on a case and an input, and where to look."""

    promise: str
    check: Callable[..., Coroutine[Any, Any, None]]
    look: str
    """What to look at in an operator that breaks it."""
    draws: Callable[[Any, Any], dict[str, Any]] = lambda st, value: {}
    """What the check is given beside the input, by Hypothesis strategies."""
    applies: Callable[[OperatorCase], bool] = lambda case: True
    sizes: tuple[int, int] = (0, 14)
    """How many values go in."""
    cost: int = 1
    """How many examples of other laws one of this law costs."""

    def __str__(self) -> str:
        return self.promise


LAWS = (
    Law(
        "without tracking, what comes out is what the list model says",
        laws.equals_the_model,
        "the model; what is kept back when the stream ends; what is handed on twice",
    ),
    Law(
        "one operator value serves two streams at once",
        laws.serves_two_streams_at_once,
        "state that lies in the operator instead of in its `runs`",
    ),
    Law(
        "each delivery is settled once, with the outcome that the contracts give",
        laws.settles_each_delivery_once,
        "every way a message can leave: handed on, dropped (skip), kept back at the end of the stream",
        lambda st, value: {"credit": st.integers(0, 2)},
    ),
    Law(
        "an error in a user's function settles its own messages alone",
        laws.errors_settle_their_own_messages,
        "what happens to the other values of the same run, and whether the error reaches `fail`",
        lambda st, value: {"bad": st.lists(value, max_size=4)},
        lambda case: case.calls,
    ),
    Law(
        "aborting gives back whatever the sink has not accepted",
        laws.aborting_gives_back,
        "settlements before a message was handed on: whoever hands on must not settle",
        lambda st, value: {"number": st.integers(0, 14)},
    ),
    Law(
        "cancelled at any turn of the loop, it leaves only acked and requeued messages",
        laws.cancelling_gives_back,
        "`except BaseException`, and `finally` blocks that settle: cancellation is no outcome",
        sizes=(3, 7),
        cost=8,
    ),
    Law(
        "lost connections lose nothing",
        laws.lost_connections_lose_nothing,
        "what is kept back while the channel of its messages ends: it comes again, so leave it out",
        lambda st, value: {"numbers": st.lists(st.integers(0, 14), max_size=3)},
    ),
    Law(
        "looking settles nothing, and closes the source after break",
        laws.looking_settles_nothing,
        "settlements before a message was handed on, and what is iterated but never closed",
        lambda st, value: {"number": st.integers(1, 5)},
    ),
    Law(
        "the source is closed at every exit: end, early end, error, cancellation",
        laws.closes_its_source,
        "what is iterated but never closed: `async with closing(messages)` around the `async for`",
        lambda st, value: {
            "exit": st.sampled_from(["end", "early", "error", "cancel"]),
            "number": st.integers(0, 5),
        },
    ),
    Law(
        "it holds no more messages than it says",
        laws.holds_no_more_than_it_says,
        "`holds`, and pulls that begin before there is room for what they bring",
        lambda st, value: {"number": st.integers(0, 5)},
        lambda case: case.bound is not None,
        sizes=(0, 40),
    ),
)
"""Contract 13, and what contracts 4, 7, 8 and 9 say of every operator."""


def check_operator(
    make: Any,
    model: Callable[[list[Any]], list[Any]],
    *,
    calls: bool | None = None,
    ordered: bool = True,
    elementwise: bool = True,
    back: Callable[[list[Any]], list[Any]] = nothing,
    skipped: Callable[[list[Any]], int] = none,
    extra: int = 0,
    values: Any = None,
    examples: int = 25,
    seed: int | None = None,
) -> None:
    """Check every law of operators on one of your own.

    Example:
        def test_halved_keeps_the_laws():
            testing.check_operator(lambda f: halved(f), model=lambda xs: [x // 2 for x in xs])

    The laws: what comes out equals the model, tracked and untracked; each delivery is settled exactly
    once, as the contracts say; an error in a user's function settles its own messages alone; aborting
    it, or cancelling it at any turn of the loop, leaves only acked and requeued messages; lost
    connections lose nothing; looking settles nothing; the source is closed at every exit; no more
    messages are held than declared; one operator value serves two streams at once.
    Acks: of queues in memory, which the checks make, in virtual time.
    `make`: a function that is given a function of one value (which returns it, or raises) and returns
    the operator that calls it; or an operator that calls nothing. `model`: what comes out, on lists.
    `calls`: whether the operator calls the function once for each value, and a failure is that value's
    alone; known where `make` is an operator. `ordered`: whether the order is the model's.
    `elementwise`: whether what comes out for a value hangs on that value alone. `back`: which values are
    given back untouched. `skipped`: how many values are dropped and acked. `extra`: how many values
    come from streams of the operator's own. `values`: a list of values to choose from, or a Hypothesis
    strategy for one; small whole numbers where it is None. `examples`: inputs per law. `seed`: for other
    inputs than those of every run.
    Raises AssertionError with the law, the smallest input that breaks it, and what to look at;
    RuntimeError inside a running loop; ImportError without Hypothesis (the extra `testing`).
    """
    __tracebackhide__ = True
    fields = {"ordered": ordered, "elementwise": elementwise, "back": back, "skipped": skipped}
    case = case_of(make, calls, model=model, extra=extra, values=values, **fields)
    for law in LAWS:
        if law.applies(case):
            check_law(law, case, examples=examples, seed=seed)


def check_law(law: Law, case: OperatorCase, *, examples: int = 25, seed: int | None = None) -> None:
    """Check one law on one case; raise AssertionError where it is broken."""
    __tracebackhide__ = True
    check_count("testing.check_operator(examples)", examples, 1, "leave it out for 25")
    strategies = import_hypothesis("check_operator").strategies
    value = strategy(case.values)
    least, most = law.sizes

    def say(drawn: Mapping[str, Any], error: BaseException) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in drawn.items())
        return (
            f"{case} breaks a law: {law.promise}\n  with {given}:\n  "
            f"{str(error) or repr(error)}\n  look at {law.look}"
        )

    async def check(**drawn: Any) -> None:
        await law.check(case, **drawn)

    draws = {"xs": strategies.lists(value, min_size=least, max_size=most)}
    draws.update(law.draws(strategies, value))
    search(check, draws, say=say, examples=max(1, examples // law.cost), seed=seed)


__all__ = ["LAWS", "Function", "Law", "check_law", "check_operator"]
