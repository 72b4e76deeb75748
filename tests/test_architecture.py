"""The shape of the project: which folder may import which, and what is in the wheel."""

import ast
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("streams", "operators", "sinks")
CORE = "ackflow.streams.core"

# What a folder may import of ackflow beside itself and core: the arrows of docs/design.md.
ALLOWED = {
    "ackflow.streams": ("ackflow.streams",),
    "ackflow.sinks.amqp": ("ackflow.streams.amqp",),
    # Bytes to lines, the same over HTTP and from files.
    "ackflow.streams.files": ("ackflow.streams.lines",),
    "ackflow.streams.http": ("ackflow.streams.lines",),
    # The status page and the terminal show what Jupyter shows.
    "ackflow.streams.running": ("ackflow.streams.graphs",),
    # The test kit scripts the queue in memory, checks what comes out of it, and draws that.
    "ackflow.streams.testing": ("ackflow.streams.memory", "ackflow.streams.graphs"),
}
# A user of the library like any other: it may import all of it, and nothing else imports it.
COMMANDS = "ackflow.streams.running.commands"


def modules() -> Iterator[tuple[str, Path]]:
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(["ackflow", *(p for p in parts if p != "__init__")]), path


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: absolute names only"
            yield node.module or ""
            if node.module in ("ackflow", "ackflow.streams", "ackflow.sinks"):
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def home(module: str) -> str:
    """Return the folder a module belongs to: the package that may import itself."""
    parts = module.split(".")
    return ".".join(parts[:3]) if len(parts) > 2 and is_package(parts[:3]) else ".".join(parts[:2])


def is_package(parts: list[str]) -> bool:
    return (ROOT / Path(*parts[1:])).is_dir()


def allowed(module: str, imported: str) -> bool:
    if within(module, COMMANDS) or within(imported, COMMANDS):
        return within(module, COMMANDS)
    if imported in ("ackflow",) or within(imported, CORE) or within(imported, home(module)):
        return True
    if module in ("ackflow.streams", "ackflow.sinks", "ackflow.operators"):
        return within(imported, module)
    return any(within(imported, target) for target in ALLOWED.get(home(module), ()))


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


@pytest.mark.parametrize(("module", "path"), list(modules()), ids=lambda value: str(value)[-40:])
def test_imports_point_one_way(module: str, path: Path) -> None:
    for imported in imports(path):
        if imported.split(".")[0] == "ackflow":
            assert allowed(module, imported), f"{module} imports {imported}"
        elif within(module, CORE):
            assert imported.split(".")[0] in sys.stdlib_module_names, f"{module} imports {imported}"


def packages() -> list[str]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found: list[str] = settings["tool"]["setuptools"]["packages"]
    return found


def test_every_folder_with_code_is_a_listed_package() -> None:
    folders = {
        ".".join(["ackflow", *path.parent.relative_to(ROOT).parts])
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
    }
    assert sorted(folders) == packages()


def test_the_wheel_holds_every_module_and_imports_without_the_source(tmp_path: Path) -> None:
    copy = tmp_path / "source"
    tracked = [*FOLDERS, "pyproject.toml", "README.md", "LICENSE"]
    copy.mkdir()
    for name in tracked:
        subprocess.run(["cp", "-r", str(ROOT / name), str(copy)], check=True)
    build = [sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path), str(copy)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for module, path in modules():
        suffix = "/__init__.py" if path.name == "__init__.py" else ".py"
        assert module.replace(".", "/") + suffix in names
    for folder in FOLDERS:
        assert f"ackflow/{folder}/py.typed" in names
    target = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(target)
    code = (
        f"import sys; sys.path[:0] = [{str(target)!r}]\n"
        "from ackflow import operators, sinks, streams\n"
        f"assert streams.__file__.startswith({str(target)!r}), streams.__file__\n"
        "import asyncio\n"
        "pipeline = streams.of(1, 2) | operators.map(str) | sinks.to_list()\n"
        "async def main(): return await pipeline\n"
        "assert asyncio.run(main()) == ['1', '2']\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


@pytest.mark.parametrize("folder", FOLDERS)
def test_importing_from_the_root_of_the_repository_says_what_to_write(folder: str) -> None:
    code = [sys.executable, "-c", f"import {folder}"]
    result = subprocess.run(code, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "ImportError: imported as" in result.stderr
    assert "from ackflow import" in result.stderr


def test_drivers_are_imported_only_when_they_are_used() -> None:
    code = "import sys; from ackflow import operators, sinks, streams; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    drivers = {"aio_pika", "aiormq", "aiohttp", "elasticsearch", "aiosqlite", "orjson", "tenacity"}
    assert not drivers & set(run.stdout.split())


def test_public_names_are_listed_in_order() -> None:
    for module, path in modules():
        if path.name != "__init__.py":
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                names = ast.literal_eval(node.value)
                order = sorted(names, key=lambda n: (not n.isupper(), not n[0].isupper(), n))
                assert names == order, module
