"""An extension of griffe, for what it takes another way in our docstrings and packages.

`Example:` and what is indented below it is prose to griffe, unless it is a session of `>>>`: it is put
into fences. A function that a package has from a module of the same name (`operators.distinct`) is the
module to griffe: it is made the function.
"""

import re
from textwrap import dedent, indent
from typing import Any

import griffe

EXAMPLE = re.compile(r"^(?P<at> *)Example:\n(?P<code>(?:(?P=at) +\S.*\n|[ \t]*\n)+)", re.MULTILINE)

NAMED = re.compile(
    r"^(?:(?P<head>Acks:|Source:|Environment:|Raises(?!:)) |(?=`\w+`: ))", re.MULTILINE
)
"""What begins a paragraph: what happens to acks, what is raised, parameters."""


def as_code(docstring: str) -> str:
    """Return a docstring with its examples in fences, and what is named in paragraphs of its own."""
    return NAMED.sub(_paragraph, EXAMPLE.sub(_fenced, docstring + "\n")).rstrip()


def _paragraph(match: re.Match[str]) -> str:
    return f"\n**{match['head']}** " if match["head"] else "\n"


def _fenced(match: re.Match[str]) -> str:
    code = dedent(match["code"]).strip("\n")
    language = "pycon" if code.startswith(">>>") else "python"
    return indent(f"**Example**\n\n```{language}\n{code}\n```\n\n", match["at"])


class AsWritten(griffe.Extension):  # type: ignore[misc,unused-ignore]
    """Puts examples into fences, and functions into the place of modules."""

    def on_instance(self, *, obj: Any, **_: Any) -> None:
        """Change the docstring of whatever has one."""
        if obj.docstring is not None:
            obj.docstring.value = as_code(obj.docstring.value)

    def on_package(self, *, pkg: Any, **_: Any) -> None:
        """Put functions into the place of modules that have their names."""
        for name, member in list(pkg.members.items()):
            if member.is_alias or not member.is_module:
                continue
            self.on_package(pkg=member)
            if name in member.members and name in (pkg.exports or ()):
                pkg.members[name] = griffe.Alias(name, target=member.members[name], parent=pkg)
