"""`python -m tests.chaos`: run every scenario, print one line of JSON."""

import argparse
import asyncio
import json
import platform
import random
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.chaos.account import Account, together
from tests.chaos.plan import LONG, SHORT, plans
from tests.chaos.scenarios import KINDS, SCENARIOS
from tests.chaos.trial import Trial
from tests.chaos.world import World
from tests.servers.elasticsearch import Elasticsearch
from tests.servers.proxy import Proxy
from tests.servers.rabbitmq import RabbitMQ

FORMS: Mapping[str, tuple[Mapping[str, int], int]] = {
    "short": (SHORT, 6_000),
    "long": (LONG, 105_000),
}
"""Faults in all, and messages for each of the scenarios."""
UNLIMITED = [(name, kind) for kind in ("classic", "quorum") for name in SCENARIOS]
ALL = [*UNLIMITED, ("words", "limited")]


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--form", choices=FORMS, default="short")
    parser.add_argument("--messages", type=int, help="messages of each scenario")
    parser.add_argument("--only", choices=SCENARIOS, help="one scenario alone")
    parser.add_argument("--kind", choices=KINDS, help="one kind of queue alone")
    parser.add_argument("--minutes", type=float, default=60.0, help="give up after so many")
    return parser.parse_args(arguments)


async def chaos(chosen: argparse.Namespace) -> dict[str, Any]:
    """Run the chosen scenarios and add up what became of their messages."""
    faults, messages = FORMS[chosen.form]
    accounts: list[Account] = []
    # Dealt out among all scenarios, so that one alone has the faults that it has in a whole run.
    searches = [SCENARIOS[name].searches for name, _ in ALL]
    dealt = zip(ALL, plans(faults, searches, chosen.seed), strict=True)
    with RabbitMQ() as rabbitmq, Elasticsearch() as search, tempfile.TemporaryDirectory() as folder:
        async with Proxy(rabbitmq.url) as amqp, Proxy(search.url) as http:
            world = World(rabbitmq, search, Path(folder), amqp, http)
            for (name, kind), plan in dealt:
                if chosen.only not in (None, name) or chosen.kind not in (None, kind):
                    continue
                trial = Trial(world, SCENARIOS[name], kind, chosen.messages or messages, plan)
                try:
                    accounts.append(account := await trial.run())
                except BaseException:
                    print(await trial.told(), file=sys.stderr)
                    raise
                print(f"{trial.name}: {account}", file=sys.stderr)
        illegal = rabbitmq.process.log.read_text(errors="replace").count("unknown delivery tag")
    accounts[-1].illegal_acks = illegal
    return {"seed": chosen.seed, "form": chosen.form, **together(accounts)}


def main() -> int:
    """Print the result, and say by the exit code whether all is as it has to be."""
    chosen = options()
    began = time.monotonic()

    async def bounded() -> dict[str, Any]:
        task = asyncio.current_task()
        assert task is not None
        # So that servers and the process of the pipeline end with this one.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        async with asyncio.timeout(60 * chosen.minutes):
            return await chaos(chosen)

    result = asyncio.run(bounded())
    result["seconds"] = round(time.monotonic() - began, 1)
    result["machine"] = f"{platform.machine()}, Python {platform.python_version()}"
    print(json.dumps(result))
    return 1 if result["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
