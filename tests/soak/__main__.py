"""`python -m tests.soak`: run long enough for what is not given back to show; print one line of JSON."""

import argparse
import asyncio
import json
import platform
import random
import sys
import time
from collections.abc import Sequence
from typing import Any

from tests.soak import load


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument(
        "--minutes", type=float, default=2.0, help="of the words pipeline; 0 for none"
    )
    parser.add_argument(
        "--memory", type=int, default=300_000, help="messages through a queue in memory; 0 for none"
    )
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the faults")
    return parser.parse_args(arguments)


async def soak(chosen: argparse.Namespace) -> dict[str, Any]:
    """Run what is asked for."""
    result: dict[str, Any] = {}
    if chosen.memory:
        result["memory"] = await load.memory(chosen.memory)
    if chosen.minutes:
        result["words"] = await load.words(chosen.minutes, chosen.seed)
    return result


def main() -> int:
    """Print the result, and say by the exit code whether all is as it has to be."""
    chosen = options()
    began = time.monotonic()
    result = asyncio.run(soak(chosen))
    wrong = [f"{name}: {text}" for name, found in result.items() for text in found.pop("wrong")]
    result |= {"minutes": chosen.minutes, "seed": chosen.seed}
    result["seconds"] = round(time.monotonic() - began, 1)
    result["machine"] = f"{platform.machine()}, Python {platform.python_version()}"
    print(json.dumps({**result, "wrong": wrong}))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
