"""The arithmetic of docs/scaling.md, on figures of prototypes, where it was done by hand as well."""

from dataclasses import replace

import pytest

from benchmarks.environments import ROOT
from benchmarks.paper import BEGIN, END, Letters, letters, million, one, paper, put, shares

BY = Letters(c=16e-6, q=88_000, p=31_000, m=700, cores=2, e=111_000)


def test_one_process_carries_the_least_of_its_core_and_both_ends_of_the_queue() -> None:
    assert "min(43,800, 31,000, 88,000) = **31,000 a second**; the limit is what goes into" in one(
        BY
    )
    slow = one(replace(BY, c=35e-6))
    assert (
        "min(20,000, 31,000, 88,000) = **20,000 a second**; the limit is the client's core" in slow
    )
    backlog = one(replace(BY, q=25_000))
    assert "= **25,000 a second**; the limit is what comes out" in backlog


def test_one_machine_needs_queues_enough() -> None:
    # 8 × 0.7 / 16 µs = 350,000, and 350,000 / 31,000 = 11.3
    assert "**350,000 a second**" in one(BY)
    assert "= 12 queues" in one(BY)


@pytest.mark.parametrize(
    "row",
    [
        # 22.9 processes
        "| processes | 10⁶ × c / u = 10⁶ × 16 µs / 0.7 | 23, on 3 machines of 8 cores |",
        # 32.26 × 1.5 = 48.4
        "| queues | 10⁶ / p = 32.3; × 1.5 since hashes do not part evenly | 49 |",
        # 32.26 µs + 11.36 µs, times 4 = 174.5
        "× (1 / p + 1 / q) × 2 cores / 0.5 = 174 cores | 11 of 16 cores |",
        # 523.5 / 16 = 32.7
        "3 × 174 = 523 cores | 33 of 16 cores |",
        "| Elasticsearch, no replica | 10⁶ / e × 2 cores / 0.5 = 36.0 cores | 5 nodes of 8 cores |",
        # 72.07 cores are more than nine nodes have
        "| each document is indexed twice: 72.1 cores | 10 nodes of 8 cores |",
        "| 3.2 Gbit/s, 1.1 for each client machine |",
        "| memory of clients | 49 queues × prefetch 512 × m | 18 MB |",
    ],
)
def test_numbers_of_machines_are_rounded_up(row: str) -> None:
    assert row in million(BY)


def test_clients_are_a_part_of_all_cores() -> None:
    # 22.9 of 22.9 + 523.5 + 72.1
    assert (
        "clients take 4% of the cores: 23 of some 618, with quorum queues and one replica."
        in shares(BY)
    )


def test_what_was_not_measured_is_not_made_up() -> None:
    text = paper(replace(BY, e=None), "")
    assert text.count("not measured yet") == 2
    assert "nodes of 8" not in text
    assert "Elasticsearch is left out" in text


def test_letters_are_taken_from_the_results() -> None:
    def contender(rate: int) -> dict[str, int]:
        return {"per_second": rate}

    measures = {
        "consume": {"contenders": {"socket": contender(88_000), "ackflow": contender(1)}},
        "publish": {"contenders": {"socket": contender(1), "ackflow": contender(31_000)}},
        "end_to_end": {"contenders": {"ackflow": contender(1), "bulks": contender(111_000)}},
    }
    found = {
        "measures": measures,
        "end_to_end_cpu_us": 16,
        "bytes_per_buffered_message": 700,
        "machine": {"processors": 2},
    }
    assert letters(found) == BY


def test_the_rest_of_the_page_stays() -> None:
    page = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    assert page.count(BEGIN) == page.count(END) == 1
    found = {
        "measures": {
            "consume": {"contenders": {"socket": {"per_second": 1}}},
            "publish": {"contenders": {"ackflow": {"per_second": 1}}},
            "end_to_end": {"contenders": {}},
        },
        "end_to_end_cpu_us": 1,
        "bytes_per_buffered_message": 1,
        "commit": "c0ffee",
        "settings": {"rounds": 3, "seconds": 5.0},
        "machine": {"processors": 2, "processor": "one", "system": "any", "python": "3.11"},
    }
    made = put(page, found, 5.0)
    assert made.partition(BEGIN)[0] == page.partition(BEGIN)[0]
    assert made.partition(END)[2] == page.partition(END)[2]
    assert "Measured at commit c0ffee" in made
