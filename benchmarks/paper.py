"""The part of docs/scaling.md with the arithmetic from one core to 10⁶ messages a second."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.measures import OURS
from benchmarks.tables import circumstances, table

BEGIN, END = "<!-- on paper: begin -->", "<!-- on paper: end -->"
WANTED = 1_000_000
"""Messages a second."""
CLIENT, SERVER = 0.7, 0.5
"""Loads: what is full has no reserve."""
UNEVEN = 1.5
"""How many times as many queues as if hashes parted evenly."""
CLIENT_CORES, BROKER_CORES, NODE_CORES = 8, 16, 8
"""Of one machine."""
PREFETCH = 512
MISSING = "not measured yet"


@dataclass(frozen=True)
class Letters:
    """What was measured: c in seconds, q, p and e a second, m in bytes; e may be missing."""

    c: float
    q: float
    p: float
    m: float
    cores: int
    e: float | None = None

    @property
    def core(self) -> float:
        """Messages a second that the core of one client carries."""
        return CLIENT / self.c

    @property
    def brokers(self) -> float:
        """Cores of classic queues: a message goes in and comes out, and they are half loaded."""
        return WANTED * (1 / self.p + 1 / self.q) * self.cores / SERVER

    @property
    def nodes(self) -> float | None:
        """Cores of Elasticsearch without a replica, half loaded."""
        return WANTED / self.e * self.cores / SERVER if self.e else None


def letters(found: Mapping[str, Any]) -> Letters:
    """Take them out of what results.json says."""
    measures = found["measures"]

    def rate(measure: str, contender: str) -> float:
        return float(measures[measure]["contenders"][contender]["per_second"])

    return Letters(
        c=found["end_to_end_cpu_us"] / 1e6,
        q=rate("consume", "socket"),
        p=rate("publish", OURS),
        m=found["bytes_per_buffered_message"],
        cores=found["machine"]["processors"],
        e=rate("end_to_end", "bulks") if "bulks" in measures["end_to_end"]["contenders"] else None,
    )


def put(page: str, found: Mapping[str, Any], least: float) -> str:
    """Return the page with its part made anew."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    parts = paper(letters(found), circumstances(found, least))
    return f"{before}{BEGIN}\n{parts}\n{END}{after}"


def paper(by: Letters, measured: str) -> str:
    """Return the letters and what follows from them."""
    return "\n".join([measured, what(by), one(by), "**10⁶ a second**:\n", million(by), shares(by)])


def what(by: Letters) -> str:
    """Return the table of the letters."""
    e = MISSING if by.e is None else f"{by.e:,.0f}"
    return table(
        [
            ["letter", "what", "in results.json", "measured"],
            [
                "c",
                "client CPU for a message, end to end",
                "`end_to_end_cpu_us`",
                f"{by.c * 1e6:g} µs",
            ],
            ["q", "messages a second out of one queue", "`consume`, the socket", f"{by.q:,.0f}"],
            [
                "p",
                "messages a second into one queue, persistent, confirmed",
                "`publish`, ackflow",
                f"{by.p:,.0f}",
            ],
            [
                "e",
                "documents a second into one node, 8 bulks at once",
                "`end_to_end`, bulks alone",
                e,
            ],
            ["m", "memory for a buffered message", "`bytes_per_buffered_message`", f"{by.m:g} B"],
        ]
    )


def one(by: Letters) -> str:
    """Say what one process and one machine carry."""
    ways = {
        "the client's core": by.core,
        "what goes into the queue": by.p,
        "what comes out of the queue": by.q,
    }
    limit = min(ways, key=lambda way: ways[way])
    queues = math.ceil(CLIENT_CORES * by.core / min(by.p, by.q))
    machine = _short(CLIENT_CORES * by.core)
    return (
        f"**One process on one queue**: min(u / c, p, q) = min({_short(by.core)}, {_short(by.p)}, "
        f"{_short(by.q)}) = **{_short(ways[limit])} a second**; the limit is {limit}. With several "
        f"queues, read side by side (`streams.amqp.queue([…])`) or as shards, its core carries "
        f"u / c = {CLIENT:g} / {by.c * 1e6:g} µs = **{_short(by.core)} a second**. With prefetch "
        f"{PREFETCH} it holds {PREFETCH} × {by.m:g} B = {PREFETCH * by.m / 1e6:.1f} MB of messages for "
        "each.\n\n"
        f"**One machine** of {CLIENT_CORES} cores that clients have to themselves: {CLIENT_CORES} × "
        f"{_short(by.core)} = **{machine} a second**, if the brokers are elsewhere and have "
        f"{machine} / min(p, q) = {queues} queues for it. One queue is one process in the broker, too: "
        "beyond p (or q, while a backlog is read) more consumers on it do nothing.\n"
    )


