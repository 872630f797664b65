"""`etl rules`: shows the quality rules, and examines files: suggested rules, drift, personal data.

Belongs here: showing. Not here: what a rule means (`etl.quality.rules`), learning (`etl.quality`).
"""

from pathlib import Path
from typing import Annotated, Any, get_args

import polars as pl
import typer
import yaml
from rich.console import Console
from rich.markdown import Markdown
from rich.markup import escape
from rich.table import Table

from etl.cli.start import EXIT_FAILED
from etl.cli.tables import print_table
from etl.errors import NothingExamined, QualityError
from etl.plural import counted
from etl.quality import get_engine
from etl.quality.data import open_data
from etl.quality.engine import Strictness
from etl.quality.engines.truthound.drift import compare_drift
from etl.quality.engines.truthound.pii import scan_pii
from etl.quality.reference import rule_page
from etl.quality.rules import AnyRule, describe_rules
from etl.suggest import did_you_mean

WORDS = {"suggest": 1, "drift": 2, "pii": 1}
"""Words that can be given instead of a rule's name, and how many files each needs."""
_FIRST_KEYS = ("column", "columns", "type")


def rules(
    name: Annotated[
        str | None,
        typer.Argument(help="A rule, to see its page; or `suggest`, `drift` or `pii`. Default: list all rules."),
    ] = None,
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Parquet files: one for `suggest` and `pii`; for `drift` the earlier and the later one."),
    ] = None,
    strictness: Annotated[str, typer.Option(help="With `suggest`: strict, moderate or lenient.")] = "moderate",
    engine: Annotated[str, typer.Option(help="With `suggest`: the engine, truthound or polars.")] = "truthound",
) -> None:
    """List the quality rules; show one; suggest rules for a file; compare two files; or look for personal data.

    `etl rules drift EARLIER.parquet LATER.parquet` ends with 1 if the distribution of a column has changed, and with 3
    if a column cannot be compared. `etl rules pii FILE.parquet` ends with 1 if a column looks personal.
    """
    given, needed = files or [], WORDS.get(name or "", 0)
    if len(given) != needed:
        asked = f"`etl rules {name}`" if name else "`etl rules`"
        many = "no file" if needed == 0 else counted(needed, "file")
        example = (
            f"etl rules {name} {' '.join(['FILE.parquet'] * needed)}" if needed else f"etl rules suggest {given[0]}"
        )
        raise QualityError(f"{asked} takes {many}, not {len(given)}", f"for example `{example}`")
    console = Console()
    match name:
        case "suggest":
            typer.echo(suggest(given[0], strictness, engine), nl=False)
        case "drift":
            _drift(console, given[0], given[1])
        case "pii":
            _pii(console, given[0])
        case None:
            console.print(_overview())
        case _:
            console.print(Markdown(rule_page(name)))


def _drift(console: Console, earlier: Path, later: Path) -> None:
    found = compare_drift(_opened(earlier), _opened(later))
    table = Table("column", "state", "measure", "value", "limit", "why")
    for each in found.columns:
        value = each.statistic if each.p_value is None else each.p_value
        numbers = ("" if number is None else f"{number:.4g}" for number in (value, each.threshold))
        table.add_row(escape(each.column), each.state, each.method, *numbers, escape(each.reason))
    print_table(console, table)
    if found.drifted:
        raise typer.Exit(EXIT_FAILED)
    if not found.is_stable:
        raise NothingExamined(
            f"{', '.join(found.unknown) or 'every column'} cannot be compared",
            "give files in which these columns have values",
        )


def _pii(console: Console, file: Path) -> None:
    found = scan_pii(_opened(file))
    if not found.scanned:
        raise NothingExamined(f"{file} has no column with a text in it", "only texts are searched for personal data")
    table = Table("column", "looks like", "values", "of", "confidence")
    for each in found.findings:
        table.add_row(escape(each.column), each.kind, str(each.matches), str(each.values), f"{each.confidence} %")
    if found.findings:
        print_table(console, table)
    else:
        console.print(f"{len(found.scanned)} columns of text: none looks personal")
    if found.findings:
        raise typer.Exit(EXIT_FAILED)


def _opened(path: Path) -> pl.LazyFrame:
    """Open a Parquet file. Raises an error with the file's name if it is none."""
    try:
        frame = open_data(path).lazy()
        frame.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        told = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise QualityError(f"{path} cannot be read as Parquet: {told}", "give a Parquet file") from error
    return frame


def suggest(file: Path, strictness: str, engine: str) -> str:
    """Return YAML of rules that the file keeps, ready for a pipeline of a tenant."""
    if strictness not in get_args(Strictness):
        raise QualityError(f"there is no strictness `{strictness}`{did_you_mean(strictness, get_args(Strictness))}")
    learnt = get_engine(engine).learn(_opened(file), strictness)  # type: ignore[arg-type]  # looked at above
    head = f"# Learnt from {file.name} ({learnt.row_count:,} rows, {strictness}), where all of them hold.\n"
    if learnt.widened:
        head += (
            f"# One half of the rows broke what the other suggests; these allow more: {', '.join(learnt.widened)}.\n"
        )
    if learnt.left_out:
        head += f"# For the same reason these are left out: {', '.join(learnt.left_out)}.\n"
    if not learnt.rules:
        raise NothingExamined(f"{file} suggests no rule", "give a file with rows, or another `--strictness`")
    return head + "quality:\n  rules:\n" + "".join(f"    - {_flow(rule)}\n" for rule in learnt.rules)


def _flow(rule: AnyRule) -> str:
    """Write a rule on one line, as the examples do."""
    plain = rule.to_dict()
    ordered: dict[str, Any] = {key: plain[key] for key in _FIRST_KEYS if key in plain}
    text = yaml.safe_dump(ordered | plain, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**6)
    return text.strip()


def _overview() -> Table:
    table = Table("rule", "level", "what it says", "example")
    for rule in describe_rules():
        table.add_row(rule["type"], rule["level"], escape(rule["summary"]), escape(rule["example"]))
    return table
