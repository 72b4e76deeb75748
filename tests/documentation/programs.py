"""Blocks that are programs of their own."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from benchmarks import environments
from tests.documentation.blocks import Block
from tests.documentation.cells import STATUS

WITHIN = 60.0
"""Seconds that a program without servers may take."""


def command(block: Block, folder: Path, text: str) -> list[str]:
    """Write a block into a file, and return what runs it."""
    file = folder / (block.title or "program.py")
    file.write_text(text, encoding="utf-8")
    if block.script == "pytest":
        return [sys.executable, "-m", "pytest", "-q", "-W", "error", file.name]
    return [environments.python(block.script or None), file.name]


def start(command: list[str], folder: Path) -> subprocess.Popen[str]:
    """Start a program in a folder."""
    return subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def run(block: Block, folder: Path) -> str:
    """Run a block as a program to its end; return what it printed."""
    process = start(command(block, folder, block.text), folder)
    try:
        printed, complaints = process.communicate(timeout=WITHIN)
    finally:
        process.kill()
    assert process.returncode == 0, f"{block.place}: {printed}\n{complaints}"
    return printed


def look(block: Block, folder: Path) -> str:
    """Run a file's program with its status page, until that shows work done; return what it printed."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    process = start(command(block, folder, block.text.replace(STATUS, address)), folder)
    try:
        _wait_for_work(f"http://{address}/metrics", process)
        process.send_signal(signal.SIGTERM)
        printed, complaints = process.communicate(timeout=WITHIN)
    finally:
        process.kill()
    assert process.returncode == 0, f"{block.place}: {printed}\n{complaints}"
    return printed


def _wait_for_work(url: str, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + WITHIN
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=WITHIN) as answer:
                if re.search(r'outcome="accepted".*} [1-9]', answer.read().decode()):
                    return
        except OSError:  # it does not listen yet
            time.sleep(0.05)
    raise AssertionError(f"{url} shows nothing done")
