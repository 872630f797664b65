"""Checking data in a task.

Belongs here: `DataQualityCheckOperator`. Not here: where the data is (`sources`), where a verdict is
written (`verdicts`).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from etl.errors import QualityError
from etl.integrations.airflow.mistakes import DataQualityFailed, final_mistakes
from etl.integrations.airflow.promises import judge_promise, read_promise
from etl.integrations.airflow.quality_operator import QualityOperator
from etl.integrations.airflow.rules import Rules, at_parse_time, at_run_time
from etl.integrations.airflow.verdicts import publish, unknown_until_judged
from etl.integrations.contract import read_verdict
from etl.integrations.rendering import as_line
from etl.quality.checking import refuse_no_rules
from etl.quality.data import Readable
from etl.sla.config import SLAConfig
from etl.sla.hooks import SLAHook

if TYPE_CHECKING:
    from airflow.sdk import Context


class DataQualityCheckOperator(QualityOperator):
    """Judges rules over data; fails the task, without another try, if the data does not pass.

    The verdict is in XCom under `quality` before the task fails (`check.output["quality"]` in another task), and in
    `extra["quality"]` of the event of each outlet asset. With `fail_on_error=False` the task succeeds whatever the
    verdict is, and only the verdict shows it. `tables` are the tables that `foreign_key` rules name: paths, addresses,
    frames. `now` (a moment, or a text such as `{{ data_interval_end }}`) is the moment by which `not_future`,
    `not_past` and `recency` judge; without it, the moment of the check. `sla` are thresholds of `etl.sla`: what the
    check breaks is in XCom under `sla`, in the log, and told to `sla_hook`; it does not fail the task.
    """

    template_fields: Sequence[str] = (*QualityOperator.template_fields, "rules", "tables", "now")
    template_fields_renderers = {  # noqa: RUF012  Airflow's own way
        **QualityOperator.template_fields_renderers,
        "rules": "json",
    }

    def __init__(
        self,
        *,
        rules: Rules | Any | None = None,  # noqa: ANN401  or XCom of another task
        fail_on_error: bool | None = None,
        timeout: float | None = None,
        tables: Mapping[str, Readable] | None = None,
        now: datetime | str | None = None,
        sla: SLAConfig | Mapping[str, Any] | None = None,
        sla_hook: SLAHook | None = None,
        **kwargs: Any,  # noqa: ANN401  the arguments of every quality operator
    ) -> None:
        """Validate the rules now, so that a mistake is an error of the DAG and not of a night's run."""
        super().__init__(**kwargs)
        with final_mistakes(self.task_id):
            self.rules = at_parse_time(rules)
            if self.data_quality_conn_id is None:
                refuse_no_rules(self.rules or ())
            if timeout is not None and not timeout > 0:
                raise QualityError(f"a timeout of {timeout} seconds leaves no time", "give a positive number, or None")
        self.fail_on_error = fail_on_error
        self.timeout = timeout
        self.tables = tables
        self.now = now
        self.sla = read_promise(sla)
        self.sla_hook = sla_hook

    def execute(self, context: "Context") -> Any:  # noqa: ANN401
        """Judge, write the verdict, then fail or not."""
        with final_mistakes(self.task_id):
            self._judge(context)

    def _judge(self, context: "Context") -> Any:  # noqa: ANN401  whatever data is
        """Return the data that was judged."""
        hook, source = self._hook, self._source
        with unknown_until_judged(context, self.outlets):
            rules = at_run_time(self.rules)
            with source.opened(context) as data:
                result = hook.check(data, rules, timeout=self.timeout, tables=self.tables, now=_moment(self.now))
        found = publish(context, self.outlets, result, source.subject)
        read = read_verdict(found)
        if self.sla is not None:
            judge_promise(context, self.sla, read, self.sla_hook)
        fails = hook.settings.fail_on_error if self.fail_on_error is None else self.fail_on_error
        if read.is_blocking and fails:
            raise DataQualityFailed(as_line(read), read)
        return data


def _moment(now: datetime | str | None) -> datetime | None:
    if not isinstance(now, str):
        return now
    try:
        return datetime.fromisoformat(now)
    except ValueError as broken:
        raise QualityError(
            f"`now` is `{now}`, which is no moment", "give for example {{ data_interval_end }}"
        ) from broken
