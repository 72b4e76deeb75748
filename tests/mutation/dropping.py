"""DropStatement: an operator of our own beside cosmic-ray's."""

from collections.abc import Iterator
from typing import Any

from cosmic_ray.operators.operator import Example, Operator
from parso.python.tree import Keyword

CALLS = ("atom_expr", "power", "await_expr")
"""What parso calls a statement that is a call, awaited or not."""


class DropStatement(Operator):  # type: ignore[misc]
    """Puts `pass` in the place of a call whose result nobody uses, or of an assignment."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
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
