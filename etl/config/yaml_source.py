"""Reads YAML text into a tree of values with their places in the file.

Belongs here: reading bytes, and the dangers of YAML itself (encoding, tabs, duplicate keys, several documents, aliases
that expand to huge trees). Not here: what the keys mean.

Built on the events of PyYAML's C parser, because its composer recurses without a limit. Scalars follow YAML 1.2: only
`true` and `false` are booleans, so `no`, `on` and `yes` stay texts; `010` and `12:30` stay texts; a plain `2026-01-01`
is a date. Each scalar keeps its text, so that a text value of a model is exactly as written. Keys are always texts.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import yaml

from etl.config.findings import ConfigFinding, KeyPath
from etl.config.yaml_explained import explain
from etl.suggest import nearest

SIZE_LIMIT = 1_000_000
DEPTH_LIMIT = 40
NODE_LIMIT = 100_000

Scalar = str | int | float | bool | date | None

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,99})|0x[0-9a-fA-F]{1,32}|0o[0-7]{1,32}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?")
_SPECIAL = {".inf": "inf", "+.inf": "inf", "-.inf": "-inf", ".nan": "nan"}
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATETIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?(?:Z|[-+][0-9:]+)?"
)
_FLATTER = "write the file flatter, or without aliases of large parts"
_TAG_PREFIX = "tag:yaml.org,2002:"
_TAGS = frozenset({"str", "int", "float", "bool", "null", "map", "seq", "timestamp"})


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the file, counted from 1."""

    line: int = 1
    column: int = 1


@dataclass(frozen=True, slots=True)
class Node:
    """One value: a scalar, a mapping or a list. `size` and `depth` count everything that aliases expand to.

    `text` is the scalar as written; after interpolation `text` is the result, and `source` is the written text.
    """

    value: Scalar | dict[str, "Node"] | list["Node"]
    mark: Mark
    text: str = ""
    source: str = ""
    plain: bool = False
    keys: Mapping[str, Mark] = field(default_factory=dict)
    size: int = 1
    depth: int = 1


@dataclass(frozen=True, slots=True)
class Document:
    """The tree of one file, and the problems of its YAML. There is no tree if the file could not be read."""

    root: Node | None
    findings: tuple[ConfigFinding, ...] = ()


def parse(raw: bytes) -> Document:
    """Read one YAML document. No content of the document raises an error."""
    if len(raw) > SIZE_LIMIT:
        return _broken(f"the file has {len(raw):,} bytes; allowed: {SIZE_LIMIT:,}", "divide it into several tenants")
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _broken("the file is UTF-16", "save it as UTF-8")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        column = error.start - before.rfind(b"\n")
        problem = f"the file is not UTF-8 (byte 0x{raw[error.start]:02x})"
        return _broken(problem, "save it as UTF-8", Mark(before.count(b"\n") + 1, column))
    builder = _Builder(text)
    try:
        root = builder.build()
    except yaml.MarkedYAMLError as error:
        wrong = explain(error, text)
        return _broken(wrong.problem, wrong.remedy, Mark(wrong.line, wrong.column))
    except yaml.reader.ReaderError as error:
        problem = f"a control character that YAML does not allow (U+{_code(error):04X})"
        return _broken(problem, "remove it; it cannot be seen", _mark_at(text, error.position))
    except _RefusedError as error:
        return _broken(error.problem, error.remedy, error.mark)
    return Document(root, tuple(builder.findings))


def resolve_plain(text: str) -> Scalar:
    """Return the value of an unquoted scalar."""
    if text in _NULLS:
        return None
    if text in _BOOLS:
        return _BOOLS[text]
    first = text[0]
    if not (first.isdigit() or first in "+-."):
        return text
    if _INT.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    if text.lower() in _SPECIAL:
        return float(_SPECIAL[text.lower()])
    return _resolve_date(text)


def _resolve_date(text: str) -> Scalar:
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
        if _DATETIME.fullmatch(text):
            return datetime.fromisoformat(text)
    except ValueError:  # it looks like a date but is not a date: the model reports that
        return text
    return text


def to_data(node: Node) -> Any:  # noqa: ANN401  what the YAML says
    """The plain value of a tree."""
    if isinstance(node.value, dict):
        return {key: to_data(each) for key, each in node.value.items()}
    if isinstance(node.value, list):
        return [to_data(each) for each in node.value]
    return node.value


def text_at(node: Node, key: str) -> str:
    """Return the text of a key of a mapping, or nothing."""
    return node.value[key].text if isinstance(node.value, dict) and key in node.value else ""


def marks(node: Node, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Mark]]:
    """The place of every key and list item below `node`."""
    if isinstance(node.value, dict):
        for key, each in node.value.items():
            yield (*path, key), node.keys[key]
            yield from marks(each, (*path, key))
    elif isinstance(node.value, list):
        for index, each in enumerate(node.value):
            yield (*path, index), each.mark
            yield from marks(each, (*path, index))


def find(root: Node, path: KeyPath) -> tuple[Node | None, Mark]:
    """Return the value at `path` (None if nothing is written there) and the mark of its key, or of a key around it."""
    node, mark = root, root.mark
    for part in path:
        if isinstance(node.value, dict) and part in node.value:
            mark = node.keys[str(part)]
            node = node.value[str(part)]
        elif isinstance(node.value, list) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            mark = node.mark
        else:
            return None, mark
    return node, mark


