"""Makes a unit test from a partition of the lake: some rows of its inputs, and what the pipeline makes of them.

Belongs here: choosing rows, replacing personal values, the text of the file. Not here: one value (`fakes`).

The expected rows are not read from the lake. They are what the real stages make of the rows in the file, after personal
values were replaced, so no personal value reaches the file through a transform.
"""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from etl.config.tenant_config import TenantConfig
from etl.errors import EtlError
from etl.lake.lake import scan_pinned
from etl.lake.pairs import rejection_of
from etl.pipeline.quarantine import REASONS
from etl.pipeline.stage import StageRun
from etl.pipeline.tables import input_refs, refined_frame
from etl.settings import Settings
from etl.suggest import nearest
from etl.unit_tests.discovery import tests_folder
from etl.unit_tests.fakes import Fakes, secret_of
from etl.unit_tests.fixture import GivenStage
from etl.unit_tests.reading import read_unit_tests
from etl.unit_tests.running import published_types, quiet_stages
from etl.unit_tests.sandbox import PipelineOutcome, needed_objects, run_unit_test
from etl.unit_tests.writing import row_lines, type_names, yaml_line


@dataclass(frozen=True)
class Recorded:
    """The new file, and sentences for the person who will read it."""

    path: Path
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Recording:
    """What the file says besides what is expected."""

    pipeline: str
    partition: str | None
    now: datetime
    inputs: Mapping[tuple[str, GivenStage], pl.DataFrame]
    replaced: tuple[str, ...]


def record_unit_test(
    config: TenantConfig, settings: Settings, pipeline: str, partition: str | None, rows: int
) -> Recorded:
    """Write a unit test with at most `rows` rows of each input. An existing file is never overwritten."""
    run = _task(config, settings, pipeline, partition)
    name = f"recorded_{run.partition or 'whole_table'}"
    path = tests_folder(settings, config.id, pipeline) / f"{name}.yaml"
    if path.exists():
        raise EtlError(f"{path} exists already", "rename it, or delete it if nobody needs it any more")
    with closing(run):
        recording = _read(run, rows, Fakes(secret_of(settings.data_dir)))
    if not any(frame.height for frame in recording.inputs.values()):
        raise EtlError(
            f"{run.label} has no row, so that a unit test would examine nothing", "name a partition that has rows"
        )
    skipped: list[str] = []
    outcome = _run(recording, name, skipped, config, settings)
    levels = {rule.check_name: rule.level for each in config.pipelines[pipeline].quality.rules for rule in (each.rule,)}
    if about_all := [each for each in outcome.failed_rules if levels.get(each) == "table"]:
        skipped += about_all
        outcome = _run(recording, name, skipped, config, settings)
    if outcome.error or outcome.unjudged:
        raise EtlError(
            f"{run.label}: no unit test was made: {outcome.error or outcome.unjudged}",
            "write the unit test by hand; docs/testing-a-tenant.md shows how",
        )
    text = "\n".join([*_head(recording, name, skipped), *_expected(outcome)]) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
    return Recorded(path, _notes(recording, skipped, outcome))


def _task(config: TenantConfig, settings: Settings, pipeline: str, partition: str | None) -> StageRun:
    if pipeline not in config.pipelines:
        close = nearest(pipeline, config.pipelines)
        hint = f"did you mean `{close}`?" if close else f"one of {', '.join(config.pipelines)}"
        raise EtlError(f"tenant {config.id} has no pipeline `{pipeline}`", hint)
    task = StageRun(
        config=config, pipeline=config.pipelines[pipeline], partition=partition, run_id="record", settings=settings
    )
    if task.pipeline.partitions and partition is None:
        raise EtlError(f"{task.label} has partitions", "name one with --partition")
    if partition is not None and not task.pipeline.scheme.has(partition):
        raise EtlError(f"{config.id}/{pipeline} has no partition `{partition}`", "name one that was published")
    return task


