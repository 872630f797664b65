"""Compares one partition of the lake with its source, and its objects with the inputs from which they were made.

Belongs here: source against extract, rejected rows, and the versions of the inputs that a footer names. Not here: the
warehouse's table (`verify_table`).
"""

import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from etl.errors import EtlError, LakeError, LakeUnreadableError
from etl.lake.footer import data_version, read_footer
from etl.lake.lake import PLACEHOLDER_FOOTER, Inputs, Pinned, scan_pinned
from etl.lake.pairs import Rejection, rejection_of
from etl.pipeline.digest import differences, digest, missing_rows
from etl.pipeline.extract import extract_request
from etl.pipeline.remedies import Remedies
from etl.pipeline.stage import StageRun
from etl.pipeline.tables import present_inputs
from etl.pipeline.verdict import Findings
from etl.secrets.scrub import scrub
from etl.source.reading import count_rows, extract_to_parquet


@dataclass
class LakeDay:
    """The findings about one partition, and the object from which the table is made."""

    source_rows: int = 0
    rejected_rows: int = 0
    published: Pinned | None = None
    findings: Findings = field(default_factory=Findings)


def compare_lake(run: StageRun, url: str, max_rows: int) -> LakeDay:
    """Compare source, extract and transfer of one partition. Only a temporary file is written."""
    day = LakeDay(source_rows=count_rows(url, extract_request(run)))
    for look in (_look_at_extract, _look_at_transfer):
        try:
            look(run, url, day, max_rows)
        except LakeUnreadableError:  # nothing can be compared
            raise
        except LakeError as error:  # an unreadable object is a finding; the other days are still compared
            day.findings.differ(error.problem, joined(error.hint, run_again(run)))
        except pl.exceptions.PolarsError as error:  # a damaged file, whose footer is whole
            day.findings.differ(f"the values cannot be read: {scrub(str(error)).strip()}", run_again(run))
        except EtlError as error:  # an object of a later release, or a source that does not answer
            day.findings.skip(error.problem, joined(error.hint, Remedies(run.config, run.pipeline).verify()))
    return day


def compare_objects(run: StageRun) -> LakeDay:
    """Compare the objects of a partition with each other, and not with the source, which may still change."""
    day = LakeDay()
    try:
        if _object(run, "extract", day) is None and run.lake.find(run.ref(run.pipeline.published_stage)) is None:
            return day  # it may not have run yet
        if run.pipeline.published_stage == "transfer":
            _look_at_transfer(run, "", day, 0)
    except LakeError as error:
        day.findings.differ(error.problem, joined(error.hint, run_again(run)))
    return day


def run_again(run: StageRun) -> str:
    """Return the command that makes the partition again."""
    return Remedies(run.config, run.pipeline).run_again(run.partition)


def joined(hint: str, command: str) -> str:
    """Join the hint of an error and the command."""
    return f"{hint}; {command}" if hint else command


def _look_at_extract(run: StageRun, url: str, day: LakeDay, max_rows: int) -> None:
    extracted = _object(run, "extract", day)
    if extracted is None:
        day.findings.differ(f"{day.source_rows} rows in the source, never extracted", run_again(run))
        return
    if run.pipeline.published_stage == "extract":
        day.published = extracted[0]
    _compare_source(run, url, day, *extracted, max_rows)


def _look_at_transfer(run: StageRun, _url: str, day: LakeDay, _max_rows: int) -> None:
    if run.pipeline.published_stage != "transfer":
        return
    refined = _object(run, "transfer", day)
    if refined is None:
        day.findings.differ("the transfer stage was never published", run_again(run))
        return
    day.published = refined[0]
    day.findings.add(_lineage(run, refined[0]))


