"""Metrics as Prometheus reads them, and the dashboard that asks for them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from etl.errors import EtlError
from etl.promises.prometheus import LABELS, METRICS, Sample, metrics_text

DASHBOARD = Path(__file__).parents[2] / "docs" / "grafana-dashboard.json"


def parsed(text: str) -> dict[tuple[str, str, str], float]:
    return {
        (sample.name, sample.labels["tenant"], sample.labels["pipeline"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_every_metric_is_written_and_read_back() -> None:
    samples = [Sample(name, tenant, "p", n + 0.5) for n, name in enumerate(METRICS) for tenant in ("a", "b")]
    expected = {(each.metric, each.tenant, each.pipeline): each.value for each in samples}
    assert parsed(metrics_text(samples)) == expected


def test_labels_are_tenant_and_pipeline_only() -> None:
    text = metrics_text(Sample(name, "a", "p", 1) for name in METRICS)
    for family in text_string_to_metric_families(text):
        assert [set(each.labels) for each in family.samples] == [set(LABELS)]


def test_a_series_has_one_number_the_last() -> None:
    text = metrics_text([Sample("etl_pipeline_rows", "a", "p", 1), Sample("etl_pipeline_rows", "a", "p", 2)])
    assert parsed(text) == {("etl_pipeline_rows", "a", "p"): 2}


def test_a_hostile_name_stays_inside_its_label() -> None:
    name = 'a"} 5\netl_pipeline_rows{tenant="b\\'
    assert parsed(metrics_text([Sample("etl_pipeline_rows", name, "p", 1)])) == {("etl_pipeline_rows", name, "p"): 1}


def test_a_metric_that_does_not_exist_is_refused() -> None:
    with pytest.raises(EtlError, match="there is no metric `etl_rows`"):
        metrics_text([Sample("etl_rows", "a", "p", 1)])


def test_nothing_is_an_empty_page() -> None:
    assert metrics_text([]) == ""


def test_names_follow_the_conventions() -> None:
    for name, metric in METRICS.items():
        assert re.fullmatch(r"etl_[a-z_]+", name)
        assert name.endswith("_total") is (metric.kind == "counter")
        assert not re.search(r"_(ms|minutes|hours|percent|kb|mb)(_|$)", name)
        assert metric.text.endswith(".")


def texts(node: Any) -> list[str]:
    if isinstance(node, str):
        return [node]
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return [text for child in children for text in texts(child)]


def test_the_dashboard_asks_only_for_metrics_that_exist_and_for_all_of_them() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    asked = {name for text in texts(dashboard) for name in re.findall(r"\betl_[a-z_]+", text)}
    assert asked == set(METRICS)


def test_the_dashboard_is_complete() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    panels = dashboard["panels"]
    assert len({each["id"] for each in panels}) == len(panels)
    cells = [
        (x, y)
        for each in panels
        for x in range(each["gridPos"]["x"], each["gridPos"]["x"] + each["gridPos"]["w"])
        for y in range(each["gridPos"]["y"], each["gridPos"]["y"] + each["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells), "panels do not overlap"
    assert max(x for x, _ in cells) < 24
    for panel in panels:
        for target in panel["targets"]:
            assert target["expr"].count("(") == target["expr"].count(")")
            for name in re.findall(r"\betl_[a-z_]+", target["expr"]):
                of_tenant = name.startswith("etl_quota_") or name in {
                    "etl_tenant_loaded",
                    "etl_metrics_timestamp_seconds",
                }
                labels = 'tenant=~"$tenant"' if of_tenant else 'tenant=~"$tenant",pipeline=~"$pipeline"'
                of_platform = name in {"etl_daemon_running", "etl_quota_file_mistakes"}
                assert (name if of_platform else f"{name}{{{labels}}}") in target["expr"]
    assert [each["name"] for each in dashboard["templating"]["list"]] == ["datasource", "tenant", "pipeline"]
