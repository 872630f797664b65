"""Explains the errors of PyYAML's parser: what a person wrote, where it begins, and what to write instead.

Belongs here: the sentences, and the place of an unfinished thing. Not here: reading YAML (`yaml_source`). PyYAML's
excerpt of the file is never part of a sentence, because it could show a secret.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import yaml

QUOTED = "write quotes around the text"
_SAME_COLUMN = "begin it in the same column as its neighbours"
_MARKS = ("<<<<<<<", "=======", ">>>>>>>", "|||||||")
_PAIRS = {"{": "}", "[": "]"}


@dataclass(frozen=True, slots=True)
class Explained:
    """An error of the YAML, its remedy and its place, counted from 1."""

    problem: str
    remedy: str
    line: int
    column: int


def explain(error: yaml.MarkedYAMLError, text: str) -> Explained:
    """Return what is wrong with the text and what to write instead."""
    rows = text.splitlines()
    line, column = _place(error.problem_mark or error.context_mark)
    began = _place(error.context_mark or error.problem_mark)
    if line > len(rows) and error.context_mark:  # at the end of the file: rather where the unfinished thing began
        line, column = began
    row = rows[line - 1] if line <= len(rows) else ""
    if "\t" in row[: max(column, len(row) - len(row.lstrip()))]:
        return Explained("a tab", "YAML is indented with spaces", line, row.index("\t") + 1)
    for number, other in enumerate(rows, 1):
        if other.startswith(_MARKS) and (other.startswith("<<<<<<< ") or line >= number):
            return Explained("a mark of a merge conflict", "keep one of the two sides, without the marks", number, 1)
    if "${" in row and any(bracket in row.replace("${", "") for bracket in "{["):
        remedy = 'write quotes around it: "${NAME}"'
        return Explained("inside {...} and [...] a variable needs quotes", remedy, line, column)
    known = _known(error, rows, (line, column), began)
    if known is not None:
        return known
    context = f" {error.context}," if error.context else ""
    remedy = "look for a missing quote, colon or bracket in this line and in the line before"
    return Explained(f"not valid YAML:{context} {error.problem}", remedy, line, column)


def _place(mark: yaml.Mark | None) -> tuple[int, int]:
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _known(
    error: yaml.MarkedYAMLError, rows: Sequence[str], at: tuple[int, int], began: tuple[int, int]
) -> Explained | None:
    """Return the explanation of a usual mistake, or None."""
    problem, context = str(error.problem), str(error.context)
    line, column = at
    row = rows[line - 1] if line <= len(rows) else ""
    character = row[column - 1 : column]
    if "unexpected end of stream" in problem and "quoted scalar" in context:
        return Explained("a quote is not closed", "close the quote that begins here", *began)
    if "escape" in problem or "hexadecimal" in problem:
        remedy = r"write the text in single quotes, '\d', or each backslash twice"
        return Explained("a backslash in double quotes begins a special character", remedy, line, column)
    if "alphabetic or numeric" in problem:
        sign, what = ("*", "an alias") if "alias" in context else ("&", "an anchor")
        remedy = f'{QUOTED} if no {what.split()[1]} is meant: "{sign}"'
        return Explained(f"not valid YAML: `{sign}` begins {what}, which has a name", remedy, *began)
    if "cannot start any token" in problem:
        return Explained(f"not valid YAML: no text begins with `{character}`", QUOTED, line, column)
    return _misplaced(problem, rows, at, began)


def _misplaced(problem: str, rows: Sequence[str], at: tuple[int, int], began: tuple[int, int]) -> Explained | None:
    """Return the explanation of a wrong colon, bracket, comma or indentation, or None."""
    line, column = at
    row = rows[line - 1] if line <= len(rows) else ""
    character = row[column - 1 : column]
    if "mapping values are not allowed" in problem:
        return _second_colon(row, line, column)
    if "could not find expected ':'" in problem:
        return _no_colon(rows, began)
    if "',' or" in problem:
        return _not_closed(rows, at, began)
    if "did not find expected key" in problem or "'-' indicator" in problem:
        if column - 1 > len(row) - len(row.lstrip()):
            remedy = f"{QUOTED}, and other quotes than those that are in it"
            return Explained("not valid YAML: the text goes on behind its closing quote", remedy, line, column)
        return Explained("not valid YAML: this line stands between two levels", _SAME_COLUMN, line, column)
    if "expected node content" in problem:
        remedy = f"remove the `{character}`, or {QUOTED} that begins with it"
        return Explained(f"not valid YAML: there is no value before `{character}`", remedy, line, column)
    return None


def _second_colon(row: str, line: int, column: int) -> Explained:
    if re.search(r"\S: ", row[: column - 1]):
        problem = "not valid YAML: a second colon in the line, which a text without quotes cannot have"
        return Explained(problem, QUOTED, line, column)
    problem = "not valid YAML: this line is indented below a key that already has a value"
    return Explained(problem, _SAME_COLUMN, line, column)


def _no_colon(rows: Sequence[str], began: tuple[int, int]) -> Explained:
    row = rows[began[0] - 1] if began[0] <= len(rows) else ""
    if re.search(r"\w:\S", row):
        return Explained("not valid YAML: the colon and the value touch", "write a blank behind the colon", *began)
    return Explained("not valid YAML: a key without a colon", "write `key: value`", *began)


def _not_closed(rows: Sequence[str], at: tuple[int, int], began: tuple[int, int]) -> Explained:
    row = rows[began[0] - 1] if began[0] <= len(rows) else ""
    opening = row[began[1] - 1 : began[1]]
    closing = _PAIRS.get(opening, "")
    if not closing:
        opening, closing = "{", "}"
    if began[0] != at[0] or at == began or at[1] > len(row):
        return Explained(f"not valid YAML: the `{opening}` is not closed", f"write `{closing}` at its end", *began)
    remedy = f"write `,` between two values and `{closing}` behind the last one, or quotes around a text"
    return Explained(f"not valid YAML: a `,` or `{closing}` is missing", remedy, *at)