def _read(run: StageRun, rows: int, fakes: Fakes) -> _Recording:
    """Return some rows of each object that the stages read, with personal values replaced.

    The pipeline's own input comes first, because the rows of the other inputs are chosen to fit to its rows.
    """
    personal = {name for each in run.config.assets.pipelines.values() for name in each.pii_columns}
    frames: dict[tuple[str, GivenStage], pl.DataFrame] = {}
    own: pl.DataFrame | None = None
    now: datetime | None = None
    for name, stage in sorted(needed_objects(run), key=lambda each: each[0] != run.pipeline.name):
        if stage == "extract":
            refs = input_refs(run, "extract", name)
            lazy = run.lake_of(name).scan(refs)
            found = run.lake_of(name).find(refs[-1])
            now = now or (found.provenance.created_at if found else None)
        else:
            lazy = refined_frame(run, name)
        frames[name, stage] = _own_rows(run, lazy, rows) if own is None else _some(lazy, own, rows)
        own = frames[name, stage] if own is None else own
    replaced = sorted({name for frame in frames.values() for name in frame.columns if name in personal})
    _refuse_dates(run, replaced)
    return _Recording(
        run.pipeline.name,
        run.partition,
        now or datetime.now().astimezone(),
        {key: _without_personal(frame, replaced, fakes, f"{run.label}, {key[0]}") for key, frame in frames.items()},
        tuple(replaced),
    )


