"""JSON logs: whatever a process of Dagster prints, every line is one object with the fields, and shows no secret."""

import io
import json
import logging
import logging.config
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance

from etl.errors import EtlError
from etl.running import json_log
from etl.running.json_log import FIELDS, JsonLines, log_as_json, wants_json, working_for
from etl.secrets.scrub import learn
from etl.secrets.streams import ScrubbedStream
from tests.telemetry.conftest import JOBS

Begin = Callable[[], io.StringIO]
SECRET = 'hunter2-can"ary'


@pytest.fixture
def begin(monkeypatch: pytest.MonkeyPatch) -> Begin:
    """Call it in the test, because pytest has other streams before: the process's output as JSON from then on."""
    return lambda: _begin(monkeypatch)


def _begin(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    text = io.StringIO()
    monkeypatch.setenv("ETL_LOG_FORMAT", "json")
    monkeypatch.setattr(sys, "stdout", ScrubbedStream(text))
    monkeypatch.setattr(sys, "stderr", text)
    monkeypatch.setattr(logging.StreamHandler, "format", logging.StreamHandler.format)
    monkeypatch.setattr(json_log, "_here", {})
    log_as_json(is_own=True)
    return text


def say(*texts: str, **options: Any) -> None:
    print(*texts, **options)  # noqa: T201  a tenant's code prints


def lines(output: io.StringIO) -> list[dict[str, Any]]:
    """All lines, each read as JSON."""
    sys.stdout.finish()  # type: ignore[attr-defined]
    sys.stderr.finish()  # type: ignore[attr-defined]
    found = [json.loads(each) for each in output.getvalue().splitlines()]
    for each in found:
        assert list(each)[: len(FIELDS)] == list(FIELDS)
    return found


def test_a_printed_line_is_an_object_also_half_a_line_and_a_trace(begin: Begin) -> None:
    output = begin()
    with working_for(tenant="acme", run="r1", pipeline="orders"):
        say("one")
        say("ha", end="", flush=True)
        say("lf\n\nTraceback (most recent call last):", file=sys.stdout)
        say('{"not": "ended', file=sys.stderr)
    say("the last", end="")
    one, half, trace, broken, last = lines(output)
    assert [each["message"] for each in (one, half, broken, last)] == ["one", "half", '{"not": "ended', "the last"]
    assert (one["tenant"], one["run"], one["pipeline"], one["level"], one["stream"]) == ("acme", "r1", "orders", "INFO", "stdout")  # fmt: skip
    assert (trace["level"], broken["stream"]) == ("ERROR", "stderr")
    assert (last["tenant"], last["run"], last["pipeline"]) == (None, None, None)


def test_an_object_that_a_program_prints_keeps_its_keys(begin: Begin) -> None:
    output = begin()
    with working_for(tenant="acme", run="r1"):
        say(json.dumps({"level": "WARNING", "message": "m", "mine": {"a": [1, None]}}))
    (found,) = lines(output)
    assert (found["level"], found["message"], found["mine"], found["tenant"]) == ("WARNING", "m", {"a": [1, None]}, "acme")  # fmt: skip


def test_a_record_is_one_line_with_its_trace_after_any_configuration(begin: Begin) -> None:
    output = begin()
    logging.config.dictConfig({
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"own": {"format": "%(asctime)s %(message)s"}},
        "handlers": {"out": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "own"}},
        "loggers": {"tests.json_log": {"handlers": ["out"], "level": "INFO", "propagate": False}},
    })  # fmt: skip
    try:
        int("two\nlines")
    except ValueError:
        logging.getLogger("tests.json_log").exception("it %s", "failed")
    (found,) = lines(output)
    assert (found["message"], found["level"], found["logger"]) == ("it failed", "ERROR", "tests.json_log")
    assert "ValueError: invalid literal" in found["error"]


