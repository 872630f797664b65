"""Removes secrets from the texts that Dagster records: events, errors, and the logs of sensors and schedules.

Belongs here: scrubbing inside the functions of Dagster that record texts. Not here: what a secret is
(`etl.secrets.scrub`), printed lines (`etl.secrets.streams`), the environment of a run's process (`run_process`).

Dagster has no setting for this. So each of these functions of Dagster is wrapped, once in each process.
"""

import json
from functools import wraps
from traceback import TracebackException
from typing import IO, Any

from dagster import DagsterInstance, EventLogEntry
from dagster_shared.error import SerializableErrorInfo

from etl.running.compat import CapturedLogHandler, deserialize_value, serialize_value
from etl.secrets.scrub import known_only, scrub

_NAMES = frozenset({
    "__class__", "asset_key", "asset_check_key", "check_name", "event_type_value", "job_name", "level", "logging_tags",
    "mapping_key", "name", "output_name", "partition", "pipeline_name", "run_id", "step_handle", "step_key", "tags",
})  # fmt: skip
"""Parts of an event that are names: if a secret is equal to a pipeline's name, the pipeline keeps its name."""
_marked = "etl_scrubs"


class _CleanLines:
    """Scrubs JSON lines and passes them on to another stream."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, line: str) -> int:
        return self._stream.write(json.dumps(_clean(json.loads(line), guess=True), sort_keys=True) + "\n")


def scrub_reports() -> None:
    """Scrub everything that this process reports to Dagster."""
    _scrub_events()
    _scrub_errors()
    _scrub_logs_of_ticks()


def _scrub_events() -> None:
    """Scrub every event that this process reports, once, for every instance of Dagster."""
    report = DagsterInstance.handle_new_event
    if getattr(report, _marked, False):
        return

    @wraps(report)
    def scrubbed(self: DagsterInstance, event: EventLogEntry, **more: Any) -> None:  # noqa: ANN401  Dagster's own
        report(self, scrubbed_event(event), **more)

    setattr(scrubbed, _marked, True)
    DagsterInstance.handle_new_event = scrubbed  # type: ignore[method-assign,assignment]  # all events pass it


def scrubbed_event(event: EventLogEntry) -> EventLogEntry:
    """Return the event without secrets; the same object if the event has no secret."""
    said = json.loads(serialize_value(event))
    clean = _clean(said, guess=False)
    return event if clean == said else deserialize_value(json.dumps(clean), EventLogEntry)


def _clean(value: Any, *, guess: bool) -> Any:  # noqa: ANN401  any JSON
    """Return texts without known secrets; in errors and log messages also without a value behind `password=`."""
    if isinstance(value, str):
        return scrub(value) if guess else known_only(value)
    if isinstance(value, list):
        return [_clean(each, guess=guess) for each in value]
    if isinstance(value, dict):
        kind = value.get("__class__")
        if kind in ("AssetKey", "AssetCheckKey", "StepHandle"):
            return value
        guess = guess or kind == "SerializableErrorInfo"
        return {
            key: each if key in _NAMES else _clean(each, guess=guess or key == "user_message")
            for key, each in value.items()
        }
    return value


def _scrub_errors() -> None:
    """Remove secrets where Dagster turns an exception into data: the error of a tick, of a location, of a step."""
    build: Any = SerializableErrorInfo.from_traceback
    if hasattr(build, _marked):
        return

    @wraps(build.__func__)
    def scrubbed(cls: type[SerializableErrorInfo], tb: TracebackException) -> SerializableErrorInfo:
        found: SerializableErrorInfo = build.__func__(cls, tb)  # Dagster calls this function for causes too
        return found._replace(message=scrub(found.message), stack=[scrub(each) for each in found.stack])

    setattr(scrubbed, _marked, True)
    SerializableErrorInfo.from_traceback = classmethod(scrubbed)  # type: ignore[method-assign,assignment]


def _scrub_logs_of_ticks() -> None:
    """Make `context.log` of a sensor or schedule write its lines without secrets.

    A line stays valid JSON, because Dagster does not show a line that it cannot read.
    """
    make = CapturedLogHandler.__init__
    if hasattr(make, _marked):
        return

    @wraps(make)
    def scrubbed(self: CapturedLogHandler, write_stream: IO[str]) -> None:
        make(self, _CleanLines(write_stream))  # type: ignore[arg-type]  # only `write` is called

    setattr(scrubbed, _marked, True)
    CapturedLogHandler.__init__ = scrubbed  # type: ignore[method-assign]