class _RefusedError(Exception):
    """A problem after which the rest of the file is not read."""

    def __init__(self, problem: str, mark: Mark, remedy: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.mark = mark
        self.remedy = remedy


class _Builder:
    """Builds the tree from the parser's events."""

    def __init__(self, text: str) -> None:
        self.findings: list[ConfigFinding] = []
        self._text = text
        self._anchors: dict[str, Node] = {}
        self._events: Iterator[Any] = iter(())
        self._merged = 0

    def build(self) -> Node | None:
        root: Node | None = None
        self._events = iter(yaml.parse(self._text, Loader=yaml.CSafeLoader))
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    remedy = "one file holds one document: remove `---`, or make a folder for each tenant"
                    raise _RefusedError("a second document begins", _mark(event), remedy)
                root = self._node(next(self._events), 1)
        return root

    def _node(self, event: Any, depth: int) -> Node:  # noqa: ANN401  PyYAML's events have no types
        mark = _mark(event)
        if depth > DEPTH_LIMIT:
            raise _RefusedError(f"nested deeper than {DEPTH_LIMIT} levels", mark, _FLATTER)
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise _RefusedError(*_unknown_alias(event.anchor, mark, self._anchors))
            return self._anchors[event.anchor]
        tag = self._tag(event, mark)
        if isinstance(event, yaml.ScalarEvent):
            node = Node(_scalar(event, tag), mark, event.value, plain=event.implicit[0])
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._sequence(mark, depth)
        else:
            node = self._mapping(mark, depth)
        if node.size > NODE_LIMIT:
            raise _RefusedError(f"aliases expand to more than {NODE_LIMIT:,} values", mark, _FLATTER)
        if node.depth > DEPTH_LIMIT:
            raise _RefusedError(f"nested deeper than {DEPTH_LIMIT} levels", mark, _FLATTER)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _tag(self, event: Any, mark: Mark) -> str | None:  # noqa: ANN401  PyYAML's events have no types
        if event.tag is None or event.tag == "!":
            return None
        short = event.tag.removeprefix(_TAG_PREFIX)
        if short not in _TAGS:
            remedy = "write the value without it; a variable is ${NAME}, and no other file is read"
            self._report(f"the tag `{_short(event.tag)}` is not allowed", mark, remedy)
        return str(short)

    def _sequence(self, mark: Mark, depth: int) -> Node:
        items: list[Node] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(event, depth + 1))
        size, nested = _measure(items)
        return Node(items, mark, size=size, depth=nested)

    def _mapping(self, mark: Mark, depth: int) -> Node:
        values: dict[str, Node] = {}
        keys: dict[str, Mark] = {}
        merged: list[Node] = []
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, depth + 1)
            value = self._node(next(self._events), depth + 1)
            if isinstance(key.value, dict | list):
                self._report(*self._no_key(key.mark))
            elif key.text == "<<" and key.plain:
                merged += self._merge_sources(value, key.mark)
            elif key.text in values:
                first = keys[key.text].line
                problem = f"duplicate key `{_short(key.text)}`, first written in line {first}"
                self._report(problem, key.mark, "keep one of the two")
            else:
                values[key.text], keys[key.text] = value, key.mark
        for source in merged:
            for name, node in source.value.items() if isinstance(source.value, dict) else ():
                if name not in values:
                    values[name], keys[name] = node, source.keys[name]
        size, nested = _measure(values.values())
        return Node(values, mark, keys=keys, size=size, depth=nested)

    def _merge_sources(self, value: Node, mark: Mark) -> list[Node]:
        self._merged += value.size
        if self._merged > NODE_LIMIT:
            raise _RefusedError(f"merge keys expand to more than {NODE_LIMIT:,} values", mark, _FLATTER)
        sources = value.value if isinstance(value.value, list) else [value]
        if any(not isinstance(each.value, dict) for each in sources):
            self._report(
                "`<<` merges mappings only", value.mark, "write an alias of a mapping, or a mapping: <<: {key: value}"
            )
        return sources

    def _no_key(self, mark: Mark) -> tuple[str, Mark, str]:
        row = self._text.splitlines()[mark.line - 1]
        if row[mark.column - 2 : mark.column] in ("{{", "{%"):
            return "`{{` begins a mapping inside a mapping", mark, "a variable of the environment is written ${NAME}"
        return "a key must be a text, not a list or a mapping", mark, "write a text as the key"

    def _report(self, problem: str, mark: Mark, remedy: str) -> None:
        self.findings.append(ConfigFinding((), problem, mark.line, mark.column, remedy=remedy))


def _measure(children: Iterable[Node]) -> tuple[int, int]:
    size = depth = 1
    for child in children:
        size += child.size
        depth = max(depth, child.depth + 1)
    return size, depth


def _scalar(event: yaml.ScalarEvent, tag: str | None) -> Scalar:
    text: str = event.value
    if tag == "str" or (tag is None and not event.implicit[0]):
        return text
    return resolve_plain(text)


def _mark(event: Any) -> Mark:  # noqa: ANN401  PyYAML's events have no types
    return Mark(event.start_mark.line + 1, event.start_mark.column + 1)


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."  # noqa: PLR2004  fits in a line


def _unknown_alias(name: str | None, mark: Mark, anchors: Iterable[str]) -> tuple[str, Mark, str]:
    close = nearest(name or "", anchors)
    remedy = f"did you mean `{close}`?" if close else f"write `&{name}` before the value that is meant, further up"
    return f"the alias `*{name}` names no anchor that is complete before it", mark, remedy


def _broken(problem: str, remedy: str, mark: Mark | None = None) -> Document:
    place = mark or Mark(1, 1)
    return Document(None, (ConfigFinding((), problem, place.line, place.column, remedy=remedy),))


def _code(error: yaml.reader.ReaderError) -> int:
    return error.character if isinstance(error.character, int) else ord(error.character[:1] or "\0")


def _mark_at(text: str, position: int | None) -> Mark:
    before = text[: position or 0]
    return Mark(before.count("\n") + 1, len(before) - before.rfind("\n"))
