"""Reads the files of unit tests. All mistakes of a file are named at once, each with its line and column.

Belongs here: the keys of a unit test, and its rows as lists of cells. Not here: finding the files (`discovery`), types.
"""

import csv
import io
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path

from etl.config.findings import ConfigFinding, KeyPath, in_order
from etl.config.tenant_config import TenantConfig
from etl.config.yaml_source import Mark, Node, parse, resolve_plain
from etl.errors import ConfigError
from etl.partitions.scheme import WholeTable
from etl.quality.rules import check_names
from etl.suggest import nearest
from etl.unit_tests.fixture import (
    VERDICTS,
    Expectation,
    ExpectedReject,
    GivenInput,
    UnitTest,
    WrittenRow,
)

TOP = "unit_tests"
_TEST_KEYS = ("name", "description", "partition", "now", "skip_rules", "given", "expect")
_GIVEN_KEYS = ("input", "stage", "rows", "csv", "file", "types", "missing_as_null")
_EXPECT_KEYS = (
    "rows",
    "csv",
    "file",
    "rejected",
    "verdict",
    "failed_rules",
    "error",
    "ordered",
    "tolerance",
    "missing_as_null",
)
_ROW_KEYS = ("rows", "csv", "file")
_MAX_ROWS = 1_000


def read_unit_tests(path: Path, shown: str, config: TenantConfig, pipeline: str) -> tuple[UnitTest, ...]:
    """Return the unit tests of one file. Raises one ConfigError that lists all of its mistakes."""
    try:
        document = parse(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{shown} cannot be read: {error.strerror}", "check the file and its permissions") from error
    reader = _FileReader(path, shown, config, pipeline)
    reader.findings += document.findings
    tests = reader.tests(document.root) if document.root else ()
    if document.root is None and not document.findings:
        reader.findings.append(ConfigFinding((), "the file is empty", allowed=f"`{TOP}:` and a list of tests"))
    if reader.findings:
        problems = [each.render(shown) for each in in_order(reader.findings)]
        count = "1 mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
        raise ConfigError(
            f"{shown} has {count}", "correct the file; docs/testing-a-tenant.md lists every key", problems=problems
        )
    return tests


class _FileReader:
    """Turns the tree of one file into unit tests, and collects the findings."""

    def __init__(self, path: Path, shown: str, config: TenantConfig, pipeline: str) -> None:
        self.findings: list[ConfigFinding] = []
        self._path, self._shown, self._config = path, shown, config
        self._pipeline = config.assets.pipelines[pipeline]
        rules = self._pipeline.quality.rules
        stages = {each.stage or self._pipeline.published_stage for each in rules}
        self._rules = tuple(name for stage in stages for name in check_names(self._pipeline.rules_for(stage)))

    def tests(self, root: Node) -> tuple[UnitTest, ...]:
        top = self._mapping(root, (), (TOP,), (TOP,))
        listed = self._list(top.get(TOP), (TOP,))
        made = [self._test(node, (TOP, index)) for index, node in enumerate(listed)]
        if TOP in top and not listed and not self.findings:
            self._report((TOP,), root, "there is no test in the list", allowed="at least one test with `given`")
        names: dict[str, int] = {}
        for index, each in enumerate(made):
            if each.name in names:
                self._finding((TOP, index, "name"), each.mark, f"the name `{each.name}` is used twice")
            names[each.name] = index
        return tuple(made)

    def _test(self, node: Node, path: KeyPath) -> UnitTest:
        said = self._mapping(node, path, _TEST_KEYS, ("name", "given", "expect"))
        inputs = enumerate(self._list(said.get("given"), (*path, "given")))
        given = [self._given(each, (*path, "given", index)) for index, each in inputs]
        return UnitTest(
            name=self._text(said.get("name"), (*path, "name")) or "",
            description=self._text(said.get("description"), (*path, "description")) or "",
            pipeline=self._pipeline.name,
            path=self._path,
            shown_path=self._shown,
            mark=node.mark,
            partition=self._partition(said.get("partition"), (*path, "partition")),
            now=self._moment(said.get("now"), (*path, "now")),
            skip_rules=self._rule_names(said.get("skip_rules"), (*path, "skip_rules")),
            given=tuple(self._once(given, (*path, "given"))),
            expect=self._expect(said.get("expect"), (*path, "expect")),
        )

    def _once(self, given: list[GivenInput], path: KeyPath) -> list[GivenInput]:
        seen: set[tuple[str, str | None]] = set()
        for index, each in enumerate(given):
            if (each.pipeline, each.stage) in seen:
                self._finding((*path, index), each.mark, f"the input `{each.pipeline}` is given twice")
            seen.add((each.pipeline, each.stage))
        return given

    def _given(self, node: Node, path: KeyPath) -> GivenInput:
        said = self._mapping(node, path, _GIVEN_KEYS, ("input",))
        name = self._choice(said.get("input"), (*path, "input"), tuple(self._config.assets.pipelines), "pipeline")
        stage = self._choice(said.get("stage"), (*path, "stage"), ("extract", "transfer"), "stage")
        rows = self._rows(said, path, node)
        if rows is None and node.value:
            self._report(path, node, "the input has no rows", allowed=f"one of {', '.join(_ROW_KEYS)}")
        types = said.get("types")
        return GivenInput(
            pipeline=name or "",
            stage="extract" if stage == "extract" else "transfer" if stage == "transfer" else None,
            rows=rows or (),
            mark=node.mark,
            types=self._mapping(types, (*path, "types"), None, ()) if types is not None else {},
            missing_as_null=self._flag(said.get("missing_as_null"), (*path, "missing_as_null")),
        )

    def _expect(self, node: Node | None, path: KeyPath) -> Expectation:
        if node is None:
            return Expectation()
        said = self._mapping(node, path, _EXPECT_KEYS, ())
        compared = {*_ROW_KEYS, "rejected", "verdict", "failed_rules", "error"}
        if isinstance(node.value, dict) and not compared & said.keys():
            self._report(path, node, "nothing is expected", allowed="rows, rejected, verdict, failed_rules or error")
        if "error" in said and len(compared & said.keys()) > 1:
            self._report((*path, "error"), node, "after an `error` there is nothing else to compare")
        rows = self._rows(said, path, node)
        if any(not each for each in rows or ()):
            self._report((*path, "rows"), said.get("rows", node), "an expected row names no column")
        rejected = said.get("rejected")
        failed = said.get("failed_rules")
        verdict = self._choice(said.get("verdict"), (*path, "verdict"), VERDICTS, "verdict")
        return Expectation(
            rows=rows,
            rejected=None
            if rejected is None
            else tuple(
                self._reject(each, (*path, "rejected", index))
                for index, each in enumerate(self._list(rejected, (*path, "rejected")))
            ),
            verdict=next((each for each in VERDICTS if each == verdict), None),
            failed_rules=None if failed is None else self._rule_names(failed, (*path, "failed_rules")),
            error=self._text(said.get("error"), (*path, "error")),
            ordered=self._flag(said.get("ordered"), (*path, "ordered")),
            tolerance=self._tolerance(said.get("tolerance"), (*path, "tolerance")),
            missing_as_null=self._flag(said.get("missing_as_null"), (*path, "missing_as_null")),
        )

    def _reject(self, node: Node, path: KeyPath) -> ExpectedReject:
        said = self._mapping(node, path, ("row", "rules"), ("row", "rules"))
        row = self._mapping(said["row"], (*path, "row"), None, ()) if "row" in said else {}
        return ExpectedReject(row, self._rule_names(said.get("rules"), (*path, "rules")), node.mark)

    def _rows(self, said: Mapping[str, Node], path: KeyPath, node: Node) -> tuple[WrittenRow, ...] | None:
        written = [each for each in _ROW_KEYS if each in said]
        if len(written) > 1:
            self._report((*path, written[1]), node, f"`{written[1]}` and `{written[0]}` both give rows")
        if not written:
            return None
        key = written[0]
        at = (*path, key)
        if key == "rows":
            rows = self._list(said[key], at)
            if len(rows) > _MAX_ROWS:
                self._report(at, said[key], f"{len(rows):,} rows; allowed: {_MAX_ROWS:,}")
            return tuple(self._mapping(row, (*at, index), None, ()) for index, row in enumerate(rows))
        text = self._text(said[key], at) or ""
        if key == "file":
            text = self._file(text, said[key], at)
        return self._csv(text, said[key].mark, at)

    def _file(self, name: str, node: Node, at: KeyPath) -> str:
        """Return the text of a CSV file beside the unit test. Files of others are refused."""
        path = (self._path.parent / name).resolve()
        if not path.is_relative_to(self._path.parent.resolve()) or path.suffix != ".csv":
            self._finding(
                at, node.mark, f"`{name}` is no CSV file beside this file", allowed="a name such as orders.csv"
            )
            return ""
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            self._finding(at, node.mark, f"`{name}` cannot be read: {error}")
            return ""

    def _csv(self, text: str, mark: Mark, at: KeyPath) -> tuple[WrittenRow, ...]:
        """Return the rows of a CSV text with a header. An empty cell is null."""
        lines = list(csv.reader(io.StringIO(text.strip("\n")), strict=True, skipinitialspace=True))
        if not lines:
            self._finding(at, mark, "the CSV has no header", allowed="the names of the columns in the first line")
            return ()
        header = [each.strip() for each in lines[0]]
        rows: list[WrittenRow] = []
        for number, line in enumerate(lines[1:], start=1):
            if len(line) != len(header):
                self._finding(at, mark, f"row {number} of the CSV has {len(line)} cells, its header {len(header)}")
                continue
            cells = (Node(resolve_plain(cell) if cell else None, mark, cell) for cell in line)
            rows.append(dict(zip(header, cells, strict=True)))
        return tuple(rows)

    def _partition(self, node: Node | None, path: KeyPath) -> str | None:
        """Return the partition's key. Default: the first partition that the pipeline has."""
        scheme = self._pipeline.scheme
        if isinstance(scheme, WholeTable):
            if node is not None:
                self._finding(path, node.mark, "the pipeline has no partitions")
            return None
        if node is None:
            return scheme.first
        text = node.text
        try:
            first, last = scheme.range(text, text)
        except ValueError as error:
            self._finding(path, node.mark, str(error))
            return None
        if first != last:
            self._finding(path, node.mark, f"`{text}` names more than one partition")
        return first

    def _moment(self, node: Node | None, path: KeyPath) -> datetime | None:
        if node is None:
            return None
        value = node.value
        if isinstance(value, datetime):
            return value if value.tzinfo else value.replace(tzinfo=UTC)
        if isinstance(value, date):
            return datetime(value.year, value.month, value.day, tzinfo=UTC)
        self._finding(path, node.mark, "not a moment", allowed="2026-01-05T09:00:00Z")
        return None

    def _rule_names(self, node: Node | None, path: KeyPath) -> tuple[str, ...]:
        listed = self._list(node, path) if node is not None else []
        names = [self._choice(each, (*path, index), self._rules, "rule") for index, each in enumerate(listed)]
        return tuple(name for name in names if name)

    def _tolerance(self, node: Node | None, path: KeyPath) -> Mapping[str, float]:
        if node is None:
            return {}
        if isinstance(node.value, dict):
            return {name: self._number(each, (*path, name)) for name, each in node.value.items()}
        return {"": self._number(node, path)}

    def _number(self, node: Node, path: KeyPath) -> float:
        value = node.value
        if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
            self._finding(path, node.mark, "not a tolerance", allowed="a number from 0 on")
            return 0.0
        return float(value)

    def _flag(self, node: Node | None, path: KeyPath) -> bool:
        if node is not None and not isinstance(node.value, bool):
            self._finding(path, node.mark, "wrong value", allowed="true or false")
        return node is not None and node.value is True

    def _text(self, node: Node | None, path: KeyPath) -> str | None:
        if node is None:
            return None
        if isinstance(node.value, dict | list) or not node.text:
            self._finding(path, node.mark, "wrong value", allowed="a text")
            return None
        return node.text

    def _choice(self, node: Node | None, path: KeyPath, choices: tuple[str, ...], what: str) -> str | None:
        text = self._text(node, path)
        if node is not None and text is not None and text not in choices:
            close = nearest(text, choices) or ""
            self._finding(
                path, node.mark, f"unknown {what} `{text}`", allowed=", ".join(choices) or "none", close=close
            )
            return None
        return text

    def _list(self, node: Node | None, path: KeyPath) -> list[Node]:
        if node is None:
            return []
        if not isinstance(node.value, list):
            self._finding(path, node.mark, "wrong value", allowed="a list")
            return []
        return node.value

    def _mapping(
        self, node: Node, path: KeyPath, allowed: tuple[str, ...] | None, required: Iterable[str]
    ) -> Mapping[str, Node]:
        """Return the children by key. Keys that are not allowed are reported and left out; None allows every key."""
        if not isinstance(node.value, dict):
            self._finding(path, node.mark, "wrong value", allowed="keys and values")
            return {}
        known = {key: each for key, each in node.value.items() if allowed is None or key in allowed}
        for key in node.value.keys() - known.keys():
            close = nearest(key, allowed or ()) or ""
            problem, names = f"unknown key `{key}`", ", ".join(allowed or ())
            self._finding((*path, key), node.keys[key], problem, allowed=names, close=close)
        for key in required:
            if key not in node.value:
                self._finding((*path, key), node.mark, f"`{key}` is missing")
        return known

    def _report(self, path: KeyPath, near: Node, problem: str, allowed: str = "") -> None:
        self._finding(path, near.keys.get(str(path[-1]), near.mark) if path else near.mark, problem, allowed=allowed)

    def _finding(self, path: KeyPath, mark: Mark, problem: str, *, allowed: str = "", close: str = "") -> None:
        self.findings.append(ConfigFinding(path, problem, mark.line, mark.column, "", allowed, close))
