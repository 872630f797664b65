"""JSON logs: with `ETL_LOG_FORMAT=json`, every line that a process of Dagster prints is one JSON object.

Belongs here: the lines, and which processes have them. Not here: what a secret is (`etl.secrets.scrub`), the logs that
a person sees in Dagster's UI.

The processes are the daemon, the web server, code servers, and runs with their steps. `instance_class` in dagster.yaml
brings this module into each of them. A line has `time`, `level`, `tenant`, `run`, `pipeline` and `message`, null where
there is none; a record of a log also has `logger`, and one of Dagster `step`, `event` and `job`. A line that was
printed has the stream in place of the logger.

Dagster's own `--log-format json` has neither tenant nor run, breaks a printed line, and shows secrets. Dagster
configures its loggers when a process begins, and again later. So not its loggers are changed, but what Python does with
a record for the process's own output.
"""

import json
import logging
import multiprocessing
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from etl.errors import EtlError
from etl.running.naming import AssetAddress
from etl.secrets.scrub import scrub
from etl.secrets.streams import ScrubbedStream

FORMAT = "ETL_LOG_FORMAT"
FIELDS = ("time", "level", "tenant", "run", "pipeline", "message")
Line = dict[str, Any]

_here: Line = {}
"""The tenant, the run and the pipeline for which this process works at present."""


def wants_json() -> bool:
    """Whether the environment asks for JSON logs."""
    asked = os.environ.get(FORMAT) or "text"
    if asked not in ("text", "json"):
        raise EtlError(f"{FORMAT} is `{asked}`", "write text or json")
    return asked == "json"


def log_as_json(*, is_own: bool = False) -> None:
    """Let this process print JSON from now on, if it is asked for and the process is one of Dagster's.

    `is_own` says that the process works like one of Dagster's, although its command is another.
    """
    if not wants_json() or not (is_own or _is_of_dagster()):
        return
    before: dict[int, JsonLines] = {}
    for name in ("stdout", "stderr"):
        stream: TextIO | None = getattr(sys, name)
        if stream is None or isinstance(stream, JsonLines):
            continue
        behind = stream.behind if isinstance(stream, ScrubbedStream) else stream
        before[id(stream)] = before[id(behind)] = lines = JsonLines(behind, name)
        setattr(sys, name, lines)
    logging.StreamHandler.format = _formatted  # type: ignore[method-assign,assignment]  # survives each new configuration
    every = [logging.getLogger(), *logging.Logger.manager.loggerDict.values()]
    for logger in every:
        for handler in getattr(logger, "handlers", ()):
            if isinstance(handler, logging.StreamHandler) and id(handler.stream) in before:
                handler.setStream(before[id(handler.stream)])


@contextmanager
def working_for(*, tenant: str, run: str, pipeline: str | None = None) -> Iterator[None]:
    """Name these in each line that is printed while the block runs."""
    before = dict(_here)
    _here.update(tenant=tenant, run=run, pipeline=pipeline)
    try:
        yield
    finally:
        _here.clear()
        _here.update(before)


def name_run(run: str, tenants: list[str]) -> None:
    """Name the run in each line of this process, which works for no other run."""
    _here.update(run=run, tenant=tenants[0] if len(tenants) == 1 else None)


class JsonLines(ScrubbedStream):
    """A stream in front of the process's output. Each line that reaches the output is a JSON object without secrets."""

    def __init__(self, stream: TextIO, name: str) -> None:
        """`name` is stdout or stderr."""
        super().__init__(stream)
        self._name = name
        self._lock = threading.RLock()

    def write(self, text: str) -> int:
        """Take the text, and pass on the lines that are now complete."""
        with self._lock:
            *whole, self._line = (self._line + text).split("\n")
            lines = [self._json(each) for each in whole if each.strip()]
            if lines:
                self._stream.write("".join(f"{each}\n" for each in lines))
        return len(text)

    def flush(self) -> None:
        """Pass on whole lines only: half a line is no JSON."""
        if not self._stream.closed:
            self._stream.flush()

    def finish(self) -> None:
        """Pass on the last line, because no more text comes."""
        if self._line.strip():
            self.write("\n")
        self.flush()

    def _json(self, text: str) -> str:
        found = _object_in(text)
        if found is None:
            level = "ERROR" if text.startswith(("Traceback ", "Fatal Python error")) else "INFO"
            found = {"level": level, "message": text.rstrip("\r"), "stream": self._name}
        return json.dumps(_clean(_with_fields(found)), ensure_ascii=False, default=str)


def _with_fields(found: Line) -> Line:
    """Return the line with all fields, the common ones first."""
    common: Line = {"time": datetime.now(UTC).isoformat(), "level": "INFO", **_here, "message": ""} | found
    return {name: common.get(name) for name in FIELDS} | {k: v for k, v in found.items() if k not in FIELDS}


def _object_in(text: str) -> Line | None:
    """Return the JSON object that a line is; None for any other line."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _clean(value: Any) -> Any:  # noqa: ANN401  any JSON
    """Remove secrets from each text by itself, so that the line stays JSON."""
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, list | tuple):
        return [_clean(each) for each in value]
    if isinstance(value, dict):
        return {key: _clean(each) for key, each in value.items()}
    return value


_format = logging.StreamHandler.format


def _formatted(self: "logging.StreamHandler[TextIO]", record: logging.LogRecord) -> str:
    """Return the record as one line of JSON, if the handler writes to this process's output."""
    if not isinstance(self.stream, JsonLines):
        return _format(self, record)
    return json.dumps(line_of(record), ensure_ascii=False, default=str)


def line_of(record: logging.LogRecord) -> Line:
    """Return a record of a log as a line. What Dagster says of its run and step counts more than what is set here."""
    text = record.getMessage()
    line: Line = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
        "level": record.levelname,
        "message": text,
        "logger": record.name,
    }
    meta: Line = getattr(record, "dagster_meta", None) or {}
    if meta:
        said = meta.get("orig_message") or text
        line["message"] = said
        line |= {"run": meta.get("run_id"), "job": meta.get("job_name"), "step": meta.get("step_key")}
        event = meta.get("dagster_event")
        if event is not None:
            line["event"] = event.event_type_value.replace("PIPELINE_", "RUN_")  # as Dagster shows it
            error = text.partition(said)[2].strip()
            if error:
                line["error"] = error
        if meta.get("step_key"):
            address = AssetAddress.of_step(meta["step_key"])
            line |= {"tenant": address.tenant, "pipeline": address.name or None}
        elif tenant := (meta.get("job_tags") or {}).get("tenant"):
            line["tenant"] = tenant
    quality = getattr(record, "quality", None)
    if isinstance(quality, dict):  # the events of a check, which are one line of JSON as text too
        line |= {"message": str(quality.get("event", "")), "quality": quality}
    if record.exc_info:
        line["error"] = logging.Formatter().formatException(record.exc_info)
    return line


def _is_of_dagster() -> bool:
    """Whether this process is a command of Dagster, or a process that one of them has started for a run or a step."""
    command = Path(sys.argv[0])
    parts = command.parts[command.parts.index("site-packages") :] if "site-packages" in command.parts else ()
    named = command.name.startswith("dagster") or any(each.startswith("dagster") for each in parts)
    return named or multiprocessing.parent_process() is not None
