"""`ackflow replay`: dead letters back to the queues they came from."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Any

import click

from ackflow import sinks
from ackflow.streams.core import printable
from ackflow.streams.running.commands.letters import Wanted, target
from ackflow.streams.running.commands.problems import Code, say
from ackflow.streams.running.commands.queues import Place, asked
from ackflow.streams.running.commands.replaying import Group, Replay, Report
from ackflow.streams.running.commands.times import moment

MOST = 65_534
"""Letters that one pass can hold: what AMQP lets a consumer have in hand, and one more."""
EXAMPLE = 100


@click.command(short_help="Send dead letters back to where they came from; first says which.")
@click.argument("queue", metavar="AMQP://…/QUEUE")
@click.option("--error", "errors", multiple=True, metavar="TYPE", help="Of this type of error.")
@click.option("--source", "sources", multiple=True, metavar="QUEUE", help="That came from there.")
@click.option(
    "--since", type=moment, metavar="TIME", help="That failed since: 2h, or 2026-02-01T12:00Z."
)
@click.option("--until", type=moment, metavar="TIME", help="That failed until then.")
@click.option("--limit", type=click.IntRange(min=1), help="So many of them at most.")
@click.option("--to", metavar="QUEUE", help="Send all to this queue of the same vhost.")
@click.option(
    "--look", type=click.IntRange(1, MOST), default=10_000, help="Letters to look at (10,000)."
)
@click.option(
    "--wait",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    help="Seconds to wait for one that others have in hand (1).",
)
@click.option(
    "--run", "--yes", "-y", "act", is_flag=True, help="Do it; without this, only say what."
)
@click.pass_context
def replay(context: click.Context, /, queue: str, act: bool, **options: Any) -> None:
    """Send the dead letters in a queue back to the queues they came from.

    Says what it would do, and does it with --run. Where a letter came from, its error and its time are
    in the headers that a dead-letter sink or RabbitMQ's dead-letter exchange gave it; they are taken
    off, so that its attempts begin anew. A letter leaves the queue when the broker has confirmed the
    copy; all others stay. The queue is named as for peek.
    """
    place = Place.of(queue)
    if options["to"] is not None:
        Place(place.url, options["to"]).check()
    waiting, report = asked("replay", _replay(place, act, options))
    for line in [*_groups(report), *_outcome(report, waiting, act, options)]:
        click.echo(line)
    if report.failures:
        for text, count in Counter(report.failures).most_common(5):
            say(f"{count:,} could not be copied, and stay: {text}")
        context.exit(Code.FAILED)


async def _replay(place: Place, act: bool, options: dict[str, Any]) -> tuple[int, Report]:
    waiting = await place.waiting()
    look = min(waiting, options["look"])
    if not look:
        return waiting, Report()
    wanted = Wanted(
        options["errors"], options["sources"], since=options["since"], until=options["until"]
    )
    sink = partial(sinks.amqp.publish, place.url, routing_key=target, connection_name="ackflow")
    pass_over = Replay(
        place.deliveries(prefetch=look + 1),
        wanted,
        sink if act else None,
        to=options["to"],
        limit=options["limit"],
    )
    return waiting, await pass_over.run(look, options["wait"])


def _groups(report: Report) -> Iterator[str]:
    """Yield a line for each queue and error, the largest first."""
    largest = sorted(report.groups.items(), key=lambda each: -each[1].count)
    for (queue, error), group in largest:
        yield (
            f"{group.count:>8,} → {printable(queue, 255)}  {printable(error, 200) or 'no error named'}"
            f"{_span(group)}"
        )
        if group.example:
            yield f"           {printable(group.example, EXAMPLE)}"


def _span(group: Group) -> str:
    if group.first is None or group.last is None:
        return ""
    if group.first == group.last:
        return f"  at {_moment(group.first)}"
    return f"  from {_moment(group.first)} to {_moment(group.last)}"


def _moment(time: datetime) -> str:
    return time.isoformat(timespec="seconds").replace("+00:00", "Z")


def _outcome(report: Report, waiting: int, act: bool, options: dict[str, Any]) -> Iterator[str]:
    if not waiting:
        yield "the queue is empty"
        return
    if act:
        yield f"{report.copied:,} of {waiting:,} letters went back"
    else:
        yield f"{report.meant:,} of {waiting:,} letters would go back; --run does it"
    if report.lost:
        yield f"{report.lost:,} say of no queue that they came from it, and stay; --to QUEUE sends them"
    more = waiting > options["look"] and report.meant != options["limit"]
    if more and options["look"] < MOST:
        yield f"{report.looked:,} were looked at; --look {min(waiting, MOST)} looks at more"
    elif more:
        yield f"{report.looked:,} were looked at, which is all that a pass can hold; do it again"
