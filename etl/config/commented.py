"""Changes mappings of ruamel.yaml so that their comments stay with their keys.

Belongs here: renaming, moving and removing keys, and how deep a file is indented. Not here: which keys (`migration`).

ruamel.yaml keeps the comment behind a key together with the comments in the lines below it. The comment behind a key
moves with the key; the lines below belong to the key that follows, and stay.
"""

import re
from collections.abc import Mapping
from typing import Any

from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import CommentMark
from ruamel.yaml.tokens import CommentToken

_BEHIND = 2  # the place of the comment behind a key, among the comments of the key


def own_keys(mapping: CommentedMap) -> list[Any]:
    """Return the keys that are written in the mapping itself, without those that `<<` merges into it."""
    return [key for key, _ in mapping.non_merged_items()]


def line_of(mapping: CommentedMap, key: Any) -> int:  # noqa: ANN401  a key of YAML can be anything
    """Return the line of a key in the file that was read, or of the mapping if the key is new."""
    places = mapping.lc.data or {}
    return int(places[key][0]) + 1 if key in places else int(mapping.lc.line or 0) + 1


def place(mapping: CommentedMap, key: Any, line: int) -> None:  # noqa: ANN401  a key of YAML can be anything
    """Note the line from which a key comes."""
    mapping.lc.add_kv_line_col(key, [line - 1, 0, line - 1, 0])


def mapping_at(line: int, values: Mapping[str, Any]) -> CommentedMap:
    """Return a new mapping whose keys come from a line of the file that was read."""
    made = CommentedMap(values)
    made.lc.line, made.lc.col = line - 1, 0
    for key in values:
        place(made, key, line)
    return made


def rename(mapping: CommentedMap, old: Any, new: Any) -> None:  # noqa: ANN401  a key of YAML can be anything
    """Give a key another name, at its place and with its comments."""
    position = own_keys(mapping).index(old)
    value, comment, line = mapping[old], mapping.ca.items.pop(old, None), line_of(mapping, old)
    del mapping[old]
    mapping.insert(position, new, value)
    if comment is not None:
        mapping.ca.items[new] = comment
    place(mapping, new, line)


def take(mapping: CommentedMap, key: Any) -> tuple[Any, str]:  # noqa: ANN401  a key of YAML can be anything
    """Remove a key; return its value and the comment behind it. Comments in the lines below stay in the file."""
    keys = own_keys(mapping)
    position = keys.index(key)
    comments = mapping.ca.items.pop(key, None)
    value = mapping[key]
    del mapping[key]
    token = comments[_BEHIND] if comments is not None else None
    behind, _, rest = token.value.partition("\n") if token is not None else ("", "", "")
    if rest.strip() and position:
        _append(mapping, keys[position - 1], rest)
    return value, behind.strip()


def put(mapping: CommentedMap, path: tuple[str, ...], value: Any, comment: str = "", line: int = 0) -> None:  # noqa: ANN401
    """Write a value below `path`; mappings on the way are made if they are not there."""
    line = line or line_of(mapping, path[0])
    for part in path[:-1]:
        if not isinstance(mapping.get(part), CommentedMap):
            mapping[part] = mapping_at(line, {})
        mapping = mapping[part]
    mapping[path[-1]] = value
    place(mapping, path[-1], line)
    if comment:
        mapping.yaml_add_eol_comment(comment.lstrip("# "), path[-1])


def _append(mapping: CommentedMap, key: Any, lines: str) -> None:  # noqa: ANN401  a key of YAML can be anything
    """Write comments in the lines below a key."""
    comments = mapping.ca.items.setdefault(key, [None, None, None, None])
    if comments[_BEHIND] is None:
        comments[_BEHIND] = CommentToken("\n" + lines, CommentMark(0), None)
    else:
        comments[_BEHIND].value = comments[_BEHIND].value.rstrip("\n") + "\n" + lines


def indentation_of(text: str) -> tuple[int, int]:
    """Return by how much keys are indented, and by how much the `-` of an item is, below the key of its list."""
    steps: list[int] = []
    offsets: list[int] = []
    before = 0
    for row in text.splitlines():
        if match := re.match(r"( *)(- +)?[^\s#-]", row):
            dash, depth = len(match[1]), len(match[1]) + len(match[2] or "")
            if match[2] is not None and dash >= before:
                offsets.append(dash - before)
            elif match[2] is None and depth > before:
                steps.append(depth - before)
            before = depth
    return min(steps, default=2), min(offsets, default=2)
