"""How an error of the quality core ends a task: for good, or with another try.

Belongs here: `DataQualityFailed`, and which errors are final. Not here: what a verdict is
(`etl.integrations.contract`).

A verdict is final, since the same data gets the same verdict. A mistake of the author is final too: a rule that does
not exist, an engine that is not installed. What is merely not there, or cannot be reached, stays an ordinary error:
Airflow tries again as often as the task's `retries` say.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.sdk.exceptions import AirflowFailException

from etl.errors import EtlError
from etl.integrations.contract import Verdict
from etl.quality.files import UnreadableData


class DataQualityFailed(AirflowFailException):
    """The data did not pass, or a rule could not be judged. `verdict` has the whole verdict.

    The class is public so that a callback (`on_failure_callback`) can read `context["exception"].verdict`.
    """

    def __init__(self, message: str, verdict: Verdict | None = None) -> None:
        """Keep the verdict beside the message."""
        super().__init__(message)
        self.verdict = verdict


@contextmanager
def final_mistakes(task_id: str) -> Iterator[None]:
    """Turn an error that another try cannot heal into one that Airflow does not try again; name the task."""
    try:
        yield
    except UnreadableData:
        raise
    except EtlError as mistake:
        raise AirflowFailException(f"task `{task_id}`: {mistake}") from mistake
