"""Named baselines: rules that were learned once from data known to be good, and that later checks add to their own.

    learn_baseline("orders", last_month, store="baselines")
    check(this_month, auto_schema="orders", baselines="baselines")

Belongs here: keeping baselines as files, and reading them back. Not here: learning (`learn`), judging (`checking`).

A baseline is one file of JSON, `<store>/<name>.json`. It is written beside its place and then renamed, so a reader sees
a whole baseline, and of several writers the last one's stays whole.
"""

import json
import re
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from etl.errors import QualityError
from etl.formats import check_format
from etl.quality.data import Readable
from etl.quality.engine import DataQualityEngine, Strictness, get_engine
from etl.quality.results import LearnResult
from etl.quality.rules import AnyRule
from etl.quality.whole_file import write_whole

FORMAT = 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_HOW = 'learn it from data known to be good: etl.quality.learn_baseline("{name}", data, store={store!r})'
_REMEDY = "delete the file, and learn the baseline again with etl.quality.learn_baseline"


class Baseline(BaseModel):
    """What a baseline's file holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    name: str
    learned: LearnResult
    """The rules, how many rows they were learned from, when, and how strict they are."""

    @model_validator(mode="after")
    def _teaches(self) -> Self:
        """Refuse a baseline against which a check would examine nothing."""
        if not self.learned.row_count or not self.learned.rules:
            raise ValueError(f"{self.learned.row_count} rows suggest {len(self.learned.rules)} rules")
        return self

    @property
    def rules(self) -> tuple[AnyRule, ...]:
        """The rules."""
        return self.learned.rules

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, ready for JSON."""
        return {"format": self.format, "name": self.name, "learned": self.learned.to_dict()}


def learn_baseline(
    name: str,
    data: Readable,
    *,
    store: Path | str,
    strictness: Strictness = "moderate",
    engine: str | DataQualityEngine = "truthound",
) -> Baseline:
    """Learn rules from data known to be good, and keep them under a name, in place of an earlier baseline of that name.

    Data without rows, and data that suggests no rule, is refused: a check against it would examine nothing.
    """
    path = _path(name, store)
    learned = get_engine(engine).learn(data, strictness)
    try:
        made = Baseline(name=name, learned=learned)
    except ValidationError as nothing:
        raise QualityError(
            f"{learned.row_count} rows suggest {len(learned.rules)} rules, which is no baseline",
            "learn from data that has rows, or with another strictness",
        ) from nothing
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(made.to_dict(), ensure_ascii=False, allow_nan=False, indent=1))
    return made


def load_baseline(name: str, *, store: Path | str) -> Baseline:
    """Return the baseline of that name. One that is not there, or that cannot be read, is an error."""
    path = _path(name, store)
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as missing:
        raise QualityError(
            f"there is no baseline `{name}` in {store}", _HOW.format(name=name, store=str(store))
        ) from missing
    except ValueError as damaged:
        raise QualityError(f"the baseline {path} is no JSON", _REMEDY) from damaged
    if not isinstance(raw, dict) or "format" not in raw:
        raise QualityError(f"{path} is no baseline", _REMEDY)
    check_format(raw["format"], newest=FORMAT, what=f"the baseline {path}")
    try:
        found = Baseline.model_validate(raw)
    except ValidationError as broken:
        first = broken.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(each) for each in first["loc"]) or "the whole"
        raise QualityError(f"the baseline {path} cannot be read: {place}: {first['msg']}", _REMEDY) from broken
    if found.name != name:
        raise QualityError(f"the baseline {path} was learned as `{found.name}`", "give its file that name")
    return found


def with_baseline(
    rules: tuple[AnyRule, ...], auto_schema: str | Baseline | bool | None, store: Path | str | None
) -> tuple[AnyRule, ...]:
    """Return the rules of a check, and after them those of the baseline that it names.

    A rule that the check has already is not added again. `auto_schema=True` is refused: rules that are learned from the
    data that they judge can never fail.
    """
    if auto_schema is None or auto_schema is False:
        return rules
    if auto_schema is True:
        raise QualityError(
            "auto_schema=True would learn the rules from the data that they judge, and no rule could ever fail",
            "name a baseline, as in auto_schema='orders', that etl.quality.learn_baseline has learned from good data",
        )
    if isinstance(auto_schema, str):
        if store is None:
            raise QualityError(
                f"nothing says where the baseline `{auto_schema}` is",
                "give its folder too, as in baselines='baselines'",
            )
        auto_schema = load_baseline(auto_schema, store=store)
    if not isinstance(auto_schema, Baseline):
        raise QualityError(f"auto_schema={auto_schema!r} names no baseline", "give the name of a baseline")
    learned = auto_schema.learned
    source = f"learned from {learned.row_count:,} rows on {learned.timestamp:%Y-%m-%d}: baseline {auto_schema.name}"
    added = [rule for rule in learned.rules if rule not in rules]
    return (*rules, *(rule.model_copy(update={"description": source}) for rule in added))


def _path(name: str, store: Path | str) -> Path:
    if not _NAME.fullmatch(name):
        raise QualityError(
            f"`{name}` cannot be the name of a baseline",
            "a name has letters, digits, dots, dashes and underscores, and starts with a letter or a digit",
        )
    return Path(store) / f"{name}.json"
