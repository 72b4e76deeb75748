"""The commands of `python -m tests.servers`: up, down, run."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TextIO

from tests.servers import downloads
from tests.servers.elasticsearch import ELASTICSEARCH_9, Elasticsearch
from tests.servers.errors import ServerError
from tests.servers.processes import POLL_EVERY, free_port, wait_until
from tests.servers.rabbitmq import RabbitMQ

UP_WITHIN = 1200.0
DOWN_WITHIN = 60.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = _parser().parse_args(given)
    options.given = given
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except ServerError as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.servers",
        description="RabbitMQ and Elasticsearch on loopback ports, without Docker.",
    )
    commands = parser.add_subparsers(required=True, metavar="up | down | run")
    up = commands.add_parser("up", help="start both; they end with Ctrl-C, or with `down`")
    up.add_argument("--amqp-port", type=int, default=5672, metavar="PORT")
    up.add_argument("--elasticsearch-port", type=int, default=9200, metavar="PORT")
    up.add_argument("--free-ports", action="store_true", help="whatever ports are free")
    up.add_argument("--elasticsearch-version", default=ELASTICSEARCH_9, metavar="VERSION")
    up.add_argument("--json", action="store_true", help="print the URLs as one line of JSON")
    up.add_argument("--detach", action="store_true", help="return when both are up")
    up.set_defaults(command=_up)
    down = commands.add_parser("down", help="end what `up` started")
    down.set_defaults(command=_down)
    run = commands.add_parser(
        "run",
        help="start both on free ports, run a command, end both",
        description="COMMAND finds the URLs in ACKFLOW_AMQP_URL and ACKFLOW_ELASTICSEARCH_URL, "
        "and in place of {amqp} and {elasticsearch} in its words.",
    )
    run.add_argument("--elasticsearch-version", default=ELASTICSEARCH_9, metavar="VERSION")
    run.add_argument("words", nargs="+", metavar="-- COMMAND")
    run.set_defaults(command=_run)
    return parser


# up


def _up(options: argparse.Namespace) -> int:
    return _up_detached(options) if options.detach else _up_here(options)


def _up_here(options: argparse.Namespace) -> int:
    """Hold the servers, and the lock of the state file, until a signal comes."""
    with _state() as state, _ending_by_signal() as ended, ExitStack() as stack:
        free = options.free_ports
        amqp = free_port() if free else options.amqp_port
        search = free_port() if free else options.elasticsearch_port
        urls = _start(stack, amqp, search, options.elasticsearch_version)
        state.write(json.dumps({"pid": os.getpid(), **urls}))
        state.flush()
        _tell(urls, options.json)
        while not ended():
            time.sleep(POLL_EVERY)
    return 0


def _start(stack: ExitStack, amqp: int, search: int, version: str) -> dict[str, str]:
    """Start both at once, to be closed by *stack*; return their URLs."""
    servers = [RabbitMQ(port=amqp), Elasticsearch(version, port=search)]
    for server in servers:
        stack.callback(server.close)
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda server: server.start(), servers))
    return {"amqp": servers[0].url, "elasticsearch": servers[1].url}


def _tell(urls: dict[str, str], as_json: bool) -> None:
    if as_json:
        print(json.dumps(urls), flush=True)
    else:
        print("\n".join(f"{name} {url}" for name, url in urls.items()), flush=True)


@contextmanager
def _ending_by_signal() -> Iterator[Callable[[], bool]]:
    """Turn SIGINT and SIGTERM into a flag; while servers start, into an orderly end."""
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if came:
            raise KeyboardInterrupt
        came.append(number)

    before = {each: signal.signal(each, note) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _up_detached(options: argparse.Namespace) -> int:
    """Start `up` in the background and return when its servers are up."""
    log = downloads.cache() / "up.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    here = [word for word in options.given if word != "--detach"]
    with log.open("w") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.servers", *here],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=Path(__file__).parents[2],
            start_new_session=True,
        )
    wait_until(lambda: child.poll() is not None or _pid_up() == child.pid, UP_WITHIN)
    if _pid_up() != child.pid:
        raise ServerError(f"up --detach: the servers did not come up:\n{log.read_text()}")
    child.returncode = 0  # It is to outlive us: no warning about that.
    _tell({key: _read_state()[key] for key in ("amqp", "elasticsearch")}, options.json)
    print("end them with: python -m tests.servers down", file=sys.stderr)
    return 0


# down


def _down(options: argparse.Namespace) -> int:
    """End the process of `up`, which ends its servers."""
    pid = _pid_up()
    if pid is None:
        print("nothing is up")
        return 0
    os.kill(pid, signal.SIGTERM)
    if not wait_until(lambda: _pid_up() is None, DOWN_WITHIN):
        raise ServerError(f"down: process {pid} has not ended within {DOWN_WITHIN:g} s")
    return 0


# The state file: what is up, locked by the process that holds it up


def _state_file() -> Path:
    return downloads.cache() / "up.json"


@contextmanager
def _state() -> Iterator[TextIO]:
    path = _state_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        # A moment's patience: who asks what is up takes the lock for an instant.
        if not wait_until(lambda: _lock(file), within=1):
            raise ServerError(
                f"up: already up ({path}); end that with: python -m tests.servers down"
            )
        file.truncate(0)
        try:
            yield file
        finally:
            file.truncate(0)


def _lock(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read_state() -> dict[str, str]:
    content = _state_file().read_text()
    return dict(json.loads(content)) if content else {}


def _pid_up() -> int | None:
    """Return the id of the process that holds servers up; what has died holds no lock."""
    if not _state_file().exists():
        return None
    with _state_file().open("a") as file:
        if _lock(file):
            return None
    pid = _read_state().get("pid")
    return int(pid) if pid else None


# run


def _run(options: argparse.Namespace) -> int:
    """Run a command between the start and the end of two servers."""
    with ExitStack() as stack:
        began = time.monotonic()
        version = options.elasticsearch_version
        urls = _start(stack, free_port(), free_port(), version)
        print(f"servers up after {time.monotonic() - began:.0f} s: {urls}", file=sys.stderr)
        words = [_with_urls(word, urls) for word in options.words]
        environment = {f"ACKFLOW_{name.upper()}_URL": url for name, url in urls.items()}
        return _call(words, os.environ | environment)


def _with_urls(word: str, urls: dict[str, str]) -> str:
    for name, url in urls.items():
        word = word.replace(f"{{{name}}}", url)
    return word


def _call(words: Sequence[str], environment: dict[str, str]) -> int:
    """Run *words* to the end; signals are theirs to answer, and we wait."""
    try:
        child = subprocess.Popen(words, env=environment)
    except OSError as error:
        raise ServerError(f"run: {words[0]}: {error.strerror}") from None

    def pass_on(number: int, frame: FrameType | None) -> None:
        child.send_signal(number)

    # A terminal sends Ctrl-C to the command as well.
    signal.signal(signal.SIGINT, lambda number, frame: None)
    signal.signal(signal.SIGTERM, pass_on)
    code = child.wait()
    return code if code >= 0 else 128 - code
