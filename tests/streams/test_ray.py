"""Ray: a real cluster of two workers, one of which is killed; `make ray` installs it."""

import asyncio
import functools
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import pytest

from ackflow import operators as op
from ackflow import sinks
from tests.documentation.blocks import ROOT, blocks
from tests.operators import workers
from tests.queues import assert_all_closed, closed

ray = pytest.importorskip("ray", reason="make ray installs it, 240 MB")

pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """A cluster of two workers on this machine."""
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": str(ROOT)}},
    )
    yield
    ray.shutdown()


def on_ray(f: Callable[[Any], Any]) -> Any:
    """The operator of the documentation's block, with this function."""
    (block,) = (each for each in blocks(ROOT / "docs/scaling.md") if "ray.remote" in each.text)
    names = {"Executor": Executor, "functools": functools, "ray": ray, "op": op, "f": f, "cpus": 2}
    exec(block.text, names)
    return names["on_ray"]


async def test_calls_survive_the_death_of_a_worker(tmp_path: Path) -> None:
    """Ray calls again, on another worker, what was on the one that died."""
    mark = tmp_path / "mark"
    queue = closed([str(mark) if number == 20 else "" for number in range(40)])
    values = await (queue | on_ray(workers.killed_once) | sinks.to_list())
    assert mark.exists()
    assert_all_closed(queue)
    assert values == queue.acked
    assert len(values) == 40


async def test_a_value_that_kills_every_worker_fails_alone() -> None:
    dead = sinks.to_list()
    queue = closed(range(6), attempts=1, dead_letter=dead)
    values = await (queue | on_ray(workers.dies_at_three) | sinks.to_list())
    assert values == [0, 1, 2, 4, 5]
    assert [letter.body for letter in dead.values] == [3]
    assert "WorkerCrashedError" in dead.values[0].headers["x-ackflow-error"]


async def test_a_value_whose_call_raises_is_rejected_alone() -> None:
    queue = closed([1, -1, 2], attempts=1, dead_letter="discard")
    pipeline = queue | on_ray(workers.unless_bad) | sinks.to_list()
    assert await pipeline == [1, 2]
    (failure,) = pipeline.summary.failures.values()
    assert "below zero: -1" in failure.example


async def test_a_drain_waits_for_the_calls_that_ray_has_taken(tmp_path: Path) -> None:
    queue = closed([str(tmp_path / str(number)) for number in range(40)])
    handle = (queue | on_ray(workers.slowly_marked) | op.chunk(100) | sinks.to_list()).start()
    while not any(tmp_path.iterdir()):
        await asyncio.sleep(0.01)
    await handle.drain()
    made = {str(path) for path in tmp_path.iterdir()}
    assert made == set(queue.acked)
    assert len(made) < 40
