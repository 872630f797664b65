"""A process that a command starts to load a tenant's code location, to plan, and to execute one run.

Belongs here: the command's side of that process: starting it, asking it, interrupting it, and noticing that it was
killed. Not here: what the process does (`run_child`), the messages (`messages`), the choice of this way (`runs`).
"""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress

from dagster import DagsterInstance

from etl.cli.location_errors import does_not_answer, ended_early, log_file, not_started
from etl.cli.messages import Channel, Go, Line, Plan, Refused, Request, Started
from etl.errors import EtlError
from etl.resources.run_worker import release_dead_runs
from etl.running.canceling import mark_canceling
from etl.running.compat import get_run_crash_explanation
from etl.settings import Settings

SECONDS_TO_END = 30
"""How long the command waits for the end of a process whose run has ended."""


class Child:
    """The process. It is alone in its session, and its output is in the file of the code servers' output."""

    def __init__(self, request: Request, location: str, seconds: int, settings: Settings) -> None:
        """Start it. It loads the location within so many seconds, while this command does something else.

        It works in the project's folder, which `working_directory: .` of workspace.yaml means, wherever the command is.
        """
        self._location, self._seconds = location, seconds
        self._deadline = time.monotonic() + seconds
        self._plan: Plan | None = None
        self._is_started = False
        places = {"ETL_PROJECT_DIR": str(settings.project_dir), "ETL_DATA_DIR": str(settings.data_dir)}
        ours, theirs = socket.socketpair()
        self._channel = Channel(ours)
        with theirs, log_file().open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603  this package, and a number
                [sys.executable, "-m", "etl.cli.run_child", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                cwd=settings.project_dir,
                env={**os.environ, **places},
            )
        self._channel.say(request)

    def planned(self) -> Plan:
        """Wait until the location is loaded. Raises an error if it cannot be, or if there is nothing to run."""
        if self._plan is not None:
            return self._plan
        try:
            said = self._channel.hear(Plan, Refused, seconds=max(self._deadline - time.monotonic(), 1))
        except TimeoutError:
            self.dismiss()
            raise not_started(self._location, self._seconds, log_file()) from None
        if isinstance(said, Plan):
            self._plan = said
            return said
        raise self._refusal(said) or ended_early(self._location, self._process.wait(), log_file())

    def go(self, run_id: str, instance: DagsterInstance) -> None:
        """Let the process create its run and execute it. Raises an error if there is no such run."""
        self._channel.say(Go(run_id=run_id))
        said = self._channel.hear(Started, Refused)
        self._is_started = isinstance(said, Started)
        if not self._is_started:
            self.dismiss()
            refusal = self._refusal(said)
            if refusal is None and instance.get_run_by_id(run_id) is None:
                raise does_not_answer(self._location, log_file())
            self.notice_end(run_id, instance)
            if refusal is not None:
                raise refusal
        self._channel.close()

    def notice_end(self, run_id: str, instance: DagsterInstance) -> None:
        """Report the run as failed if the process has ended without saying so: it was killed."""
        code = self._process.poll()
        run = instance.get_run_by_id(run_id) if code is not None else None
        if code is None or run is None or run.is_finished:
            return
        instance.report_engine_event(get_run_crash_explanation(f"Run execution process for {run_id}", code), run)
        instance.report_run_failed(run)
        release_dead_runs(instance)  # frees the slots that the run had in pools

    def interrupt(self, run_id: str, instance: DagsterInstance) -> None:
        """Ask the run to stop."""
        if mark_canceling(instance, run_id):
            self._process.send_signal(signal.SIGINT)

    def await_end(self) -> None:
        """Wait for the end of the process; its run has ended."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(SECONDS_TO_END)

    def dismiss(self) -> None:
        """End the process if it executes no run."""
        self._channel.close()
        if self._is_started:
            return
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @staticmethod
    def _refusal(said: Line | None) -> EtlError | None:
        return EtlError(said.problem, said.hint) if isinstance(said, Refused) else None
