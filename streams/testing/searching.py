"""Looking for an input that breaks a law, by Hypothesis, each try on a virtual loop of its own."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from types import ModuleType
from typing import Any

from ackflow.streams.testing.clock import run

Check = Callable[..., Coroutine[Any, Any, None]]


def search(
    check: Check,
    draws: Mapping[str, Any],
    *,
    say: Callable[[Mapping[str, Any], BaseException], str],
    examples: int,
    seed: int | None,
) -> None:
    """Run a check on examples, and raise AssertionError for the smallest that fails.

    `draws`: a strategy for each parameter; `say`: what to say of a failure, given what was drawn.
    Without a `seed` the examples are the same each time.
    """
    __tracebackhide__ = True
    hypothesis = import_hypothesis("check_…")

    def example(**drawn: Any) -> None:
        __tracebackhide__ = True
        try:
            run(check(**drawn))
        except Exception as error:
            raise AssertionError(say(drawn, error)) from error

    settings = hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=seed is None,
        phases=[hypothesis.Phase.generate, hypothesis.Phase.shrink],
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    searching = settings(hypothesis.given(**draws)(example))
    (searching if seed is None else hypothesis.seed(seed)(searching))()


def import_hypothesis(call: str) -> ModuleType:
    """Import Hypothesis, or say how to get it; raise RuntimeError inside a running loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        raise RuntimeError(f"{call}: makes loops of its own; call it from a plain `def test_…`")
    try:
        import hypothesis
        import hypothesis.strategies
    except ImportError as error:
        raise ImportError(
            f"{call}: looks for inputs by Hypothesis, which is not there; "
            "pip install 'ackflow[testing]'"
        ) from error
    return hypothesis


def strategy(values: Any) -> Any:
    """Return a strategy for single values: small whole numbers, or one of those given."""
    strategies = import_hypothesis("check_…").strategies
    if values is None:
        return strategies.integers(-4, 20)
    return strategies.sampled_from(values) if isinstance(values, list | tuple) else values
