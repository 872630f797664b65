"""Alert rules and the dashboard, judged by Prometheus' own promtool."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from etl.promises.prometheus import METRICS
from tests.servers import require

DOCS = Path(__file__).parents[2] / "docs"
RULES = DOCS / "prometheus-alerts.yml"
CASES = Path(__file__).with_name("alerts_test.yml")
PAGE = DOCS / "operating.md"


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def promtool(*arguments: str) -> str:
    made = subprocess.run([require("promtool"), *arguments], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    return made.stdout + made.stderr


@pytest.mark.slow
def test_each_rule_fires_when_it_must_and_only_then() -> None:
    assert "SUCCESS" in promtool("test", "rules", str(CASES))


def test_there_is_a_case_in_which_each_rule_fires_and_one_in_which_it_does_not() -> None:
    fires: dict[str, set[bool]] = {}
    for case in yaml.safe_load(CASES.read_text())["tests"]:
        for each in case["alert_rule_test"]:
            fires.setdefault(each["alertname"], set()).add(bool(each.get("exp_alerts")))
    assert fires == {each["alert"]: {True, False} for each in rules()}


def test_rules_and_queries_of_the_dashboard_are_promql(tmp_path: Path) -> None:
    assert "SUCCESS" in promtool("check", "rules", str(RULES))
    dashboard = json.loads((DOCS / "grafana-dashboard.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    written = [
        {"record": f"q:{n}", "expr": query.replace("$tenant", ".*").replace("$pipeline", ".*")}
        for n, query in enumerate(queries)
    ]
    path = tmp_path / "dashboard.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": written}]}))
    assert f"{len(queries)} rules found" in promtool("check", "rules", str(path))


def test_rules_name_only_metrics_that_exist_and_are_explained() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for rule in rules():
        named = set(re.findall(r"\betl_[a-z_]+", rule["expr"]))
        assert named
        assert named <= set(METRICS), rule["alert"]
        assert f"`{rule['alert']}`" in page
        assert set(rule["annotations"]) == {"summary", "description"}
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert "for" in rule or rule["alert"].endswith("Missing")
