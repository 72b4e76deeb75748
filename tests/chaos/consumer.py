"""One pipeline in a process of its own: `python -m tests.chaos.consumer SETTINGS`, as JSON."""

import json
import logging
import sys

from tests.chaos.scenarios import SCENARIOS, Log, Places


def main() -> None:
    """Run the pipeline until a signal drains it."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    settings = json.loads(sys.argv[1])
    scenario = SCENARIOS[settings.pop("scenario")]
    log = Log(settings.pop("log"))
    queues = tuple(settings.pop("queues"))
    print(scenario.make(Places(log=log, queues=queues, **settings)).run(), file=sys.stderr)


if __name__ == "__main__":
    main()
