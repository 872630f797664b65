"""Learning rules from data in a task.

Belongs here: `DataQualityLearnOperator`. Not here: how rules are learned (`etl.quality.learn`).
"""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, get_args

from etl.errors import QualityError
from etl.integrations.airflow.mistakes import final_mistakes
from etl.integrations.airflow.quality_operator import QualityOperator
from etl.integrations.airflow.rules import within_64_bits
from etl.integrations.airflow.written import fits, write_json
from etl.quality.engine import Strictness
from etl.suggest import did_you_mean

if TYPE_CHECKING:
    from airflow.sdk import Context

XCOM_KEY = "rules"
_log = logging.getLogger("airflow.task")


class DataQualityLearnOperator(QualityOperator):
    """Derives rules that data passes; they are in XCom under `rules`.

    `learn.output["rules"]` are rules for a check of other data. To check the data that the rules were learned from
    would prove nothing. Learned rules have values of the data, such as bounds and sets. `output_path` is a file that
    gets them as JSON, with the number of rows that they were learned from.
    """

    template_fields: Sequence[str] = (*QualityOperator.template_fields, "output_path")

    def __init__(
        self,
        *,
        strictness: Strictness = "moderate",
        output_path: str | None = None,
        **kwargs: Any,  # noqa: ANN401  the arguments of every quality operator
    ) -> None:
        """`strictness` is strict, moderate or lenient."""
        super().__init__(**kwargs)
        known = get_args(Strictness)
        with final_mistakes(self.task_id):
            if strictness not in known:
                raise QualityError(
                    f"there is no strictness `{strictness}`{did_you_mean(strictness, known)}", f"one of {known}"
                )
        self.strictness = strictness
        self.output_path = output_path

    def execute(self, context: "Context") -> None:
        """Learn the rules and write them to XCom."""
        with final_mistakes(self.task_id), self._source.opened(context) as data:
            learned: dict[str, Any] = within_64_bits(self._hook.learn(data, self.strictness).to_dict())
            if not learned["rules"]:
                raise QualityError("no rule could be learned from the data", "is the data empty?")
            if self.output_path is not None:
                write_json(self.output_path, learned)
            fits(
                learned["rules"],
                "list of learned rules",
                "select fewer columns, or give an `output_path` and read that",
            )
        context["ti"].xcom_push(key=XCOM_KEY, value=learned["rules"])
        _log.info("%d rules were learned from %d rows", len(learned["rules"]), learned["row_count"])