def _own_rows(run: StageRun, lazy: pl.LazyFrame, rows: int) -> pl.DataFrame:
    """Return the first rows of the partition, and up to a third of the rows from which rejected rows were made."""
    first = lazy.head(rows).collect()
    rejection = rejection_of(run.lake, run.ref(run.pipeline.published_stage))
    if rejection is None or rejection.object is None:
        return first
    rejected = scan_pinned([(rejection.object.ref, rejection.object.path)]).head(rows // 3 + 1).collect()
    if not run.pipeline.has_transfer:
        made_from = rejected.select(first.columns)
    else:
        keys = run.pipeline.trino_output.key_columns if run.pipeline.trino_output else ()
        shared = [each for each in keys if first.schema.get(each) == rejected.schema.get(each, pl.Unknown)]
        if not shared:
            return first
        wanted = rejected.select(shared).unique().lazy()
        made_from = lazy.join(wanted, on=shared, how="semi", nulls_equal=True).head(rows // 3 + 1).collect()
    return pl.concat([made_from, first]).unique(maintain_order=True).head(rows)


def _some(lazy: pl.LazyFrame, own: pl.DataFrame, rows: int) -> pl.DataFrame:
    """Return some rows of a further input, those that have values in common with the rows of the first input."""
    schema = lazy.collect_schema()
    for name in (each for each in schema if each in own.columns and schema[each] == own.schema[each]):
        if own[name].n_unique() > 1 or own.height == 1:
            found = lazy.filter(pl.col(name).is_in(own[name].drop_nulls().unique().implode())).head(rows).collect()
            if found.height:
                return found
    return lazy.head(rows).collect()


def _refuse_dates(run: StageRun, replaced: list[str]) -> None:
    """Refuse a personal date column, because the rows would move to other partitions."""
    if run.pipeline.date_column in replaced:
        raise EtlError(
            f"{run.label}: the date column `{run.pipeline.date_column}` is personal, so it cannot be recorded",
            "write the unit test by hand",
        )


def _without_personal(frame: pl.DataFrame, personal: list[str], fakes: Fakes, label: str) -> pl.DataFrame:
    return frame.with_columns(_invented(frame[name], fakes, label) for name in personal if name in frame.columns)


def _invented(column: pl.Series, fakes: Fakes, label: str) -> pl.Series:
    """Return invented values. An enumeration has none, so its first value stands for each."""
    dtype = column.dtype
    try:
        if isinstance(dtype, pl.Enum):
            values = [None if each is None else dtype.categories[0] for each in column.to_list()]
        else:
            values = [fakes.replace(each) for each in column.to_list()]
        return pl.Series(column.name, values, dtype=dtype)
    except EtlError as error:
        raise EtlError(f"{label}: the personal column `{column.name}`: {error.problem}", error.hint) from error
    except (TypeError, OverflowError, pl.exceptions.PolarsError):
        raise EtlError(  # the cause would name real values
            f"{label}: the personal column `{column.name}` has the type {dtype}, which has no invented values",
            "write the unit test by hand",
        ) from None


def _run(
    recording: _Recording, name: str, skipped: list[str], config: TenantConfig, settings: Settings
) -> PipelineOutcome:
    """Run the unit test as it will be written, so that the file is proved to be readable."""
    text = "\n".join([*_head(recording, name, skipped), "    expect: {verdict: passed}"]) + "\n"
    with TemporaryDirectory(prefix="etl-record-") as folder:
        path = Path(folder) / f"{name}.yaml"
        path.write_text(text, encoding="utf-8")
        (test,) = read_unit_tests(path, path.name, config, recording.pipeline)
        with quiet_stages():
            return run_unit_test(test, config, settings, Path(folder) / "lake", published_types(config, settings))


def _head(recording: _Recording, name: str, skipped: list[str]) -> list[str]:
    """Return the lines of the file up to what is expected."""
    replaced = ", ".join(recording.replaced)
    lines = [
        "# Recorded by `etl test --record`. The values of personal columns are invented."
        if replaced
        else "# Recorded by `etl test --record`. No column is marked as personal, so every value is a real one.",
        "unit_tests:",
        f"  - name: {yaml_line(name)}",
        f"    description: What {recording.pipeline} makes of some rows of {recording.partition or 'its table'}",
    ]
    lines += [f"    partition: {yaml_line(recording.partition)}"] if recording.partition else []
    lines += [f"    now: {recording.now.isoformat(timespec='seconds')}"]
    lines += [f"    skip_rules: {yaml_line(skipped)}"] if skipped else []
    lines += ["    given:"]
    for (pipeline, stage), frame in recording.inputs.items():
        lines += [f"      - input: {pipeline}", f"        stage: {stage}"]
        lines += [f"        types: {yaml_line(type_names(frame.schema))}"]
        lines += row_lines("rows", frame.rows(named=True), 8)
    return lines


def _expected(outcome: PipelineOutcome) -> list[str]:
    lines = ["    expect:", f"      verdict: {outcome.verdict}"]
    lines += [f"      failed_rules: {yaml_line(list(outcome.failed_rules))}"] if outcome.failed_rules else []
    if outcome.rows is not None:
        lines += row_lines("rows", outcome.rows.rows(named=True), 6)
    if outcome.rejected is not None and outcome.rejected.height:
        rows = outcome.rejected.drop(REASONS).rows(named=True)
        reasons = outcome.rejected[REASONS].to_list()
        rejected = [{"row": row, "rules": rules} for row, rules in zip(rows, reasons, strict=True)]
        lines += row_lines("rejected", rejected, 6)
    return lines


def _notes(recording: _Recording, skipped: list[str], outcome: PipelineOutcome) -> tuple[str, ...]:
    rows = {name: frame.height for (name, _), frame in recording.inputs.items()}
    notes = [f"given: {', '.join(f'{count} rows of {name}' for name, count in rows.items())}"]
    notes += [f"expected: {outcome.verdict}, as it is today; read the rows before you trust them"]
    if outcome.rows is not None and not outcome.rows.height:
        notes += ["no row comes out of the given rows, and this is what the test expects: is it meant?"]
    if recording.replaced:
        notes += [f"invented values in the personal columns {', '.join(recording.replaced)}"]
    else:
        notes += ["no column is marked with `pii_columns`, so all values are real ones"]
    notes += ["all other columns have the values of the lake: look at them before you commit the file"]
    notes += [f"left out, because they are about all rows: {', '.join(skipped)}"] if skipped else []
    return tuple(notes)
