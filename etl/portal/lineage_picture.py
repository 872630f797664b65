"""The picture of a tenant's lineage: boxes in columns, with curves from where data comes to where it goes.

Belongs here: placing boxes and drawing them. Not here: which boxes there are (`lineage`).
"""

from collections.abc import Mapping

from etl.plural import counted
from etl.portal.drawing import picture, tag, title, words
from etl.portal.page import Level, Lineage, LineageNode

_WIDE, _HIGH, _APART, _BELOW = 174, 46, 38, 14
_LONGEST = 20
_SHORT = {"as extracted": "extract"}
LEVEL_WORDS: Mapping[Level, str] = {
    "good": "in order",
    "notice": "worth a look",
    "unknown": "not known",
    "bad": "needs attention",
    "none": "",
}


def draw(lineage: Lineage) -> str:
    """Return the picture; an empty text if there is nothing to draw."""
    if not lineage.nodes:
        return ""
    columns = {column: number for number, column in enumerate(sorted({each.column for each in lineage.nodes}))}
    rows = _rows(lineage)
    places = {
        each.id: (columns[each.column] * (_WIDE + _APART) + 1, rows[each.id] * (_HIGH + _BELOW) + 1)
        for each in lineage.nodes
    }
    width = len(columns) * (_WIDE + _APART) - _APART + 2
    height = (max(rows.values()) + 1) * (_HIGH + _BELOW) - _BELOW + 2
    edges = [_edge(places[source], places[target]) for source, target in lineage.edges]
    boxes = [_box(each, *places[each.id]) for each in lineage.nodes]
    boxes_counted, ways = counted(len(lineage.nodes), "place"), counted(len(lineage.edges), "connection")
    name = f"Lineage: {boxes_counted} and {ways}; the list below has the same."
    return picture(width, height, name, *edges, *boxes, of="lineage")


def _rows(lineage: Lineage) -> dict[str, float]:
    """Return the row of each box: beside what it is made from, below the others if it is made from nothing."""
    before: dict[str, list[str]] = {}
    for source, target in lineage.edges:
        before.setdefault(target, []).append(source)
    rows: dict[str, float] = {}
    for column in sorted({each.column for each in lineage.nodes}):
        own = [each for each in lineage.nodes if each.column == column]
        wanted: dict[str, float] = {}
        for position, each in enumerate(own):
            known = [rows[source] for source in before.get(each.id, ()) if source in rows]
            wanted[each.id] = sum(known) / len(known) if known else float(position + (len(rows) if rows else 0))
        last = -1.0
        for each in sorted(own, key=lambda node: wanted[node.id]):
            rows[each.id] = last = max(wanted[each.id], last + 1)
    return rows


def _edge(source: tuple[float, float], target: tuple[float, float]) -> str:
    x, y = source[0] + _WIDE, source[1] + _HIGH / 2
    to_x, to_y = target[0] - 5, target[1] + _HIGH / 2
    middle = (to_x - x) / 2
    curve = f"M{x:g} {y:g}C{x + middle:g} {y:g} {to_x - middle:g} {to_y:g} {to_x:g} {to_y:g}"
    head = f"M{to_x - 4:g} {to_y - 4:g}L{to_x + 2:g} {to_y:g}L{to_x - 4:g} {to_y + 4:g}"
    return tag("path", d=curve, class_="edge") + tag("path", d=head, class_="edge head")


def _box(node: LineageNode, x: float, y: float) -> str:
    label = node.label if len(node.label) <= _LONGEST else f"{node.label[: _LONGEST - 1]}…"
    told = ", ".join(filter(None, (node.label, node.kind, LEVEL_WORDS[node.level], node.note)))
    return tag(
        "g",
        title(told),
        tag("rect", x=x, y=y, width=_WIDE, height=_HIGH, rx=8, class_="box"),
        tag("rect", x=x, y=y + 8, width=4, height=_HIGH - 16, rx=2, class_=f"side {node.level}"),
        tag("text", words(label), x=x + 14, y=y + 20, class_="name"),
        tag(
            "text",
            words(
                node.kind
                if node.level in ("good", "none")
                else f"{_SHORT.get(node.kind, node.kind)} · {LEVEL_WORDS[node.level]}"
            ),
            x=x + 14,
            y=y + 36,
            class_="label",
        ),
        class_="node",
    )
