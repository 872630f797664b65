"""`etl rules`: the vocabulary of quality rules, one rule's page, and rules that a file suggests.

Belongs here: showing. Does not: what a rule means (`etl.quality.rules`), learning (`etl.quality`).
"""

from pathlib import Path
from typing import Annotated, Any, get_args

import typer
import yaml
from rich.console import Console
from rich.markdown import Markdown
from rich.markup import escape
from rich.table import Table

from etl.errors import NothingExamined, QualityError
from etl.quality import get_engine
from etl.quality.checking import open_data
from etl.quality.engine import Strictness
from etl.quality.reference import rule_page
from etl.quality.rules import AnyRule, describe_rules
from etl.suggest import did_you_mean

SUGGEST = "suggest"
_FIRST_KEYS = ("column", "columns", "type")


def rules(
    name: Annotated[
        str | None, typer.Argument(help="A rule, to see its page; or `suggest`, with a file. Default: list all rules.")
    ] = None,
    file: Annotated[Path | None, typer.Argument(help="With `suggest`: the Parquet file to learn from.")] = None,
    strictness: Annotated[str, typer.Option(help="With `suggest`: strict, moderate or lenient.")] = "moderate",
    engine: Annotated[str, typer.Option(help="With `suggest`: who learns, truthound or polars.")] = "truthound",
) -> None:
    """List the quality rules; show one with its arguments and an example; or suggest rules for a Parquet file."""
    if name == SUGGEST:
        typer.echo(suggest(file, strictness, engine), nl=False)
        return
    if file is not None:
        raise QualityError(f"`etl rules {name}` takes no file", f"did you mean `etl rules {SUGGEST} {file}`?")
    console = Console()
    console.print(_overview() if name is None else Markdown(rule_page(name)))


def suggest(file: Path | None, strictness: str, engine: str) -> str:
    """Return YAML of rules that the file keeps, ready for a pipeline of a tenant."""
    if file is None:
        raise QualityError("there is no file to learn from", f"`etl rules {SUGGEST} FILE.parquet`")
    if strictness not in get_args(Strictness):
        raise QualityError(f"there is no strictness `{strictness}`{did_you_mean(strictness, get_args(Strictness))}")
    learnt = get_engine(engine).learn(open_data(file), strictness)  # type: ignore[arg-type]  # looked at above
    head = f"# Learnt from {file.name} ({learnt.row_count:,} rows, {strictness}), where all of them hold.\n"
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
