"""The mutants of a module: cosmic-ray's, without those that no run of a program can show."""

import ast
import hashlib
import pickle
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

from tests.mutation.noise import noise
from tests.mutation.own import DropStatement, ReplaceException

HERE = Path(__file__).parent
OWN = {operator.__name__: operator for operator in (DropStatement, ReplaceException)}
SETTINGS: dict[str, Any] = tomllib.loads((HERE / "settings.toml").read_text(encoding="utf-8"))

OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.Is: ast.IsNot,
    ast.In: ast.NotIn,
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
}
OPPOSITE |= {opposite: sign for sign, opposite in OPPOSITE.items()}


@dataclass(frozen=True)
class Mutant:
    """One change of one module: `key` names it while the definition it is in is as it is."""

    path: str
    operator: str
    line: int
    name: str
    """What was changed, in words that outlive other changes of the module: `where: old → new`."""
    source: str
    span: tuple[int, int]
    """The first and the last line of the statement, or of the head of the block, it is in."""

    body: tuple[int, int]
    """The lines of the definition it is in."""

    @property
    def key(self) -> str:
        first, last = self.body
        text = "\n".join(self.source.splitlines()[first - 1 : last])
        digest = hashlib.sha256(f"{self.name}\n{text}".encode()).hexdigest()[:20]
        return f"{self.path}:{digest}"


def mutants(path: str) -> list[Mutant]:
    """Return the mutants of a module, each different program once."""
    source = Path(path).read_text(encoding="utf-8")
    tree = ast.parse(source)
    found: dict[str, Mutant] = {}
    for operator, occurrence, line in changes(source, tree):
        changed = mutate_code(source, get(operator), occurrence)
        if (program := parsed(changed)) is not None and program not in found:
            spans = [span for span in statements(tree) if span[0] <= line <= span[1]]
            span = min(spans, key=lambda span: span[1] - span[0])
            where, body = definition(tree, line)
            name = f"{where}: {described(source, changed, line, operator)}"
            found[program] = Mutant(path, operator, line, name, changed, span, body or span)
    found.pop(parsed(source) or "", None)
    return sorted(found.values(), key=lambda mutant: mutant.line)


def kept_mutants(path: str, folder: Path) -> list[Mutant]:
    """Return the mutants of a module, which are found once and then kept in a folder."""
    made = [
        Path(path),
        *(HERE / name for name in ("mutants.py", "noise.py", "own.py", "settings.toml")),
    ]
    said = hashlib.sha256(b"".join(file.read_bytes() for file in made)).hexdigest()[:16]
    kept = folder / f"{Path(path).stem}-{said}.pickle"
    if not kept.exists():
        kept.write_bytes(pickle.dumps(mutants(path)))
    found: list[Mutant] = pickle.loads(kept.read_bytes())
    return found


def changes(source: str, tree: ast.Module) -> Iterator[tuple[str, int, int]]:
    """Yield the operator, its occurrence and the line of every change that is no noise."""
    left_out = noise(tree)
    nodes = list(ast_nodes(get_ast(source)))
    # The * before parameters that are given by name, which cosmic-ray takes for a product.
    marks = {node.start_pos for node in nodes if node.parent and node.parent.type == "parameters"}
    for name in operators():
        operator = get(name)
        positions = [start for node in nodes for start, _ in operator.mutation_positions(node)]
        for occurrence, place in enumerate(positions):
            noisy = any(start <= place < end for start, end in left_out) or place in marks
            if not noisy:
                yield name, occurrence, place[0]


def statements(tree: ast.Module) -> list[tuple[int, int]]:
    """Return the lines of every statement; of one with a body those before the body."""
    spans = []
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt | ast.match_case | ast.ExceptHandler):
            place: Any = node.pattern if isinstance(node, ast.match_case) else node
            first = min([place.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
            body = getattr(node, "body", None)
            last = max(place.lineno, body[0].lineno - 1) if body else place.end_lineno
            spans.append((first, last))
    return spans


def operators() -> list[str]:
    """Return the names of the operators that settings.toml asks for."""
    kept = set(SETTINGS["operators"]["kept"])
    for kind in ("ReplaceBinaryOperator", "ReplaceComparisonOperator"):
        for old, others in SETTINGS["replacements"].items():
            kept |= {f"{kind}_{old}_{new}" for new in others}
    known = {name.removeprefix("core/") for name in operator_names()}
    return [*sorted(kept & known), *OWN]


def get(name: str) -> Any:
    """Return the operator of a name."""
    return OWN[name]() if name in OWN else get_operator(f"core/{name}")()


def parsed(source: str | None) -> str | None:
    """Return what makes two sources the same program, or None for what is no program."""
    try:
        return None if source is None else ast.dump(Straight().visit(ast.parse(source)))
    except SyntaxError:
        return None


class Straight(ast.NodeTransformer):
    """Writes what is said with `not` without it, as far as that is the same condition."""

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        self.generic_visit(node)
        match node:
            case ast.UnaryOp(ast.Not(), ast.UnaryOp(ast.Not(), inner)):
                return inner
            case ast.UnaryOp(ast.Not(), ast.Compare(left, [sign], [right])):
                return ast.Compare(left, [OPPOSITE[type(sign)]()], [right])
        return node


def described(source: str, changed: str, line: int, operator: str) -> str:
    """Say a change by the line before and after."""
    before, after = (text.splitlines()[line - 1].strip() for text in (source, changed))
    return f"{before} → {'(gone)' if operator == 'RemoveDecorator' else after}"


def definition(tree: ast.Module, line: int) -> tuple[str, tuple[int, int] | None]:
    """Return the qualified name of the innermost definition around a line, and a function's lines."""
    around: list[tuple[int, int, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            last = node.end_lineno or first
            if first <= line <= last:
                around.append((first, last, node))
    if not around:
        return "module", None
    around.sort(key=lambda place: place[0])
    first, last, innermost = around[-1]
    name = ".".join(node.name for *_, node in around)
    return name, None if isinstance(innermost, ast.ClassDef) else (first, last)
