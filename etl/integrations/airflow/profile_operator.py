"""Describing data in a task.

Belongs here: `DataQualityProfileOperator`. Not here: how a profile is made (`etl.quality.profile`).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from etl.integrations.airflow.mistakes import final_mistakes
from etl.integrations.airflow.quality_operator import QualityOperator
from etl.integrations.airflow.rules import within_64_bits
from etl.integrations.airflow.written import fits, write_json

if TYPE_CHECKING:
    from airflow.sdk import Context

XCOM_KEY = "profile"
_WITHOUT_VALUES = ("dtype", "null_count", "unique_count", "min_length", "max_length")


class DataQualityProfileOperator(QualityOperator):
    """Describes the columns of data: types, nulls, distinct values. They are in XCom under `profile`.

    The least and the greatest value of a column can be personal data, so XCom has none of the values unless
    `include_values=True`. `output_path` is a file that gets the whole profile as JSON.
    """

    template_fields: Sequence[str] = (*QualityOperator.template_fields, "columns", "output_path")

    def __init__(
        self,
        *,
        columns: Sequence[str] | None = None,
        include_values: bool = False,
        output_path: str | None = None,
        **kwargs: Any,  # noqa: ANN401  the arguments of every quality operator
    ) -> None:
        """`columns` are those that are described; without them, all are."""
        super().__init__(**kwargs)
        self.columns = columns
        self.include_values = include_values
        self.output_path = output_path

    def execute(self, context: "Context") -> None:
        """Describe the data and write the profile to XCom."""
        with final_mistakes(self.task_id), self._source.opened(context) as data:
            columns = list(self.columns) if self.columns is not None else None
            profile: dict[str, Any] = within_64_bits(self._hook.profile(data, columns).to_dict())
            if self.output_path is not None:
                write_json(self.output_path, profile)
            if not self.include_values:
                profile["columns"] = {
                    name: {key: column[key] for key in _WITHOUT_VALUES} for name, column in profile["columns"].items()
                }
            fits(profile, "profile", "name fewer `columns`, or give an `output_path` and read that")
        context["ti"].xcom_push(key=XCOM_KEY, value=profile)
