"""Waiting for data that is good.

Belongs here: `DataQualitySensor`. Not here: waiting without a worker (`trigger`).
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseSensorOperator
from airflow.sdk.exceptions import AirflowSensorTimeout

from etl.errors import QualityError
from etl.integrations.airflow.hook import DataQualityHook
from etl.integrations.airflow.mistakes import DataQualityFailed, final_mistakes
from etl.integrations.airflow.quality_operator import refuse_unknown_engine
from etl.integrations.airflow.rules import Rules, at_parse_time, at_run_time
from etl.integrations.airflow.trigger import REMOTE, DataArrivalTrigger, version_of
from etl.integrations.airflow.verdicts import publish, unknown_until_judged
from etl.integrations.contract import read_verdict, refusal
from etl.integrations.rendering import as_line
from etl.quality.checking import refuse_no_rules
from etl.quality.data import Readable
from etl.quality.engine import DataQualityEngine

if TYPE_CHECKING:
    from airflow.sdk import Context

_JUDGED = "judged"


class DataQualitySensor(BaseSensorOperator):
    """Waits until data is there, then judges it. Data that does not pass fails the task without another try.

    With `deferrable=True`, the default, the triggerer waits and no worker is occupied; the worker judges. `timeout` and
    `poke_interval` are those of every sensor; `check_timeout` is the time that a check may take.

    With `wait_until_good=True`, data that does not pass is waited for again: files are judged anew when they have
    changed, objects in an object store after each `poke_interval`. The newest verdict is in XCom all the time. A rule
    that could not be judged fails the task at once. `min_pass_rate` is the share of the rules that must pass; without
    it, every rule of severity error must.
    """

    template_fields: Sequence[str] = ("data_path", "data_quality_conn_id", "rules", "tables")
    template_fields_renderers = {"rules": "json"}  # noqa: RUF012  Airflow's own way
    ui_color = "#e8f5e9"

    def __init__(
        self,
        *,
        data_path: str,
        rules: Rules | Any | None = None,  # noqa: ANN401  or XCom of another task
        engine: str | DataQualityEngine | None = None,
        data_quality_conn_id: str | None = None,
        min_pass_rate: float | None = None,
        wait_until_good: bool = False,
        check_timeout: float | None = None,
        tables: Mapping[str, Readable] | None = None,
        deferrable: bool = True,
        **kwargs: Any,  # noqa: ANN401  the arguments of every sensor
    ) -> None:
        """Validate the rules now, so that a mistake is an error of the DAG."""
        super().__init__(**kwargs)
        self.data_path = data_path
        self.engine = engine
        self.data_quality_conn_id = data_quality_conn_id
        self.min_pass_rate = min_pass_rate
        self.wait_until_good = wait_until_good
        self.check_timeout = check_timeout
        self.tables = tables
        self.deferrable = deferrable
        with final_mistakes(self.task_id):
            refuse_unknown_engine(engine)
            self.rules = at_parse_time(rules)
            if data_quality_conn_id is None:
                refuse_no_rules(self.rules or ())
            if self.soft_fail:
                raise QualityError(
                    "soft_fail=True would make a verdict a skipped task, and its DAG run green", "leave soft_fail out"
                )
            if min_pass_rate is not None and not 0 < min_pass_rate <= 1:
                raise QualityError(
                    f"a pass rate of {min_pass_rate} is not above 0 and at most 1", "give for example 0.95"
                )

    def execute(self, context: "Context") -> Any:  # noqa: ANN401
        """Wait in the triggerer, or in the way of every sensor."""
        if not self.deferrable:
            return super().execute(context)
        return self._wait(judged=None, ends=datetime.now(UTC) + timedelta(seconds=self.timeout))

    def poke(self, context: "Context") -> bool:
        """Judge the data if it is there and was not judged yet."""
        with final_mistakes(self.task_id):
            version = version_of(self.data_path, self._hook.settings.storage_options)
            kept = context["task_state_store"]  # a sensor in mode `reschedule` is another process each time
            if version is None or (version != REMOTE and version == kept.get(_JUDGED)):
                return False
            good = self._judge(context)
            kept.set(_JUDGED, version)
            return good

    def resume(self, context: "Context", event: str, ends: str) -> None:
        """Judge what the triggerer saw; Airflow calls this."""
        with final_mistakes(self.task_id):
            good = self._judge(context)
        if not good:
            self._wait(judged=event, ends=datetime.fromisoformat(ends))

    def _wait(self, *, judged: str | None, ends: datetime) -> NoReturn:
        left = ends - datetime.now(UTC)
        if left <= timedelta(0):
            raise AirflowSensorTimeout(f"{self.data_path} was not good in time; XCom has the last verdict")
        self.defer(
            trigger=DataArrivalTrigger(self.data_path, self.poke_interval, judged, self.data_quality_conn_id),
            method_name="resume",
            kwargs={"ends": ends.isoformat()},
            timeout=left,
        )

    @property
    def _hook(self) -> DataQualityHook:
        return DataQualityHook(self.data_quality_conn_id, engine=self.engine)

    def _judge(self, context: "Context") -> bool:
        """Return whether the data is good; False means that better data is to be waited for."""
        with unknown_until_judged(context, self.outlets):
            rules = at_run_time(self.rules)
            result = self._hook.check(self.data_path, rules, timeout=self.check_timeout, tables=self.tables)
        found = publish(context, self.outlets, result, self.data_path)
        read = read_verdict(found)
        if self.min_pass_rate is None:
            refused = as_line(read) if read.is_blocking else None
        else:
            refused = refusal(found, min_pass_rate=self.min_pass_rate, what=self.data_path)
        if refused is None:
            return True
        if self.wait_until_good and not read.error_count:
            return False
        raise DataQualityFailed(refused, read)
