"""Comments that allow one violation: `# etl: allow <rule> (reason)`.

Belongs here: reading the comments, and leaving out what they allow. Not here: finding violations (`source_rules`).

A `noqa` of the linter ruff for its own rule of the same meaning counts too. For an error, it needs a reason as well.

A comment allows a rule on its own line, or, if nothing else stands on that line, on the next line of code. A comment at
a function's decorators or at its `def` allows what is said about the built asset. A comment without a reason allows
nothing. A comment that allows nothing is told, so that it does not stay when its cause is gone.
"""

import io
import re
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from etl.conventions.registry import RULES, finding
from etl.conventions.rule import CheckFinding
from etl.suggest import did_you_mean

_COMMENT = re.compile(r"#\s*etl:\s*allow\b(?P<rest>[^#]*)")
_NOQA = re.compile(r"#\s*noqa:\s*(?P<codes>[A-Z]+\d+(?:\s*,\s*[A-Z]+\d+)*)(?P<reason>[^#]*)")
_OF_RUFF = {
    "T201": "print-call", "BLE001": "swallowed-exception", "S110": "swallowed-exception", "S112": "swallowed-exception",
    "S105": "secret-in-source", "S106": "secret-in-source", "S107": "secret-in-source",
    "PLC0415": "import-in-function", "UP006": "old-typing", "UP035": "old-typing",
}  # fmt: skip
_WELL_WRITTEN = re.compile(r"^\s*(?P<rules>[a-z-]+(?:\s*,\s*[a-z-]+)*)\s*(?:\((?P<reason>.*)\))?\s*$")


@dataclass(frozen=True)
class Allowance:
    """One comment. `first` and `last` are the lines that it is about."""

    path: Path
    rules: tuple[str, ...]
    line: int
    first: int
    last: int
    is_of_ruff: bool = False


def allowances_in(path: Path, text: str) -> tuple[list[Allowance], list[CheckFinding]]:
    """Return the comments of a file, and what is wrong with them."""
    if "etl:" not in text and "noqa:" not in text:
        return [], []
    found: list[Allowance] = []
    wrong: list[CheckFinding] = []
    for token, is_alone, following in _comments(text):
        match = _COMMENT.search(token.string)
        line = token.start[0]
        if linted := _NOQA.search(token.string):
            rules = [_OF_RUFF[code] for each in linted["codes"].split(",") if (code := each.strip()) in _OF_RUFF]
            if same := tuple(each for each in rules if linted["reason"].strip() or RULES[each].severity == "warning"):
                found.append(Allowance(path, same, line, line, line, is_of_ruff=True))
        if match is None:
            continue
        written = _WELL_WRITTEN.match(match["rest"])
        if written is None or not (written["reason"] or "").strip():
            problem = "the comment has no reason" if written else "the comment names no rule"
            wrong.append(finding("allow-without-reason", problem, path=path, line=line, column=token.start[1] + 1))
            continue
        names = tuple(each.strip() for each in written["rules"].split(","))
        unknown = [each for each in names if each not in RULES]
        for each in unknown:
            problem = f"there is no rule `{each}`{did_you_mean(each, RULES)}"
            wrong.append(finding("allow-unknown-rule", problem, path=path, line=line, column=token.start[1] + 1))
        if known := tuple(each for each in names if each in RULES):
            found.append(Allowance(path, known, line, line, following if is_alone else line))
    return found, wrong


def without_allowed(
    findings: Iterable[CheckFinding], allowances: Sequence[Allowance], judged: Iterable[str]
) -> Iterator[CheckFinding]:
    """Yield the findings that no comment allows, then the comments that allow nothing.

    `judged` are the rules that were looked for: a comment about another rule may have its use elsewhere.
    """
    used: set[tuple[Allowance, str]] = set()
    by_path: dict[Path, list[Allowance]] = {}
    for allowance in allowances:
        by_path.setdefault(allowance.path, []).append(allowance)
    for each in findings:
        line = each.line
        fitting = [
            allowance
            for allowance in (by_path.get(each.path, ()) if each.path is not None else ())
            if each.rule in allowance.rules
            and line is not None
            and allowance.last >= line
            and allowance.first <= (each.end_line or line)
        ]
        used.update((allowance, each.rule) for allowance in fitting)
        if not fitting:
            yield each
    looked_for = set(judged)
    for allowance in allowances:
        for rule in allowance.rules:
            if rule in looked_for and not allowance.is_of_ruff and (allowance, rule) not in used:
                problem = f"the comment allows `{rule}`, which is not broken here"
                yield finding("allow-unused", problem, path=allowance.path, line=allowance.line)


def _comments(text: str) -> Iterator[tuple[tokenize.TokenInfo, bool, int]]:
    """Yield each comment, whether it stands alone in its line, and the next line with code."""
    waiting: list[tokenize.TokenInfo] = []
    code_line = 0
    silent = (tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.NEWLINE, tokenize.ENCODING)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            if token.start[0] == code_line:
                yield token, False, token.start[0]
            else:
                waiting.append(token)
        elif token.type not in silent:
            yield from ((each, True, token.start[0]) for each in waiting)
            waiting.clear()
            code_line = token.end[0]
    yield from ((each, True, each.start[0]) for each in waiting)