def million(by: Letters) -> str:
    """Return the table of what 10⁶ messages a second take."""
    processes, queues = math.ceil(WANTED / by.core), _queues(by)
    least, cores = ("p", by.p) if by.p <= by.q else ("q", by.q), by.cores
    machines = math.ceil(processes / CLIENT_CORES)
    rows = [
        ["part", "arithmetic", "number"],
        [
            "processes",
            f"10⁶ × c / u = 10⁶ × {by.c * 1e6:g} µs / {CLIENT:g}",
            f"{processes}, on {machines} machines of {CLIENT_CORES} cores",
        ],
        [
            "queues",
            f"10⁶ / {least[0]} = {WANTED / least[1]:.1f}; × {UNEVEN:g} since hashes do not part evenly",
            f"{queues}",
        ],
        [
            "brokers, classic queues",
            f"in and out, one after the other: 10⁶ × (1 / p + 1 / q) × {cores} cores / {SERVER:g} = "
            f"{by.brokers:,.0f} cores",
            _machines(by.brokers, BROKER_CORES),
        ],
        [
            "brokers, quorum queues",
            f"each message is on three of them: 3 × {by.brokers:,.0f} = {3 * by.brokers:,.0f} cores",
            _machines(3 * by.brokers, BROKER_CORES),
        ],
        *_elasticsearch(by),
        [
            "network, broker to clients",
            "10⁶ × (300 + 100 B of frames) = 0.4 GB/s",
            f"3.2 Gbit/s, {3.2 / machines:.1f} for each client machine",
        ],
        [
            "network, clients to Elasticsearch",
            "10⁶ × (300 + 60 B of action line) = 0.36 GB/s",
            "2.9 Gbit/s, and the same for a replica",
        ],
        [
            "network, producers and replication",
            "0.4 GB/s in; 2 × 0.4 GB/s between brokers for quorum queues",
            "3.2 and 6.4 Gbit/s",
        ],
        [
            "memory of clients",
            f"{queues} queues × prefetch {PREFETCH} × m",
            f"{queues * PREFETCH * by.m / 1e6:.0f} MB",
        ],
    ]
    return table(rows)


def _queues(by: Letters) -> int:
    return math.ceil(UNEVEN * WANTED / min(by.p, by.q))


def _elasticsearch(by: Letters) -> list[list[str]]:
    if by.nodes is None:
        return [["Elasticsearch", f"10⁶ / e × {by.cores} cores / {SERVER:g}", f"e is {MISSING}"]]
    return [
        [
            "Elasticsearch, no replica",
            f"10⁶ / e × {by.cores} cores / {SERVER:g} = {by.nodes:.1f} cores",
            _machines(by.nodes, NODE_CORES, "nodes "),
        ],
        [
            "Elasticsearch, one replica",
            f"each document is indexed twice: {2 * by.nodes:.1f} cores",
            _machines(2 * by.nodes, NODE_CORES, "nodes "),
        ],
    ]


def _machines(cores: float, each: int, name: str = "") -> str:
    return f"{math.ceil(cores / each)} {name}of {each} cores"


def shares(by: Letters) -> str:
    """Say what part of it all is the clients'."""
    clients, others = WANTED / by.core, 3 * by.brokers + 2 * (by.nodes or 0)
    what = "with quorum queues" + (
        " and one replica" if by.nodes else "; Elasticsearch is left out"
    )
    return (
        f"So 10 Gbit/s links are enough everywhere, and clients take {clients / (clients + others):.0%} "
        f"of the cores: {clients:,.0f} of some {clients + others:,.0f}, {what}."
    )


def _short(value: float) -> str:
    """Write a rate with three digits."""
    return f"{float(f'{value:.3g}'):,.0f}"
