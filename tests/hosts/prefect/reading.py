"""Reads back what Prefect's server shows, over HTTP, with none of our code."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from tests.hosts.prefect.servers import wait_for

TIMED = ("timestamp", "execution_time_ms")


@dataclass(frozen=True)
class Api:
    """The server's API."""

    address: str

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return self._answer(lambda: httpx.post(f"{self.address}/{path}", json=body, timeout=30))

    def get(self, path: str) -> Any:
        return self._answer(lambda: httpx.get(f"{self.address}/{path}", timeout=30))

    def _answer(self, ask: Callable[[], httpx.Response]) -> Any:
        """Ask again while the server's database is busy: it says so by 503, and has done nothing then."""
        answer = wait_for(
            lambda: None if (found := ask()).status_code == httpx.codes.SERVICE_UNAVAILABLE else found, "an answer", 60
        )
        assert isinstance(answer, httpx.Response)
        answer.raise_for_status()
        return answer.json()

    def flow_run(self, run_id: object) -> dict[str, Any]:
        found: dict[str, Any] = self.get(f"flow_runs/{run_id}")
        return found

    def task_runs(self, run_id: object) -> list[dict[str, Any]]:
        """The task runs of a flow run; the server knows them a moment after they ended."""

        def ended() -> list[dict[str, Any]]:
            found = self.post(
                "task_runs/filter", {"flow_runs": {"id": {"any_": [str(run_id)]}}, "sort": "EXPECTED_START_TIME_ASC"}
            )
            done = [each for each in found if each["state"]["type"] in ("COMPLETED", "FAILED", "CRASHED")]
            return done if len(done) == len(found) else []

        found: list[dict[str, Any]] = wait_for(ended, "task runs", 30)  # type: ignore[assignment]
        return found

    def artifacts(self, run_id: object) -> dict[str, dict[str, Any]]:
        """The artifacts of a flow run by their keys; those that Prefect makes for results have none."""
        found = self.post("artifacts/filter", {"flow_runs": {"id": {"any_": [str(run_id)]}}})
        return {each["key"]: each for each in found if each["key"]}

    def events(
        self, *names: str, run_id: object = None, resource: str | None = None, prefix: str | None = None, least: int = 1
    ) -> list[dict[str, Any]]:
        """Events by their names, oldest first, as soon as there are as many as wanted."""

        def arrived() -> list[dict[str, Any]]:
            wanted: dict[str, Any] = {"event": {"name": list(names)}, "order": "ASC"}
            if resource is not None:
                wanted["resource"] = {"id": [resource]}
            if prefix is not None:
                wanted["resource"] = {"id_prefix": [prefix]}
            found = self.post("events/filter", {"filter": wanted, "limit": 50})["events"]
            if run_id is not None:
                run = f"prefect.flow-run.{run_id}"
                found = [each for each in found if run in {part["prefect.resource.id"] for part in each["related"]}]
            return found if len(found) >= least else []

        found: list[dict[str, Any]] = wait_for(arrived, f"events {names}", 30)  # type: ignore[assignment]
        return found


def timeless(verdict: dict[str, Any]) -> dict[str, Any]:
    """A verdict without what differs from one run to the next."""
    return {name: value for name, value in verdict.items() if name not in TIMED}


def table(artifact: dict[str, Any]) -> list[dict[str, str]]:
    """The rows of a table artifact."""
    found: list[dict[str, str]] = json.loads(artifact["data"])
    return found
