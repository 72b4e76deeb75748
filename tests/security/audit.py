"""Known vulnerabilities of what is installed: `python -m tests.security.audit`, by pip-audit.

Asks PyPI, and OSV about what PyPI does not answer for. Ends with 1 where a package has a known
vulnerability, and with 2 where nobody answers for some package; with `--if-reachable` that is said, and
passes: without a network to a database of vulnerabilities nobody can know.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from typing import Any

Service = Sequence[str]
"""The options of pip-audit that choose whom to ask."""
SERVICES: tuple[Service, ...] = (
    ("--vulnerability-service=pypi",),
    ("--vulnerability-service=osv",),
)
SECONDS = 300


def installed() -> list[str]:
    """Return what is installed, as pinned requirements."""
    command = [sys.executable, "-m", "pip", "freeze", "--all", "--exclude-editable"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=SECONDS)
    return [line for line in listed.stdout.splitlines() if "==" in line]


def ask(service: Service, requirements: Iterable[str]) -> list[dict[str, Any]]:
    """Return what a service says of each package; nothing where it gives no answer at all."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.write("\n".join(requirements))
        file.flush()
        command = [sys.executable, "-m", "pip_audit", *service]
        command += ["--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json"]
        command += ["--requirement", file.name]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    try:
        found: list[dict[str, Any]] = json.loads(answer.stdout)["dependencies"]
    except (ValueError, KeyError):
        last = answer.stderr.strip().rpartition("\n")[2]
        print(f"audit: {service[0]} gives no answer: {last[:200]}", file=sys.stderr)
        return []
    return found


def audit(
    requirements: Iterable[str], services: Iterable[Service] = SERVICES
) -> tuple[list[str], list[str]]:
    """Return the vulnerabilities found, and the packages that nobody answers for."""
    vulnerable: list[str] = []
    left = {canonical(each): each for each in requirements}
    for service in services:
        for package in ask(service, left.values()) if left else ():
            if "vulns" in package:
                vulnerable += [f"{package['name']}: {each['id']}" for each in package["vulns"]]
                left.pop(canonical(package["name"]), None)
    return vulnerable, sorted(left)


def canonical(requirement: str) -> str:
    """Return the name of a package as packages are compared by it."""
    return re.sub(r"[-_.]+", "-", requirement.partition("==")[0]).lower()


def main() -> int:
    """Audit, and say what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.security.audit", description=__doc__)
    parser.add_argument("--if-reachable", action="store_true", help="pass where nobody answers")
    chosen = parser.parse_args()
    requirements = installed()
    vulnerable, left = audit(requirements)
    answered = len(requirements) - len(left)
    print(f"audit: {answered} of {len(requirements)} packages, {len(vulnerable)} vulnerabilities")
    for each in vulnerable:
        print(f"audit: {each}; upgrade it, or say in SECURITY.md why it does no harm")
    if left:
        print(f"audit: nobody answers for {len(left)}: {', '.join(left)[:500]}", file=sys.stderr)
    if vulnerable:
        return 1
    return 2 if left and not chosen.if_reachable else 0


if __name__ == "__main__":
    sys.exit(main())
