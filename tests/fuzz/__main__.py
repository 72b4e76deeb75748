"""`python -m tests.fuzz --seconds N [TARGET …]`: look for bytes that break a promise of a target."""

import argparse
import importlib
import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import SystemRandom
from typing import Any

NAMES = ("lines", "frames", "deliveries", "verdicts", "letters", "answers", "replies", "addresses")
LONGEST = 4_096
"""Bytes of an input at most."""
TOO_LONG = 10
"""Seconds within which an input is dealt with, or it hangs."""
MOST_MIB = 2_048


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(NAMES)}; all")
    parser.add_argument("--seconds", type=float, default=60.0, help="for all targets together")
    parser.add_argument("--seed", type=int, help="leave it out for another one each time, printed")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    chosen, rest = parser.parse_known_args(arguments)
    chosen.rest = rest
    chosen.targets = chosen.targets or list(NAMES)
    if chosen.seed is None:
        chosen.seed = SystemRandom().randrange(1, 2**31)
    if unknown := set(chosen.targets) - set(NAMES):
        parser.error(f"there is no target {', '.join(sorted(unknown))}, only {', '.join(NAMES)}")
    return chosen


def fuzz(name: str) -> None:
    """Fuzz one target in this process, which ends with it."""
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["ackflow", "pamqp"]):
        from tests.fuzz.targets import TARGETS
    atheris.Setup(sys.argv, TARGETS[name].run)
    atheris.Fuzz()


def started(name: str, seconds: float, seed: int) -> int:
    """Fuzz one target in a process of its own; return its exit code."""
    from tests.fuzz.targets import TARGETS

    with tempfile.TemporaryDirectory() as folder:
        for number, seed_bytes in enumerate(TARGETS[name].seeds):
            Path(folder, str(number)).write_bytes(seed_bytes)
        command = [
            sys.executable, "-m", "tests.fuzz", name, "--inside", folder, f"-max_len={LONGEST}",
            f"-max_total_time={max(1, round(seconds))}", f"-timeout={TOO_LONG}", f"-seed={seed}",
            f"-rss_limit_mb={MOST_MIB}", f"-artifact_prefix={tempfile.gettempdir()}/ackflow-{name}-",
            "-print_final_stats=1", "-verbosity=0",
        ]  # fmt: skip
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, errors="replace"
        )
    said = [line for line in done.stderr.splitlines() if not line.startswith("INFO: Instrumenting")]
    if done.returncode:
        print(*said, done.stdout, sep="\n")
    units = next((line.split()[-1] for line in said if "number_of_executed_units" in line), "?")
    print(f"{name}: {units} inputs in {seconds:.0f} s, exit code {done.returncode}", flush=True)
    return done.returncode


def main() -> int:
    """Fuzz every target that was chosen; return 1 where a promise was broken."""
    if importlib.util.find_spec("atheris") is None:
        sys.exit("tests.fuzz needs atheris: .venv/bin/python -m pip install 'atheris>=3.0'")
    chosen = options()
    if chosen.inside:
        (name,) = chosen.targets
        sys.argv = [sys.argv[0], *chosen.rest]
        fuzz(name)
        return 0
    # At the beginning, so that it is known of a run that is ended by somebody else, too.
    print(f"seed {chosen.seed}: --seed {chosen.seed} begins with the same inputs", flush=True)
    share = chosen.seconds / len(chosen.targets)
    broken = [name for name in chosen.targets if started(name, share, chosen.seed)]
    print(f"broken: {', '.join(broken)}" if broken else "no promise was broken", flush=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
