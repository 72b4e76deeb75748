"""Operators of our own beside cosmic-ray's."""

from collections.abc import Iterator
from typing import Any

from cosmic_ray.operators.operator import Example, Operator
from parso.python.tree import Keyword, Name

Place = tuple[tuple[int, int], tuple[int, int]]
CALLS = ("atom_expr", "power", "await_expr")
"""What parso calls a statement that is a call, awaited or not."""
NEVER = "UnicodeTranslateError"
"""An exception that neither streams/core nor a test of it raises."""


class DropStatement(Operator):  # type: ignore[misc]
    """Puts `pass` in the place of a call whose result nobody uses, or of an assignment."""

    def mutation_positions(self, node: Any) -> Iterator[Place]:
        """Yield where such a statement is."""
        if node.type == "simple_stmt" and self._droppable(node.children[0]):
            yield node.children[0].start_pos, node.children[0].end_pos

    @staticmethod
    def _droppable(statement: Any) -> bool:
        if statement.type in CALLS:
            return True
        if statement.type != "expr_stmt":
            return False
        target, sign = statement.children[:2]
        augmented = sign.type == "operator" and sign.value != "="
        return target.type in CALLS or augmented

    def mutate(self, node: Any, index: int) -> Any:
        """Put `pass` there."""
        first = node.children[0].get_first_leaf()
        node.children[0] = Keyword("pass", first.start_pos, first.prefix)
        return node

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example("f(1)", "pass"), Example("a.b = 1", "pass"))


class ReplaceException(Operator):  # type: ignore[misc]
    """Has a handler miss one of its exceptions; cosmic-ray's knows no names with a dot."""

    def mutation_positions(self, node: Any) -> Iterator[Place]:
        """Yield where the exceptions of a handler are."""
        for _, _, name in self._names(node):
            yield name.start_pos, name.end_pos

    @staticmethod
    def _names(node: Any) -> list[tuple[Any, int, Any]]:
        """Return what holds each name, at which place, and the name."""
        if node.type != "except_clause":
            return []
        holder, places = node, [1]
        if node.children[1].type == "atom":  # brackets, and in them one name or several
            holder, places = node.children[1], [1]
            if holder.children[1].type == "testlist_comp":
                holder = holder.children[1]
                places = list(range(0, len(holder.children), 2))
        return [(holder, place, holder.children[place]) for place in places]

    def mutate(self, node: Any, index: int) -> Any:
        """Put another exception there."""
        holder, place, name = self._names(node)[index]
        first = name.get_first_leaf()
        holder.children[place] = Name(NEVER, first.start_pos, first.prefix)
        return node

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example("try: f()\nexcept a.B: pass", f"try: f()\nexcept {NEVER}: pass"),
            Example("try: f()\nexcept (A, B): pass", f"try: f()\nexcept (A, {NEVER}): pass", 1),
        )
