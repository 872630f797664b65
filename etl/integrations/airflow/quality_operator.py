"""What the operators for checking, profiling and learning share: where the data is, and which engine is asked.

Belongs here: `QualityOperator`. Not here: what is done with the data (`check_operator`, `profile_operator`, ...).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from airflow.sdk import BaseOperator

from etl.errors import QualityError
from etl.integrations.airflow.hook import DataQualityHook
from etl.integrations.airflow.mistakes import final_mistakes
from etl.integrations.airflow.sources import Source
from etl.quality.engine import DataQualityEngine, engine_names
from etl.suggest import did_you_mean


def refuse_unknown_engine(engine: str | DataQualityEngine | None) -> None:
    """Raise for a name that no engine has. No engine is imported: it need not be installed here."""
    if isinstance(engine, str) and engine not in engine_names():
        raise QualityError(f"there is no quality engine `{engine}`{did_you_mean(engine, engine_names())}")


class QualityOperator(BaseOperator):
    """A task that reads data and asks a quality engine about it.

    Exactly one of these says what the data is:

    - `data_path`: a path, a pattern (`day=*/*.parquet`) or an address (`s3://bucket/key`): Parquet, CSV, JSON lines;
    - `sql` with `conn_id`: a query, and any Airflow connection whose hook runs SQL;
    - `python_callable` (with `op_args`, `op_kwargs`): a function that returns a frame, rows or a path in the worker;
    - `data`: small data from XCom, such as `upstream.output`: a list of dicts, or a path.

    `engine` is the name of an engine or an object; without it the engine of the connection `data_quality_conn_id`
    judges, or else `truthound`.
    """

    template_fields: Sequence[str] = (
        "data_path",
        "sql",
        "conn_id",
        "op_args",
        "op_kwargs",
        "data",
        "data_quality_conn_id",
    )
    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers = {"sql": "sql"}  # noqa: RUF012  Airflow's own way
    ui_color = "#e8f5e9"

    def __init__(
        self,
        *,
        data_path: str | None = None,
        sql: str | None = None,
        conn_id: str | None = None,
        python_callable: Callable[..., Any] | None = None,
        op_args: Sequence[Any] = (),
        op_kwargs: Mapping[str, Any] | None = None,
        data: Any = None,  # noqa: ANN401  whatever XCom holds
        engine: str | DataQualityEngine | None = None,
        data_quality_conn_id: str | None = None,
        **kwargs: Any,  # noqa: ANN401  the arguments of every operator
    ) -> None:
        """Keep what is needed in the run; refuse what can be known to be wrong while the DAG is parsed."""
        super().__init__(**kwargs)
        self.data_path = data_path
        self.sql = sql
        self.conn_id = conn_id
        self.python_callable: Any = python_callable
        self.op_args: Any = op_args
        self.op_kwargs: Any = op_kwargs
        self.data = data
        self.engine = engine
        self.data_quality_conn_id = data_quality_conn_id
        with final_mistakes(self.task_id):
            self._source.refuse_unclear()
            refuse_unknown_engine(engine)

    @property
    def _source(self) -> Source:
        """The data as the fields name it now: before the run as written, in the run as rendered."""
        return Source(
            data_path=self.data_path,
            sql=self.sql,
            conn_id=self.conn_id,
            python_callable=self.python_callable,
            op_args=self.op_args,
            op_kwargs=self.op_kwargs,
            data=self.data,
        )

    @property
    def _hook(self) -> DataQualityHook:
        return DataQualityHook(self.data_quality_conn_id, engine=self.engine)
