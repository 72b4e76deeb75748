"""The pictures of docs/acking.md: `python -m tests.documentation.pictures`."""

from html import escape
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#222}.s{font-size:11px;fill:#555}"
    "rect{fill:#eef4fb;stroke:#4a7ab5;rx:5}.y{fill:#e9f6ec;stroke:#3c8d4f}"
    ".n{fill:#fdecea;stroke:#c0392b}.g{fill:#f3f3f3;stroke:#888}"
    "path{fill:none;stroke:#666;stroke-width:1.4}.d{stroke-dasharray:4 3}"
)
HEIGHT = 30
"""Of a box."""


class Picture:
    """A few boxes with arrows between them."""

    def __init__(self, title: str, width: int, height: int) -> None:
        self._parts: list[str] = []
        self._head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" role="img"><title>{escape(title)}</title>'
            f"<style>{STYLE}</style>"
            '<marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
            'orient="auto"><path d="M0 0 8 4 0 8z" style="fill:#666;stroke:none"/></marker>'
        )

    def box(self, x: int, y: int, text: str, kind: str = "", width: int = 92) -> None:
        """Draw a box; y is its middle."""
        self._parts.append(
            f'<rect class="{kind}" x="{x}" y="{y - HEIGHT // 2}" width="{width}" height="{HEIGHT}"/>'
        )
        self.text(x + width // 2, y + 5, text)

    def text(self, x: int, y: int, text: str, kind: str = "", anchor: str = "middle") -> None:
        """Write a text."""
        said = escape(text)
        self._parts.append(
            f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}">{said}</text>'
        )

    def arrow(self, *points: tuple[int, int], kind: str = "") -> None:
        """Draw an arrow along points."""
        way = "L".join(f"{x} {y}" for x, y in points)
        self._parts.append(f'<path class="{kind}" d="M{way}" marker-end="url(#a)"/>')

    def svg(self) -> str:
        """Return the picture."""
        return "\n".join([self._head, *self._parts, "</svg>", ""])


def one() -> Picture:
    """One message, and its four ends."""
    picture = Picture("What becomes of one message", 660, 200)
    for x, name in ((10, "queue"), (150, "map"), (290, "filter"), (430, "sink")):
        picture.box(x, 40, name, "" if name == "queue" else "g")
    for x in (102, 242, 382):
        picture.arrow((x, 40), (x + 46, 40))
    picture.box(558, 40, "acked", "y")
    picture.arrow((522, 40), (556, 40))
    picture.text(540, 20, "accepted", "s")
    picture.arrow((336, 55), (336, 92), (604, 92), (604, 57))
    picture.text(470, 86, "dropped on purpose: skipped", "s")
    picture.arrow((196, 55), (196, 150), (288, 150))
    picture.arrow((476, 55), (476, 120), (336, 120), (336, 133), kind="d")
    picture.text(212, 112, "raises", "s", "start")
    picture.text(484, 112, "refuses", "s", "start")
    picture.box(290, 150, "held, unacked", "n", 120)
    picture.arrow((290, 158), (56, 158), (56, 57))
    picture.text(150, 174, "handed out again after a wait", "s")
    picture.arrow((410, 150), (512, 150))
    picture.text(462, 144, "attempts spent", "s")
    picture.box(514, 150, "dead letter", "n", 110)
    return picture


def split() -> Picture:
    """A message of three words."""
    picture = Picture("A message that becomes several", 640, 150)
    picture.box(10, 75, "3 x 5")
    picture.arrow((102, 75), (146, 75))
    picture.box(148, 75, "flat_map", "g")
    for y, text, kind in ((28, "3", "y"), (75, "x", "n"), (122, "5", "y")):
        picture.arrow((240, 75), (268, 75), (268, y), (298, y))
        picture.box(300, y, text, kind, 50)
        picture.arrow((350, y), (438, y), *(() if y == 75 else ((470, 75 + (y - 75) // 3),)))
        picture.text(394, y - 6, "fails" if text == "x" else "accepted", "s")
    picture.box(440, 75, "rejected, when all are done", "n", 190)
    return picture


def chunk() -> Picture:
    """Three messages in a chunk."""
    picture = Picture("Messages that become one", 620, 150)
    picture.box(160, 75, "[ a, b, c ]", "g", 110)
    picture.arrow((270, 75), (328, 75))
    picture.box(330, 75, "one bulk", "g", 100)
    for y, name, kind in ((28, "a", "y"), (75, "b", "n"), (122, "c", "y")):
        picture.box(10, y, name, "", 50)
        picture.arrow((60, y), (110, y), (110, 75), (158, 75))
        picture.arrow((430, 75), (464, 75), (464, y), (498, y))
        picture.box(500, y, f"{name} {'rejected' if kind == 'n' else 'acked'}", kind, 110)
    return picture


def ladder() -> Picture:
    """Attempts, and what comes after them."""
    picture = Picture("A message that fails", 680, 110)
    for number, x in enumerate((10, 150, 290, 430)):
        name = f"attempt {number + 1}" if number < 3 else "attempt 5"
        picture.box(x, 40, name, "n")
        if number < 3:
            picture.arrow((x + 92, 40), (x + 138, 40), kind="" if number < 2 else "d")
            picture.text(x + 115, 30, ("1 s", "2 s", "…")[number], "s")
    picture.arrow((522, 40), (566, 40))
    picture.box(568, 40, "dead letter", "n", 102)
    picture.text(220, 82, "held, unacked; waits double, with jitter, up to 60 s", "s")
    picture.text(570, 82, "acked when the sink took it", "s")
    return picture


def ranges() -> Picture:
    """Delivery tags, and the frames that settle them."""
    picture = Picture("Acks on the wire", 560, 90)
    for tag, kind in enumerate(("y", "y", "y", "g", "y", "n", "y"), start=1):
        picture.box(10 + 78 * (tag - 1), 30, str(tag), kind, 62)
    picture.arrow((10, 60), (228, 60))
    picture.text(119, 80, "ack 3, multiple", "s")
    for tag, text in ((4, "under way"), (5, "ack 5"), (6, "reject 6"), (7, "ack 7")):
        x = 41 + 78 * (tag - 1)
        if tag != 4:
            picture.arrow((x, 47), (x, 62))
        picture.text(x, 80, text, "s")
    return picture


PICTURES = {"one": one, "split": split, "chunk": chunk, "ladder": ladder, "range": ranges}


def written() -> dict[Path, str]:
    """Return every picture by its file."""
    return {FOLDER / f"acking-{name}.svg": draw().svg() for name, draw in PICTURES.items()}


if __name__ == "__main__":
    for path, svg in written().items():
        path.write_text(svg, encoding="utf-8")