def test_a_handler_that_writes_into_a_file_keeps_its_own_format(begin: Begin, tmp_path: Path) -> None:
    begin()
    handler = logging.FileHandler(tmp_path / "log")
    handler.setFormatter(logging.Formatter("plain %(message)s"))
    handler.emit(logging.makeLogRecord({"msg": "text"}))
    handler.close()
    assert (tmp_path / "log").read_text() == "plain text\n"


def test_no_line_shows_a_secret_and_each_stays_json(begin: Begin) -> None:
    output = begin()
    learn(SECRET)
    say(f"login with {SECRET}")
    say(json.dumps({"message": f"password={SECRET}", "deep": [f'token="{SECRET}"']}))
    say('{"message": "password=abc\\" token=x"}')
    logger = logging.getLogger("tests.json_log.secret")
    logger.addHandler(handler := logging.StreamHandler(sys.stderr))
    logger.error("url postgresql://u:%s@h/d", SECRET)
    logger.removeHandler(handler)
    found = lines(output)
    assert len(found) == 4
    assert "hunter2" not in output.getvalue()
    assert 'can\\"ary' not in output.getvalue()


def test_dagsters_own_lines_have_run_tenant_pipeline_step_and_event(begin: Begin) -> None:
    output = begin()
    with DagsterInstance.ephemeral() as instance:
        run_id = JOBS.resolve_job_def("acme_broken").execute_in_process(instance=instance, raise_on_error=False).run_id
    found = [each for each in lines(output) if each.get("event")]
    assert {each["run"] for each in found} == {run_id}
    (failure,) = [each for each in found if each["event"] == "STEP_FAILURE"]
    assert (failure["tenant"], failure["pipeline"], failure["step"], failure["job"]) == (
        "acme",
        "broken",
        "acme__extract__broken",
        "acme_broken",
    )
    assert "EtlError" in failure["error"]
    assert [each["tenant"] for each in found if each["event"] in ("RUN_START", "RUN_FAILURE")] == ["acme", "acme"]


def test_a_command_of_a_person_prints_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETL_LOG_FORMAT", "json")
    monkeypatch.setattr(sys, "argv", ["/usr/bin/etl", "metrics"])
    before = sys.stdout
    log_as_json()
    assert sys.stdout is before
    for command, is_dagsters in {
        "/venv/bin/dagster-daemon": True,
        "/venv/bin/dagster": True,
        "/venv/lib/python3.11/site-packages/dagster/__main__.py": True,
        "/dagster/venv/bin/etl": False,
    }.items():
        monkeypatch.setattr(sys, "argv", [command])
        assert json_log._is_of_dagster() is is_dagsters, command


def test_another_format_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETL_LOG_FORMAT", "xml")
    with pytest.raises(EtlError, match="ETL_LOG_FORMAT is `xml`"):
        wants_json()
    monkeypatch.setenv("ETL_LOG_FORMAT", "")
    assert not wants_json()


@pytest.mark.slow
def test_the_daemon_prints_nothing_but_json(tmp_path: Path) -> None:
    from tests.tiny_project import make_project

    project = make_project(tmp_path)
    environ = {**project.environ, "ETL_LOG_FORMAT": "json", "PATH": "/usr/bin:/bin", "PYTHONPATH": str(project.root)}
    (project.root / "empty.py").write_text("import dagster\n\ndefs = dagster.Definitions()\n")
    command = [sys.executable, "-m", "dagster._daemon", "run", "-f", str(project.root / "empty.py")]
    with subprocess.Popen(command, env=environ, cwd=project.root, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as daemon:  # fmt: skip
        assert daemon.stdout is not None
        printed = []
        for line in daemon.stdout:
            printed.append(line)
            if "SensorDaemon" in line:
                daemon.terminate()
    found = [json.loads(each) for each in printed]
    assert any(each.get("logger", "").startswith("dagster.daemon") for each in found)
    assert all(set(FIELDS) <= set(each) for each in found)


def test_the_stream_is_one_that_scrubbing_knows() -> None:
    assert isinstance(JsonLines(io.StringIO(), "stdout"), ScrubbedStream)
