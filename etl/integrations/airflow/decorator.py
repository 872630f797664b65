"""`@task.quality_check`: a function whose data is judged before anything downstream runs.

Belongs here: the decorator, which Airflow finds by the provider's metadata. Not here: judging (`check_operator`).
"""

from collections.abc import Callable, Sequence
from inspect import iscoroutinefunction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk.bases.decorator import DecoratedOperator, TaskDecorator, task_decorator_factory

from etl.errors import QualityError
from etl.integrations.airflow.check_operator import DataQualityCheckOperator
from etl.integrations.airflow.mistakes import final_mistakes

if TYPE_CHECKING:
    from airflow.sdk import Context


class QualityCheckedTask(DecoratedOperator, DataQualityCheckOperator):
    """The task of a decorated function.

    The function returns data: a frame, rows, or the path of a file that it wrote. A path, or a list of dicts, is what
    the task returns, so that the next task can read it. A frame does not fit into XCom: the task returns nothing.
    """

    template_fields: Sequence[str] = DataQualityCheckOperator.template_fields
    template_fields_renderers = {  # noqa: RUF012  Airflow's own way
        **DecoratedOperator.template_fields_renderers,
        **DataQualityCheckOperator.template_fields_renderers,
    }
    custom_operator_name = "@task.quality_check"

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Sequence[Any],
        op_kwargs: dict[str, Any],
        **kwargs: Any,  # noqa: ANN401  the arguments of DataQualityCheckOperator
    ) -> None:
        """Hand the function to both parents."""
        if iscoroutinefunction(python_callable):
            with final_mistakes(kwargs.get("task_id", python_callable.__name__)):
                raise QualityError("@task.quality_check takes no async function", "write it with `def`")
        upstream: dict[str, Any] = {"python_callable": python_callable, "op_args": op_args, "op_kwargs": op_kwargs}
        super().__init__(kwargs_to_upstream=upstream, **upstream, **kwargs)

    def execute(self, context: "Context") -> Any:  # noqa: ANN401  whatever the function returned
        """Call the function, judge what it returned, and pass it on."""
        with final_mistakes(self.task_id):
            data = self._judge(context)
        if isinstance(data, Path):
            return str(data)
        return data if isinstance(data, str | list) else None


def quality_check_task(
    python_callable: Callable[..., Any] | None = None,
    **kwargs: Any,  # noqa: ANN401  the arguments of DataQualityCheckOperator
) -> TaskDecorator:
    """Make a task of a function: `@task.quality_check(rules=[...])`."""
    return task_decorator_factory(
        python_callable=python_callable, decorated_operator_class=QualityCheckedTask, **kwargs
    )