def _object(run: StageRun, stage: str, day: LakeDay) -> tuple[Pinned, Rejection] | None:
    """Return the published object and its rejected rows, after comparing both with their footers."""
    ref = run.ref(stage)
    rejection = rejection_of(run.lake, ref)
    if rejection is None:
        return None
    pinned = run.lake.pin(ref)
    day.rejected_rows += rejection.rows
    if not is_intact(pinned):
        changed = f"the rows of the {stage} object are not those that were published: the file was changed by hand"
        day.findings.differ(changed, run_again(run))
    said = pinned.provenance
    if said.rows_read != said.rows + said.rows_quarantined or said.rows_quarantined != rejection.rows:
        day.findings.differ(
            f"the {stage} stage read {said.rows_read} rows: {said.rows} published, {said.rows_quarantined} rejected",
            run_again(run),
        )
    gone = f"the {rejection.rows} rows that the {stage} stage rejected"
    if rejection.state == "missing":
        if said.format == 1:
            day.findings.skip(f"{gone} are not there, and an earlier release did not say why", run_again(run))
        else:
            day.findings.differ(f"{gone} are gone, and nobody discarded them", run_again(run))
    elif rejection.state == "replaced" or (rejection.object and not is_intact(rejection.object)):
        day.findings.differ(f"{gone} are not those that stand there: they were replaced by hand", run_again(run))
    return pinned, rejection


def is_intact(pinned: Pinned) -> bool:
    """Whether an object's bytes are those that were published."""
    footer = read_footer(pinned.path, str(pinned.ref))
    return footer.rows == pinned.rows and data_version(pinned.path, footer) == pinned.version


def _compare_source(run: StageRun, url: str, day: LakeDay, bronze: Pinned, rejection: Rejection, max_rows: int) -> None:
    read = bronze.provenance.rows_read
    if read != day.source_rows:
        day.findings.differ(f"{day.source_rows} rows in the source, {read} were extracted", run_again(run))
        return
    if day.source_rows > max_rows:
        day.findings.skip(
            f"the values of {day.source_rows} rows were not compared: more than {max_rows} (`--max-rows`)",
            Remedies(run.config, run.pipeline).verify("--max-rows", str(day.source_rows)),
        )
        return
    if rejection.state in ("missing", "replaced"):
        return  # reported already, and there is nothing to compare with
    run.settings.staging_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="verify-", dir=run.settings.staging_dir) as folder:
        path = Path(folder) / "source.parquet"
        extract_to_parquet(url, extract_request(run), path, footer=PLACEHOLDER_FOOTER)
        source, good = pl.scan_parquet(path, glob=False), scan_pinned([(bronze.ref, bronze.path)])
        between = "the source and its extract"
        if rejection.state == "discarded":
            gone = missing_rows(good, source)
            if gone:
                day.findings.differ(f"{gone} rows of the extract differ between {between}", run_again(run))
            return
        extracted = Counter(digest(good))
        if rejection.object is not None:
            rejected = scan_pinned([(rejection.object.ref, rejection.object.path)])
            extracted.update(digest(rejected.select(good.collect_schema().names())))
        for each in differences(digest(source), extracted, between):
            day.findings.differ(each, run_again(run))


def _lineage(run: StageRun, refined: Pinned) -> Findings:
    """Check whether the object was made from the present published versions of its inputs."""
    found, made_from = Findings(), refined.provenance.inputs
    if made_from is None:
        found.skip("an earlier release made the transfer object and did not say from what", run_again(run))
        return found
    try:
        now = present_inputs(run)
    except LakeUnreadableError:
        raise
    except LakeError as error:
        found.differ(error.problem, joined(error.hint, run_again(run)))
        return found
    for each in _stale(made_from, now):
        found.differ(each, run_again(run))
    return found


def _stale(made_from: Inputs, now: Inputs) -> list[str]:
    """Describe inputs of an object that are no longer published, or were published again later."""
    if now.digest == made_from.digest:
        return []
    if not (now.listed and made_from.listed):
        return [f"the transfer was made from other versions of its {now.count} inputs"]
    versions = {each.label: each for each in made_from.listed}
    stale = [
        f"the transfer was made from another version of {each.label} than run {each.run_id[:8]} published"
        for each in now.listed
        if each.label not in versions or versions[each.label].version != each.version
    ]
    return stale or ["the transfer was made from an input that is not one any more"]
