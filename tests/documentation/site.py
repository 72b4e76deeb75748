"""Checks of the built site: `python -m tests.documentation.site`. `make docs` runs them."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.documentation.public import PUBLIC, names

SITE = Path(__file__).parents[2] / "build" / "site"
LOADED = re.compile(r'<(?:script|img|iframe|source)[^>]* src="((?:https?:)?//[^"]+)"')
STYLES = re.compile(
    r'<link[^>]* rel="(?:stylesheet|icon|preload)"[^>]* href="((?:https?:)?//[^"]+)"'
)
IN_STYLES = re.compile(r"(?:@import|url\()\s*[\"']?((?:https?:)?//[^\"')]+)")


def missing(reference: str) -> Iterator[str]:
    """Yield the public names that are not in the reference."""
    ids = set(re.findall(r'id="(ackflow[^"]*)"', reference))
    for module in PUBLIC:
        for name in names(module):
            if f"{module.__name__}.{name}" not in ids:
                yield f"{module.__name__}.{name}"


def foreign(page: str) -> list[str]:
    """Return what a page or a style sheet loads from elsewhere."""
    return [each for found in (LOADED, STYLES, IN_STYLES) for each in found.findall(page)]


def main() -> int:
    """Check the site; print what is wrong, and return how much that is."""
    pages = [p for p in SITE.rglob("*") if p.suffix in (".html", ".css")]
    texts = {page: page.read_text(encoding="utf-8") for page in pages}
    reference = "".join(text for page, text in texts.items() if page.parent.name == "reference")
    wrong = [f"{name}: not in the reference" for name in missing(reference)]
    wrong += [
        f"{page.relative_to(SITE)}: loads {each}" for page in texts for each in foreign(texts[page])
    ]
    print(*wrong or [f"{len(pages)} files, nothing from outside"], sep="\n")
    return len(wrong)


if __name__ == "__main__":
    sys.exit(min(main(), 1))
