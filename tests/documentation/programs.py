"""Blocks that are programs of their own."""

import os
import subprocess
import sys
from pathlib import Path

from benchmarks import environments
from tests.documentation.blocks import Block

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
