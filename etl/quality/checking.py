"""`check()`: preflight, one engine call, and exactly one result per rule.

Belongs here: what is true of every engine: preflight, verdicts from counts, reconciliation, timeout.
Not here: judging.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from etl.errors import QualityError
from etl.quality.baseline import Baseline, with_baseline
from etl.quality.data import Readable, open_data
from etl.quality.engine import CheckContext, DataQualityEngine, Outcome, ask_engine, call_engine, get_engine
from etl.quality.events import CheckListener, check_told
from etl.quality.expressions import Scope, Unjudgeable, compile_rule
from etl.quality.expressions.rows import require_columns
from etl.quality.files import read_schema
from etl.quality.frames import Data
from etl.quality.results import MEASURES, CheckResult, RuleResult, RuleStatus, within_mostly
from etl.quality.rules import AnyRule, Truthound, check_names, parse_rules


def check(
    data: Readable,
    rules: Sequence[AnyRule | Mapping[str, Any]] = (),
    *,
    engine: str | DataQualityEngine = "truthound",
    timeout: float | None = None,
    sample_size: int = 5,
    key_columns: Sequence[str] = (),
    safe_columns: Sequence[str] = (),
    pii_columns: Sequence[str] = (),
    tables: Mapping[str, pl.LazyFrame] | None = None,
    now: datetime | None = None,
    storage_options: Mapping[str, Any] | None = None,
    auto_schema: str | Baseline | bool | None = None,
    baselines: Path | str | None = None,
    listeners: Sequence[CheckListener] = (),
) -> CheckResult:
    """Judge rules over a frame, over rows, or over files; `open_data` says what can be given.

    Problems of the call (no rules, unreadable rules, unknown engine, a file that is not there) raise; problems of a
    rule with these data become that rule's `error`, and are never a pass.
    `sample_size` bounds the failing rows that are named per rule: by their position, and with their values in key and
    safe columns only; pii columns never appear.
    `auto_schema` is the name of a baseline in the folder `baselines`, whose rules are judged too (`learn_baseline`).
    `listeners` are told about the check (`etl.quality.events`); what they raise changes no verdict.
    """

    def work() -> CheckResult:
        return _check(
            data,
            with_baseline(parse_rules(rules), auto_schema, baselines),
            engine,
            timeout=timeout,
            sample_size=sample_size,
            shown=[each for each in (*key_columns, *safe_columns) if each not in pii_columns],
            hidden=frozenset(pii_columns),
            tables=tables,
            now=now,
            storage_options=storage_options,
        )

    if not listeners:
        return work()
    return check_told(work, listeners, str(getattr(engine, "name", engine)), len(rules))


def _check(
    data: Readable,
    rules: tuple[AnyRule, ...],
    engine: str | DataQualityEngine,
    *,
    timeout: float | None,
    sample_size: int,
    shown: Sequence[str],
    hidden: frozenset[str],
    tables: Mapping[str, pl.LazyFrame] | None,
    now: datetime | None,
    storage_options: Mapping[str, Any] | None,
) -> CheckResult:
    started = time.perf_counter()
    refuse_no_rules(rules)
    chosen = get_engine(engine)
    moment = now if now is not None else datetime.now(UTC)
    if moment.tzinfo is None:
        raise QualityError("`now` has no time zone", "give datetime.now(UTC) or another moment with a zone")
    if timeout is not None and not (isinstance(timeout, int | float) and 0 < timeout <= threading.TIMEOUT_MAX):
        raise QualityError(
            f"a timeout of {timeout!r} seconds leaves no time", "give a positive number of seconds, or None"
        )

    def judge() -> CheckResult:
        frame = open_data(data, storage_options=storage_options)  # the types of CSV are read from all its rows
        schema = read_schema(frame)
        context = CheckContext(schema, moment, tables or {}, max(sample_size, 0), tuple(dict.fromkeys(shown)))
        return _judge(frame, rules, chosen, context, hidden, started)

    if timeout is None:
        return judge()
    done = _within(judge, timeout)
    if done is not None:
        return done
    return _all_errors(
        rules, chosen.name, f"no verdict within {timeout:g} seconds; the engine was left behind", started
    )


def refuse_no_rules(rules: Sequence[object]) -> None:
    """Raise if there are no rules: a check that examines nothing must not look like one that passed."""
    if not rules:
        raise QualityError("there are no rules, so nothing would be checked", "give at least one rule")


def preflight(rules: Sequence[AnyRule], engine: DataQualityEngine, context: CheckContext) -> list[str | None]:
    """Return, for every rule, the reason why this engine cannot judge it on this schema, or None."""
    scope = Scope(context.schema, context.now, context.tables)
    problems: list[str | None] = []
    for rule in rules:
        refusal = ask_engine(engine, rule, context.schema)
        if refusal is not None:
            problems.append(f"the engine {engine.name} cannot judge it: {refusal}")
            continue
        try:
            if isinstance(rule, Truthound):
                require_columns(rule, context.schema)
            else:
                compile_rule(rule, scope)
        except Unjudgeable as unjudgeable:
            problems.append(str(unjudgeable))
        else:
            problems.append(None)
    return problems


def _judge(
    frame: Data,
    rules: tuple[AnyRule, ...],
    engine: DataQualityEngine,
    context: CheckContext,
    hidden: frozenset[str],
    started: float,
) -> CheckResult:
    problems = preflight(rules, engine, context)
    judged = [index for index, problem in enumerate(problems) if problem is None]
    ready = time.perf_counter()
    report, broken = call_engine(engine, frame, [rules[index] for index in judged], context)
    finished = time.perf_counter()
    rows = report.row_count
    if rows is not None and (isinstance(rows, bool) or not isinstance(rows, int) or rows < 0):
        rows, broken = None, f"the engine returned {rows!r} as the number of rows"
    outcomes = _reconcile(report.outcomes, judged, broken)
    names = check_names(rules)
    results = tuple(
        _discreet(_result(rule, name, outcomes.get(index), problems[index], rows), context, hidden)
        for index, (rule, name) in enumerate(zip(rules, names, strict=True))
    )
    return CheckResult.model_construct(
        results=results,
        engine=engine.name,
        row_count=rows,
        execution_time_ms=(time.perf_counter() - started) * 1000,
        timings_ms={"preflight": (ready - started) * 1000, "engine": (finished - ready) * 1000},
        timestamp=datetime.now(UTC),
    )


def _reconcile(outcomes: Sequence[Outcome], judged: Sequence[int], broken: str | None) -> dict[int, Outcome]:
    """Give every judged rule exactly one outcome. No outcome, two outcomes, or one of an unknown rule is an error."""
    found: dict[int, list[Outcome]] = {index: [] for index in judged}
    for outcome in outcomes:
        place: object = outcome.position
        if not isinstance(place, int) or isinstance(place, bool) or not 0 <= place < len(judged):
            broken = f"the engine returned a result for rule number {place}, which it was not given"
            break
        found[judged[outcome.position]].append(outcome)
    if broken is not None:
        return {index: Outcome(index, error=broken) for index in judged}
    return {
        index: given[0]
        if len(given) == 1
        else Outcome(index, error=f"the engine returned {len(given) or 'no'} results for this rule")
        for index, given in found.items()
    }


def _discreet(found: RuleResult, context: CheckContext, hidden: frozenset[str]) -> RuleResult:
    """Return the result without what may not be shown, whatever the engine returned."""
    personal = (
        found.rule.type in MEASURES and found.status != "error" and hidden.intersection(found.rule.judged_columns)
    )
    if personal:
        found = found.model_copy(update={"actual": None, "message": "what was measured is personal and not shown"})
    columns = context.sample_columns
    if found.sample and not all(row.keys() <= {*columns} for row in found.sample):
        sample = tuple({key: value for key, value in row.items() if key in columns} for row in found.sample)
        found = found.model_copy(update={"sample": sample if columns else ()})
    if len(found.sample) > context.sample_size or len(found.rows) > context.sample_size:
        few = {"sample": found.sample[: context.sample_size], "rows": found.rows[: context.sample_size]}
        found = found.model_copy(update=few)
    return found


def _result(
    rule: AnyRule, name: str, outcome: Outcome | None, problem: str | None, rows: int | None = None
) -> RuleResult:
    if problem is None and outcome is None:
        problem = "the engine returned no result for this rule"
    if problem is None and outcome is not None:
        problem = _reason(outcome.error) if outcome.error is not None else _impossible(rule, outcome, rows)
    if problem is not None or outcome is None:
        return _build(rule, name, "error", Outcome(0), problem or "")
    passed = within_mostly(outcome.failed, outcome.total, rule.mostly)
    return _build(rule, name, "passed" if passed else "failed", outcome, outcome.message or _message(rule, outcome))


def _build(rule: AnyRule, name: str, status: RuleStatus, outcome: Outcome, message: str) -> RuleResult:
    # All these values were validated where they were made. To validate them again would cost more than a small check.
    return RuleResult.model_construct(
        rule=rule,
        check_name=name,
        status=status,
        failed_count=outcome.failed,
        total_count=outcome.total,
        sample=outcome.sample,
        rows=outcome.rows,
        message=message,
        actual=outcome.actual,
    )


def _reason(error: object) -> str:
    """Return why an engine could not judge a rule. A reason that is no text, or empty, is a reason too."""
    return error if isinstance(error, str) and error else "the engine could not judge it, and did not say why"


def _impossible(rule: AnyRule, outcome: Outcome, rows: int | None) -> str | None:
    counts = (outcome.failed, outcome.total)
    if any(isinstance(count, bool) or not isinstance(count, int) for count in counts):
        return f"the engine returned counts that are no whole numbers: {counts}"
    if not 0 <= outcome.failed <= outcome.total:
        return f"the engine returned impossible counts: {outcome.failed} of {outcome.total} failed"
    if rule.level == "row" and rows is not None and outcome.total > rows:
        return f"the engine judged {outcome.total} rows of {rows}"
    return None


def _message(rule: AnyRule, outcome: Outcome) -> str:
    if outcome.total == 0:
        return "no row to judge: 0 rows apply"
    allowed = f"; at least {rule.mostly:g} of the rows must be good" if rule.mostly is not None else ""
    return f"{outcome.failed} of {outcome.total} rows failed{allowed}"


def _all_errors(rules: tuple[AnyRule, ...], engine: str, problem: str, started: float) -> CheckResult:
    results = tuple(_result(rule, name, None, problem) for rule, name in zip(rules, check_names(rules), strict=True))
    elapsed = (time.perf_counter() - started) * 1000
    return CheckResult(results=results, engine=engine, execution_time_ms=elapsed)


def _within(work: Callable[[], CheckResult], seconds: float) -> CheckResult | None:
    """Run the work in a thread that does not keep the program alive; return None if the work takes longer."""
    finished: list[CheckResult] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            finished.append(work())
        except BaseException as failure:  # noqa: BLE001  handed to the caller's thread, which raises it
            raised.append(failure)

    thread = threading.Thread(target=run, name="etl-quality-check", daemon=True)
    thread.start()
    thread.join(seconds)
    if raised:
        raise raised[0]
    return finished[0] if finished else None
