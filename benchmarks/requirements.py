"""What is required of the figures in results.json."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Requirement:
    """A figure, in words, and the least or the most it has to be."""

    key: str
    what: str
    bound: float
    at_most: bool = False

    def met_by(self, value: float) -> bool:
        """Say whether a figure is good enough."""
        return value <= self.bound if self.at_most else value >= self.bound

    @property
    def wanted(self) -> str:
        """The bound in words."""
        return f"at {'most' if self.at_most else 'least'} {self.bound:g}"


REQUIRED = (
    Requirement(
        "consume_vs_aio_pika", "take and ack, against aio-pika's iterator with an ack each", 9
    ),
    Requirement("consume_vs_aiormq", "the same against aiormq's callback with cumulative acks", 3),
    Requirement("consume_vs_socket", "the same against a bare socket", 0.85),
    Requirement("end_to_end_vs_asyncworker", "RabbitMQ into Elasticsearch, against asyncworker", 4),
    Requirement("end_to_end_vs_handwritten", "the same against aio-pika and async_bulk by hand", 5),
    Requirement("end_to_end_cpu_us", "CPU of the client per message in it, µs", 16, at_most=True),
    Requirement(
        "publish_vs_aio_pika", "publish with confirms, against aio-pika, 500 in flight", 3.5
    ),
    Requirement("operators_vs_async_generators", "tracked, against untracked async generators", 1),
    Requirement("operators_vs_aiostream", "the same against aiostream", 10),
    Requirement("map_async_vs_streamable", "tracked, against untracked streamable", 1),
    Requirement("bulk_vs_helpers", "bulks of 256, against async_streaming_bulk", 6),
    Requirement("bytes_per_buffered_message", "resident bytes, bodies of 300 B", 700, at_most=True),
)


def judged(
    figures: Mapping[str, float],
    spreads: Mapping[str, tuple[float, float]],
    required: Sequence[Requirement] = REQUIRED,
) -> list[list[str]]:
    """Return the rows of the table: figure, what, required, measured, spread, met or not."""
    rows = [["figure", "what", "required", "median", "spread", ""]]
    for each in required:
        if each.key not in figures:
            continue
        value, (low, high) = figures[each.key], spreads[each.key]
        verdict = "met" if each.met_by(value) else "NOT MET"
        rows.append(
            [each.key, each.what, each.wanted, f"{value:g}", f"{low:g} to {high:g}", verdict]
        )
    return rows
