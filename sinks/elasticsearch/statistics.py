"""What a bulk sink counts."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class BulkStatistics:
    """The counters of one run of a bulk sink, counted in documents unless said otherwise.

    `indexed` were accepted, the special cases included: `created` new ones, `duplicates` of a
    create that was there already, `stale` ones that a newer version overtook, `missing` deletes of
    nothing, `failure_store` ones that a data stream put aside, `overruled` by `decisions=`.
    `rejected` by error type; `requeued` when the time for retries was over; `retries` sent again.
    `bulks` are requests by HTTP status (0 = no answer), `bisects` requests split in two, `bytes`
    sent, `halts` how often the sink reported an outage. `limit` bulks may be under way at the same
    time, `in_flight` are; `round_trip` is their mean time in seconds.
    """

    indexed: int = 0
    created: int = 0
    duplicates: int = 0
    stale: int = 0
    missing: int = 0
    failure_store: int = 0
    overruled: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    requeued: int = 0
    retries: int = 0
    bulks: Counter[int] = field(default_factory=Counter)
    bisects: int = 0
    bytes: int = 0
    halts: int = 0
    limit: int = 0
    in_flight: int = 0
    round_trip: float = 0.0

    def note(self, name: str, count: int = 1) -> None:
        """Count accepted documents of a special kind, by the name of their counter."""
        setattr(self, name, getattr(self, name) + count)
