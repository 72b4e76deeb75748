"""The table of operators in the README, made from the code: `python -m tests.operator_table`."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ackflow import operators as op

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- operators: begin -->", "<!-- operators: end -->"
HEAD = ["| operator | what it does | what happens to acks |", "|---|---|---|"]


def operators() -> Iterator[tuple[str, Any]]:
    """Yield every public operator with its name."""
    for name in op.__all__:
        if not inspect.isclass(getattr(op, name)):
            yield name, getattr(op, name)


def call(name: str, function: Any) -> str:
    """Write a call of an operator with its settings and their defaults."""
    parameters = [
        p for p in inspect.signature(function).parameters.values() if p.name != "misplaced"
    ]
    settings = [_setting(p) for p in parameters]
    by_name = [p.kind is p.KEYWORD_ONLY for p in parameters]
    starred = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    if any(by_name) and not starred:
        settings.insert(by_name.index(True), "*")
    return f"{name}({', '.join(settings)})"


def _setting(parameter: inspect.Parameter) -> str:
    star = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    if parameter.default is parameter.empty:
        return star + parameter.name
    default = parameter.default
    shown = default.__name__ if inspect.isclass(default) else repr(default)
    return f"{parameter.name}={shown}"


def summary(function: Any) -> str:
    """Return the first sentence of a docstring, without its full stop."""
    first = (inspect.getdoc(function) or "").split("\n\n")[0]
    return " ".join(first.split()).rstrip(".")


def acks(function: Any) -> str:
    """Return what a docstring says of acks, up to where it goes into detail."""
    found = re.search(r"^Acks: (.+?)(?:[.:;,] |[.:;,]?\n|[.]$)", _text(function), re.DOTALL | re.M)
    if found is None:
        raise ValueError(f"{function.__name__}: the docstring says nothing after 'Acks:'")
    return found[1]


def _text(function: Any) -> str:
    return (inspect.getdoc(function) or "") + "\n"


def table() -> str:
    """Write the whole table."""
    rows = [f"| `{call(n, f)}` | {summary(f)} | {acks(f)} |" for n, f in operators()]
    return "\n".join([*HEAD, *rows])


def written(readme: str) -> str:
    """Return a README with the table as it has to be."""
    before, rest = readme.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    README.write_text(written(README.read_text(encoding="utf-8")), encoding="utf-8")
