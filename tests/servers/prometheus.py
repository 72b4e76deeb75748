"""A Prometheus of one's own that scrapes what a test shows."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

from tests.servers.errors import ServerMissing
from tests.servers.processes import free_port
from tests.servers.server import Server


def missing() -> str | None:
    """Return None where Prometheus can be started, else a sentence that says what to install."""
    if shutil.which("prometheus") is None:
        return (
            "Prometheus: not on this machine; "
            "install it, for example with: apt-get update && apt-get install -y prometheus"
        )
    return None


class Prometheus(Server):
    """A Prometheus that scrapes one target each second, as the job `ackflow`."""

    start_within = 30.0

    def __init__(self, target: str) -> None:
        """`target`: host and port of what has /metrics."""
        if (reason := missing()) is not None:
            raise ServerMissing(reason)
        super().__init__("prometheus")
        self.port = free_port()
        self._target = target

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def prepare(self) -> None:
        job = {"job_name": "ackflow", "static_configs": [{"targets": [self._target]}]}
        settings = {"global": {"scrape_interval": "1s"}, "scrape_configs": [job]}
        (self.folder / "prometheus.json").write_text(json.dumps(settings))  # JSON is YAML, too

    def command(self) -> Sequence[str]:
        return (
            "prometheus",
            f"--config.file={self.folder}/prometheus.json",
            f"--storage.tsdb.path={self.folder}/data",
            f"--web.listen-address=127.0.0.1:{self.port}",
        )

    def environment(self) -> Mapping[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder)}

    def is_ready(self) -> bool:
        try:
            with urlopen(f"{self.url}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    def ask(self, path: str, **parameters: str) -> Any:
        """Return the data that a query of the HTTP API is answered with; raise HTTPError otherwise.

        Source: https://prometheus.io/docs/prometheus/latest/querying/api/
        """
        query = f"{self.url}/api/v1/{path}?{urlencode(parameters)}"
        with urlopen(query, timeout=10) as answer:
            return json.load(answer)["data"]
