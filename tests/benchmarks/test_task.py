"""What a contender reports of itself is its own."""

import subprocess
import sys

MEGABYTE = 1_000_000
REPORT = "from benchmarks.contenders.task import peak; print(peak())"


def printed(program: str) -> int:
    """Run a program; return the number that it prints."""
    command = [sys.executable, "-c", program]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_peak_is_not_that_of_whoever_started_the_process() -> None:
    large = "import subprocess, sys; kept = b'x' * 200_000_000; "
    start = f"subprocess.run([sys.executable, '-c', {REPORT!r}], check=True)"
    assert 0 < printed(large + start) < 100 * MEGABYTE


def test_peak_is_the_most_that_was_ever_held() -> None:
    assert printed(f"kept = b'x' * 200_000_000; del kept; {REPORT}") > 200 * MEGABYTE
