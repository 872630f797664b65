"""Every engine x every rule x every kind of data, against the oracle. A new engine joins `ENGINES` by one line."""

from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl.quality import check, get_engine, parse_rules
from etl.quality.rules import RULE_TYPES
from tests.conformance import handpicked, libraries
from tests.conformance.cases import TEMPLATES, make_rules
from tests.conformance.frames import KINDS, NOW, TABLES, make_frame
from tests.conformance.oracle import Expected, expect


@dataclass(frozen=True)
class Judged:
    """An engine, and how many generated cases it is worth."""

    engine: str
    seeds: int = 6
    rules: int = 72


assert libraries  # imported for its effect

ENGINES = (
    Judged("polars"),
    Judged("truthound"),
    Judged("pandera", seeds=3),
    Judged("great_expectations", seeds=3, rules=len(TEMPLATES)),  # about 6 ms per rule and frame
)
LEAST_CASES = 5_000


@cache
def generated(kind: str, seed: int) -> tuple[pl.DataFrame, Any, tuple[Expected, ...]]:
    """A frame, rules, and what the oracle says; the same for all engines."""
    frame, rules = make_frame(kind, seed), make_rules(f"{kind} {seed}", ENGINES[0].rules)
    return frame, rules, tuple(expect(frame, rules, NOW, TABLES))


def handed_over(frame: pl.DataFrame, seed: int, folder: Path) -> Any:
    """As a frame, as a lazy frame, as a file: the verdict must be the same."""
    if seed % 3 == 0:
        return frame
    if seed % 3 == 1:
        return frame.lazy()
    frame.write_parquet(folder / "data.parquet")
    return folder / "data.parquet"


def differences(
    engine: str, data: Any, schema: pl.Schema, rules: Any, expected: Any, tables: Any, now: Any
) -> list[str]:
    """Describe every verdict that is not the expected one; what an engine does not support has to be an error."""
    result = check(data, rules, engine=engine, now=now, tables={name: table.lazy() for name, table in tables.items()})
    assert len(result.results) == len(rules)
    capabilities = get_engine(engine).capabilities
    found = []
    for each, wanted in zip(result.results, expected, strict=True):
        refused = capabilities.refusal(each.rule, schema) is not None
        due = (wanted.status, wanted.failed, wanted.total) if not refused else ("error", 0, 0)
        if (each.status, each.failed_count, each.total_count) != due:
            found.append(
                f"{each.rule.to_dict()}: {each.status} {each.failed_count}/{each.total_count} ({each.message}), not {due}"
            )
        if each.status == "error" and not each.message:
            found.append(f"{each.rule.to_dict()}: an error without a reason")
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("judged", ENGINES, ids=lambda each: each.engine)
def test_an_engine_agrees_with_the_oracle_on_generated_data(judged: Judged, kind: str, tmp_path: Path) -> None:
    found = []
    for seed in range(judged.seeds):
        frame, rules, expected = generated(kind, seed)
        data = handed_over(frame, seed, tmp_path)
        found += differences(
            judged.engine, data, frame.schema, rules[: judged.rules], expected[: judged.rules], TABLES, NOW
        )
    assert not found, "\n".join(found[:10])


@pytest.mark.parametrize("lazy", [False, True], ids=["frame", "lazy"])
@pytest.mark.parametrize("engine", [each.engine for each in ENGINES])
def test_an_engine_agrees_with_what_was_worked_out_by_hand(engine: str, lazy: bool) -> None:
    found = []
    cases = handpicked.CASES if engine != "great_expectations" or not lazy else handpicked.CASES[::8]
    for case in cases:
        rules = parse_rules([case.rule])
        wanted = [Expected(case.status, case.failed, case.total)]
        data = case.frame.lazy() if lazy else case.frame
        wrong = differences(engine, data, case.frame.schema, rules, wanted, handpicked.TABLES, handpicked.NOW)
        found += [f"{case.name}: {each}" for each in wrong]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("case", handpicked.CASES, ids=lambda each: each.name)
def test_the_oracle_agrees_with_what_was_worked_out_by_hand(case: handpicked.Case) -> None:
    found = expect(case.frame, parse_rules([case.rule]), handpicked.NOW, handpicked.TABLES)
    assert found == [Expected(case.status, case.failed, case.total)]


def test_there_are_enough_cases_of_every_verdict() -> None:
    seen: Counter[tuple[str, str]] = Counter()
    for kind in KINDS:
        for seed in range(ENGINES[0].seeds):
            _, rules, expected = generated(kind, seed)
            seen.update((rule.type, each.status) for rule, each in zip(rules, expected, strict=True))
    assert sum(seen.values()) >= LEAST_CASES
    for kind in set(RULE_TYPES) - {"truthound"}:
        for status in ("passed", "failed"):
            assert seen[kind, status] >= 10, f"{kind} is {status} only {seen[kind, status]} times"
    assert sum(count for (_, status), count in seen.items() if status == "error") >= 300


@pytest.mark.parametrize("judged", ENGINES, ids=lambda each: each.engine)
def test_every_supported_rule_meets_every_kind_of_data(judged: Judged) -> None:
    capabilities = get_engine(judged.engine).capabilities
    for kind in KINDS:
        met = set()
        for seed in range(judged.seeds):
            frame, rules, expected = generated(kind, seed)
            some = zip(rules[: judged.rules], expected[: judged.rules], strict=True)
            answered = {rule for rule, each in some if each.status != "error"}
            met |= {rule.type for rule in answered if capabilities.refusal(rule, frame.schema) is None}
        assert met == set(capabilities.rules) - {"truthound"}, kind
