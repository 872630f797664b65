"""What a task judges: files, a query, what a function returns, or small data from XCom.

Belongs here: `Source`, the four ways to name data, and opening them. Not here: reading files, which `etl.quality.data`
does for every host.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook
from airflow.sdk.bases.decorator import determine_kwargs

from etl.errors import QualityError

if TYPE_CHECKING:
    from airflow.sdk import Context

BATCH = 50_000
"""Rows of a query that are in memory at a time."""


@dataclass(frozen=True)
class Source:
    """Where the data is. Exactly one of `data_path`, `sql`, `python_callable` and `data` is given."""

    data_path: str | None = None
    sql: str | None = None
    conn_id: str | None = None
    python_callable: Callable[..., Any] | None = None
    op_args: Sequence[Any] = ()
    op_kwargs: Mapping[str, Any] | None = None
    data: Any = None

    def refuse_unclear(self) -> None:
        """Raise unless it is clear what is judged."""
        ways = {name: getattr(self, name) for name in ("data_path", "sql", "python_callable", "data")}
        given = [name for name, value in ways.items() if value is not None]
        if len(given) != 1:
            raise QualityError(
                f"it has {' and '.join(given) or 'nothing'} to judge", f"give exactly one of {', '.join(ways)}"
            )
        if (self.sql is None) != (self.conn_id is None):
            raise QualityError("`sql` and `conn_id` belong together", "name the connection of the database too")

    @property
    def subject(self) -> str:
        """What is judged, in the words of a verdict."""
        if self.data_path is not None:
            return str(self.data_path)
        if self.sql is not None:
            return f"a query of {self.conn_id}"  # not its text, which can have values
        if self.python_callable is not None:
            return f"{getattr(self.python_callable, '__name__', 'a function')}()"
        return "data of XCom"

    @contextmanager
    def opened(self, context: "Context") -> Iterator[Any]:
        """Yield what `etl.quality` opens: an address, a frame, rows."""
        if self.data_path is not None:
            yield self.data_path
        elif self.sql is not None and self.conn_id is not None:
            with TemporaryDirectory(prefix="etl-quality-") as folder:
                yield _spooled(self.sql, self.conn_id, Path(folder))
        elif self.python_callable is not None:
            arguments = {**context, **(self.op_kwargs or {})}
            kwargs = determine_kwargs(self.python_callable, self.op_args, arguments)
            yield self.python_callable(*self.op_args, **kwargs)
        else:
            yield self.data


def _spooled(sql: str, conn_id: str, folder: Path) -> Any:  # noqa: ANN401  Polars is imported only where rows are read
    """Write the rows of a query into files, batch by batch, and return the plan that reads them."""
    import polars as pl  # noqa: PLC0415  not while a DAG is parsed

    hook = BaseHook.get_hook(conn_id)
    if not hasattr(hook, "get_conn"):
        raise QualityError(f"the connection `{conn_id}` is not one of a database", "name a connection that runs SQL")
    plans: list[pl.LazyFrame] = []
    kinds: dict[str, pl.DataType] = {}
    with closing(hook.get_conn()) as connection:
        batches = pl.read_database(sql, connection, iter_batches=True, batch_size=BATCH, infer_schema_length=None)
        for number, batch in enumerate(batches):
            for name, kind in batch.schema.items():
                if kind != pl.Null and kinds.setdefault(name, kind) != kind:
                    raise QualityError(
                        f"the column `{name}` of the query is {kinds[name]} in some rows and {kind} in others",
                        "cast it in the query",
                    )
            place = folder / f"{number}.parquet"
            batch.write_parquet(place)
            plans.append(pl.scan_parquet(place, glob=False))
        if not plans:  # no row: the names of the columns are known, their types as far as the database says them
            return pl.read_database(sql, connection)
    # A column that is null in a whole batch has its type from the other batches.
    return pl.concat(plans, how="vertical_relaxed") if len(plans) > 1 else plans[0]
