"""`ackflow peek`: look at the first messages of a queue, which get them back."""

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

import click

from ackflow.streams.core import Delivery, printable, shown
from ackflow.streams.running.commands.problems import say
from ackflow.streams.running.commands.queues import Place, asked, looked_at

MOST = 10_000
LONGEST_VALUE = 500
"""Characters of a property or header that are shown."""
OFTEN = 10
"""Deliveries of one message after which looking is told to cost: half of RabbitMQ 4's limit."""


@click.command(short_help="Look at the first messages of a queue; they stay in it.")
@click.argument("queue", metavar="AMQP://…/QUEUE")
@click.option("-n", "--number", type=click.IntRange(1, MOST), default=10, help="How many (10).")
@click.option("--body", type=click.IntRange(0), default=500, help="Characters of each body (500).")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, with whole bodies.")
@click.option(
    "--wait",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    help="Seconds to wait for one that others have in hand (1).",
)
def peek(queue: str, number: int, body: int, as_json: bool, wait: float) -> None:
    """Look at the first messages of a queue, their properties, headers and bodies.

    The queue is named as amqp://user:password@host/queue or /vhost/queue, or by its name alone, where
    ACKFLOW_AMQP_URL holds the broker's URL. All go back, marked as redelivered; a quorum queue of
    RabbitMQ before 4.3 counts that toward its delivery limit. Nothing in a message reaches the terminal
    but printable characters.
    """
    place = Place.of(queue)
    waiting, found = asked("peek", _look(place, number, wait))
    for at, delivery in enumerate(found, 1):
        lines = [as_line(delivery)] if as_json else as_text(at, delivery, body)
        click.echo("\n".join(lines))
    _tell(found, waiting, min(number, waiting))


async def _look(place: Place, number: int, wait: float) -> tuple[int, list[Delivery]]:
    waiting = await place.waiting()
    number = min(number, waiting)
    if not number:
        return waiting, []
    return waiting, await looked_at(place.deliveries(prefetch=number + 1), number, wait)


def _tell(found: list[Delivery], waiting: int, wanted: int) -> None:
    say(f"{len(found):,} of {waiting:,} messages that wait" if waiting else "the queue is empty")
    if len(found) < wanted:
        say("the others were taken by a consumer meanwhile, or their properties can't be decoded")
    most = max((delivery.delivery_count for delivery in found), default=0)
    if most >= OFTEN:
        say(
            f"a message here was handed out {most} times before, and looking may count: at its "
            "delivery limit (20 by default since RabbitMQ 4) a quorum queue drops it"
        )


def as_line(delivery: Delivery) -> str:
    """Return a delivery as JSON, in ASCII; a body that is no UTF-8 is in base64."""
    try:
        body = {"body": delivery.body.decode()}
    except UnicodeDecodeError:
        body = {"body_base64": base64.b64encode(delivery.body).decode()}
    whole = {
        "exchange": delivery.exchange,
        "routing_key": delivery.routing_key,
        "redelivered": delivery.redelivered,
        "delivery_count": delivery.delivery_count,
        "properties": dict(delivery.properties),
        "headers": dict(delivery.headers),
        **body,
    }
    return json.dumps(whole, default=str)


def as_text(number: int, delivery: Delivery, most: int) -> Iterator[str]:
    """Yield a delivery as lines for a terminal, whatever is in it."""
    again = f", handed out {delivery.delivery_count} times before" * bool(delivery.delivery_count)
    again = again or ", redelivered" * delivery.redelivered
    click_number = click.style(f"{number}", bold=True)
    yield (
        f"{click_number}  exchange {shown(delivery.exchange)}, routing key "
        f"{shown(delivery.routing_key)}{again}"
    )
    yield from _pairs(delivery.properties, "")
    yield from _pairs(delivery.headers, "header ")
    yield f"   body: {len(delivery.body):,} bytes"
    yield from (f"      {line}" for line in body_lines(delivery.body, most))
    yield ""


def _pairs(pairs: Mapping[str, Any], before: str) -> Iterator[str]:
    for name, value in pairs.items():
        text = (
            printable(value, LONGEST_VALUE)
            if isinstance(value, str)
            else shown(value, LONGEST_VALUE)
        )
        yield f"   {before}{printable(name, 300)}: {text}"


def body_lines(body: bytes, most: int) -> list[str]:
    r"""Return so many characters of a body in printable lines; of what is no UTF-8, Python's bytes.

    Example:
        >>> body_lines(bytes([27, 109]), 100)      # what would colour a terminal
        ['\x1bm']

    """
    if not body or not most:
        return []
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = repr(body[:most])
        return [printable(text, most + 1)]
    if len(text) > most:
        text = f"{text[:most]}…"
    return [printable(line, most + 1) for line in text.split("\n")]
