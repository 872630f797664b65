"""Judges Python files by their text. Nothing is imported or run.

Belongs here: which rules are asked of a file, and the place of a finding. Not here: the rules (`retries`, `caught`,
`literals`, `modern`, `written_assets`), and comments that allow something (`allowances`).
"""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from etl.conventions.allowances import Allowance, allowances_in
from etl.conventions.caught import caught
from etl.conventions.literals import literals
from etl.conventions.modern import modern
from etl.conventions.registry import RULES, finding
from etl.conventions.retries import retries
from etl.conventions.rule import CheckFinding
from etl.conventions.source_file import SourceFile, Spot, Unreadable, read_source
from etl.conventions.syntax import Function
from etl.conventions.written_assets import written_assets
from etl.platform import Conventions

_RULES = (retries, caught, literals, modern, written_assets)
SOURCE_RULES = tuple(each.id for each in RULES.values() if each.where == "source")


@dataclass
class JudgedSource:
    """What the text of some files says: the files that could be read, findings before allowances, and allowances."""

    files: list[SourceFile] = field(default_factory=list)
    findings: list[CheckFinding] = field(default_factory=list)
    allowances: list[Allowance] = field(default_factory=list)


def judge_source(paths: Iterable[Path], folder: Path, conventions: Conventions) -> JudgedSource:
    """Judge files below a folder."""
    judged = JudgedSource()
    for path in paths:
        read = read_source(path, folder)
        if isinstance(read, Unreadable):
            judged.findings.append(
                finding(read.rule, f"the file {read.problem}", path=path, line=read.line, column=read.column)
            )
            continue
        judged.files.append(read)
        allowed, wrong = allowances_in(path, read.text)
        judged.allowances += allowed
        judged.findings += [*wrong, *_too_long(read, conventions)]
        judged.findings += [_placed(read, spot) for rule in _RULES for spot in rule(read)]
    return judged


def _too_long(file: SourceFile, conventions: Conventions) -> Iterator[CheckFinding]:
    count = len(file.lines)
    if count > conventions.max_file_lines:
        problem = f"the file has {count} lines, {conventions.max_file_lines} are allowed"
        yield finding("file-too-long", problem, path=file.path, line=1)


def _placed(file: SourceFile, spot: Spot) -> CheckFinding:
    node = spot.node
    line, offset = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
    end = line if isinstance(node, Function | ast.Try | ast.ExceptHandler) else getattr(node, "end_lineno", line)
    text = file.lines[line - 1] if line <= len(file.lines) else ""
    column = len(text.encode()[:offset].decode(errors="replace")) + 1
    if isinstance(node, Function) and node.decorator_list:
        first = min(each.lineno for each in node.decorator_list)
        return finding(spot.rule, spot.problem, spot.fix, path=file.path, line=first, column=column, end_line=line)
    return finding(spot.rule, spot.problem, spot.fix, path=file.path, line=line, column=column, end_line=end)
