"""Makes the data of `etl.quality.testing`: `python -m tests.conformance.kit`. The oracle computes each verdict."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from etl.quality.rules import AnyRule, parse_rules
from etl.quality.testing.cases import FOLDER, FORMAT
from tests.conformance.cases import make_rules
from tests.conformance.frames import KINDS, NOW, TABLES, make_frame
from tests.conformance.oracle import expect

RULES = 96  # of each case: one of each template, and some more
ROWS = {"empty": 0, "one_row": 1}
GONE, NESTED = "no_such_column", "tags"


def frame_of(kind: str) -> pl.DataFrame:
    """The first frame of that kind with 20 rows."""
    wanted = ROWS.get(kind, 20)
    return next(frame for seed in range(100) if (frame := make_frame(kind, seed)).height == wanted)


def moved(rule: AnyRule, column: str) -> dict[str, Any] | None:
    """The rule about another column."""
    raw = rule.to_dict()
    for key in ("column", "left"):
        if key in raw:
            return raw | {key: column}
    if "columns" in raw:
        return raw | {"columns": [column, *raw["columns"][1:]]}
    return None


def strangers(column: str) -> tuple[AnyRule, ...]:
    """One rule of each type, about that column."""
    one = {rule.type: rule for rule in reversed(make_rules("strangers", 200))}
    rules = [found for rule in one.values() if (found := moved(rule, column)) is not None]
    if column == GONE:
        rules += [
            {"type": "expression", "expression": f"{column} > 0"},
            {"type": "row_count", "min": 0, "where": f"{column} > 0"},
        ]
    return parse_rules(rules)


def contents() -> tuple[dict[str, Any], Mapping[str, pl.DataFrame]]:
    """What the folder holds: the cases, and the frames by name."""
    frames = {kind: frame_of(kind) for kind in KINDS}
    sets = [(kind, kind, make_rules(f"kit {kind}", RULES)) for kind in KINDS]
    sets += [("missing_column", "clean", strangers(GONE)), ("wrong_dtype", "clean", strangers(NESTED))]
    cases = [
        {
            "name": name,
            "frame": frame,
            "rules": [
                [rule.to_dict(), each.status, each.failed, each.total]
                for rule, each in zip(rules, expect(frames[frame], rules, NOW, TABLES), strict=True)
            ],
        }
        for name, frame, rules in sets
    ]
    return {"format": FORMAT, "now": NOW.isoformat(), "tables": sorted(TABLES), "cases": cases}, frames | TABLES


def text(index: dict[str, Any]) -> str:
    """The index as a file that shows each rule on a line of its own."""
    cases = []
    for case in index["cases"]:
        rules = ",\n".join(json.dumps(rule, ensure_ascii=False) for rule in case["rules"])
        cases.append(f'{{"name": "{case["name"]}", "frame": "{case["frame"]}", "rules": [\n{rules}]}}')
    head = json.dumps({key: value for key, value in index.items() if key != "cases"})[:-1]
    return head + ', "cases": [\n' + ",\n".join(cases) + "]}\n"


def write(folder: Path) -> None:
    """Write the files."""
    folder.mkdir(exist_ok=True)
    index, frames = contents()
    (folder / "cases.json").write_text(text(index), encoding="utf-8")
    for name, frame in frames.items():
        frame.write_parquet(folder / f"{name}.parquet", compression="zstd", compression_level=19)


if __name__ == "__main__":
    write(FOLDER)
