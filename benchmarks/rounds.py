"""Rounds: the contenders of a measure in turn, on the same work, checked after each."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks.contenders.task import Task
from benchmarks.environments import python
from benchmarks.measures import Measure
from benchmarks.running import Contender, ContenderFailed, Taken, run
from benchmarks.worlds import Servers

Round = dict[str, Taken]
"""What each contender took."""
SPARE = 1.3
"""Rates move by more than a fifth; a round should be long enough all the same."""

VERY_LONG = 15
"""Times what the fastest takes: who takes longer is measured once."""

WITHIN = 900.0
TINY_WITHIN = 60.0
"""Seconds after which a contender is given up."""

say: Callable[[str], None] = partial(print, flush=True)


@dataclass(frozen=True)
class Effort:
    """How much work: rounds, seconds for the fastest contender, and whether just to see that it runs."""

    rounds: int = 3
    seconds: float = 5.0
    tiny: bool = False


def rounds(measure: Measure, servers: Servers, effort: Effort) -> list[Round]:
    """Measure; every round with the contenders in the opposite order.

    A round that was too short for its fastest contender is not counted, and done again with more work.
    """
    for contender in measure.contenders:
        python(contender.pins)
    if effort.tiny:
        return [one_round(measure, servers, measure.tiny, measure.contenders, "tiny round")]
    amount = calibrated(measure, servers, effort.seconds)
    found: list[Round] = []
    while len(found) < effort.rounds:
        again = measure.contenders if not found else measured_again(measure, found[0])
        order = again[:: -1 if len(found) % 2 else 1]
        each = one_round(measure, servers, amount, order, f"round {len(found) + 1}")
        least = shortest(measure, each)
        if measure.fixed is not None or least >= effort.seconds:
            found.append(each)
        else:
            amount = _stepped(measure, SPARE * amount * effort.seconds / least)
            say(f"{measure.name}: {least:.2f} s are too short; again with {amount:,}")
    return found


def measured_again(measure: Measure, first: Round) -> tuple[Contender, ...]:
    """Return who is measured again: not who takes very long, unless a required figure is theirs."""
    most = VERY_LONG * shortest(measure, first)
    return tuple(
        each
        for each in measure.contenders
        if each.name in measure.required or float(first[each.name]["seconds"]) <= most
    )


def shortest(measure: Measure, found: Round) -> float:
    """Return the seconds that the fastest one took, of those who have to have enough work."""
    names = {each.name for each in measure.timed}
    return min(float(taken["seconds"]) for name, taken in found.items() if name in names)


def calibrated(measure: Measure, servers: Servers, seconds: float) -> int:
    """Return the amount of work that takes the fastest contender so many seconds.

    First everybody does a tiny amount, so that all are known to run; then ackflow and the one that was
    fastest at it do more and more.
    """
    if measure.fixed is not None:
        return measure.fixed
    first = one_round(measure, servers, measure.tiny, measure.contenders, "warming up")
    fastest = min(measure.timed, key=lambda each: float(first[each.name]["seconds"]))
    amounts = []
    for contender in {fastest, measure.contenders[0]}:
        amount, taken = measure.tiny, float(first[contender.name]["seconds"])
        while taken < seconds / 2:
            amount = _stepped(measure, amount * min(20.0, 0.75 * seconds / taken))
            again = one_round(measure, servers, amount, [contender], "calibrating")
            taken = float(again[contender.name]["seconds"])
        amounts.append(SPARE * amount * seconds / taken)
    return _stepped(measure, max(amounts))


def _stepped(measure: Measure, amount: float) -> int:
    return math.ceil(amount / measure.step) * measure.step


def one_round(
    measure: Measure, servers: Servers, amount: int, order: Sequence[Contender], label: str
) -> Round:
    """Let contenders do the same work, one after the other; check each, and that all found the same."""
    found: Round = {}
    for contender in order:
        taken = found[contender.name] = one_run(measure, servers, contender, amount)
        rate = f"{amount / taken['seconds']:12,.0f} {measure.unit}/s"
        cpu = f"{taken['cpu'] / amount * 1e6:8.1f} µs of CPU each"
        what = f"{taken['bytes']:12,.0f} bytes each" if "bytes" in taken else f"{rate}{cpu}"
        say(f"{measure.name}, {label}: {contender.title:36}{what}, {taken['seconds']:.1f} s")
    results = {str(taken.get("results")) for taken in found.values()}
    if len(results) > 1:
        raise ContenderFailed(f"{measure.name}: the results differ: {results}")
    return found


def one_run(measure: Measure, servers: Servers, contender: Contender, amount: int) -> Taken:
    """Run one contender, and hold it to its work."""
    name = f"{measure.name}-{contender.name}".replace("_", "-")
    world = measure.world(servers)
    task = world.prepare(Task("", "", name, name, amount, **measure.settings))
    within = TINY_WITHIN if amount <= measure.tiny else WITHIN
    taken = run(contender, task, processor=world.processor, within=within)
    try:
        world.check(task)
    except ContenderFailed as error:
        raise ContenderFailed(f"{contender.module}: {error}") from None
    return taken
