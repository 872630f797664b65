"""OpenLineage events at a real receiver, judged by the standard's own JSON schemas (tests/fixtures/openlineage)."""

import json
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import jsonschema
import pytest
from referencing import Registry, Resource

from etl.errors import EtlError
from etl.telemetry.lineage_events import CONTENT_TYPE, UNKNOWN_FACET, endpoint, lineage_bodies
from etl.telemetry.sending import Receiver, send_ended_runs
from tests.telemetry.conftest import SECRET, VALUE, World
from tests.telemetry.receiver import Received

STANDARD = Path(__file__).parents[1] / "fixtures" / "openlineage"
Event = dict[str, Any]


@cache
def registry() -> Any:
    found = Registry()
    for path in STANDARD.rglob("*.json"):
        content = json.loads(path.read_text(encoding="utf-8"))
        found = found.with_resource(content["$id"], Resource.from_contents(content))
    return found


def judge(event: Event) -> None:
    """Hold an event and each of its standard facets against their schemas."""
    check({"$ref": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"}, event)
    datasets = [*event["inputs"], *event["outputs"]]
    for owner in (event["run"], event["job"], *datasets):
        for group in ("facets", "inputFacets", "outputFacets"):
            for name, facet in owner.get(group, {}).items():
                schema = facet["_schemaURL"]
                assert facet["_producer"] == "urn:tenant-etl"
                if name.startswith("etl_"):
                    check({"$ref": schema}, facet)
                else:
                    check({"$ref": schema.partition("#")[0]}, {name: facet})
                    check({"$ref": schema}, facet)


def check(schema: Any, instance: Any) -> None:
    kind = jsonschema.Draft202012Validator
    kind(schema, registry=registry(), format_checker=kind.FORMAT_CHECKER).validate(instance)


def sent(world: World, received: Received) -> list[Event]:
    url, headers = endpoint({"OPENLINEAGE_URL": received.url, "OPENLINEAGE_API_KEY": "k"})
    receiver = Receiver("lineage", url, headers, CONTENT_TYPE, lambda run: lineage_bodies(run, "etl"))
    report = send_ended_runs(world.instance, world.data, receiver)
    assert (report.refused, report.away) == ({}, None)
    events = [json.loads(each) for each in received.bodies]
    for each in events:
        judge(each)
    return events


def of(events: list[Event], job: str, state: str) -> Event:
    (found,) = [each for each in events if (each["job"]["name"], each["eventType"]) == (job, state)]
    return found


def test_the_schemas_refuse_what_is_wrong(world: World, receiver: Received) -> None:
    world.run()
    event = of(sent(world, receiver), "extract/orders", "COMPLETE")
    for path, value in (
        (("eventTime",), "yesterday"),
        (("eventType",), "DONE"),
        (("run", "runId"), "no uuid"),
        (("outputs", 0, "facets", "columnLineage", "fields", "id", "inputFields", 0), {"field": "id"}),
        (("outputs", 0, "facets", "schema", "fields", 0), {"type": "Int64"}),
    ):
        wrong = json.loads(json.dumps(event))
        place = wrong
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        with pytest.raises(jsonschema.ValidationError):
            judge(wrong)


def test_an_asset_has_a_run_of_its_own_below_dagsters_run(world: World, receiver: Received) -> None:
    run_id = world.run()
    events = sent(world, receiver)
    assert [(each["eventType"], each["job"]["name"]) for each in events] == [
        ("START", "acme_orders"),
        ("START", "extract/orders"),
        ("COMPLETE", "extract/orders"),
        ("START", "load/orders"),
        ("COMPLETE", "load/orders"),
        ("COMPLETE", "acme_orders"),
    ]
    assert {each["job"]["namespace"] for each in events} == {"etl/acme"}
    assert [each["run"]["runId"] for each in events[::5]] == [run_id, run_id]
    for name in ("extract/orders", "load/orders"):
        begin, end = of(events, name, "START"), of(events, name, "COMPLETE")
        assert begin["run"]["runId"] == end["run"]["runId"] != run_id
        assert UUID(end["run"]["runId"])
        assert end["run"]["facets"]["parent"]["run"]["runId"] == run_id
        assert end["run"]["facets"]["etl_partition"]["key"] == "2026-01-01"
        assert begin["eventTime"] <= end["eventTime"]
    ids = {each["run"]["runId"] for each in events}
    assert len(ids) == 3, "a run of OpenLineage belongs to one job"
    path, headers, _ = receiver.requests[0]
    assert (path, headers["authorization"]) == ("/api/v1/lineage", "Bearer k")


def test_columns_rows_checks_and_inputs_stand_at_the_output(world: World, receiver: Received) -> None:
    world.run()
    events = sent(world, receiver)
    event = of(events, "extract/orders", "COMPLETE")
    (output,) = event["outputs"]
    assert (output["namespace"], output["name"]) == ("etl/acme", "extract/orders")
    fields = output["facets"]["columnLineage"]["fields"]
    assert [{k: each[k] for k in ("namespace", "name", "field")} for each in fields["id"]["inputFields"]] == [
        {"namespace": "etl/acme", "name": "source/orders", "field": "id"}
    ]
    assert fields["one"]["inputFields"] == []
    assert "odd" not in fields, "an unknown origin is no empty one"
    assert output["facets"][UNKNOWN_FACET]["columns"] == {"odd": "the query says nothing"}
    assert [each["name"] for each in output["facets"]["schema"]["fields"]] == ["id", "odd"]
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 20
    (assertion,) = output["facets"]["dataQualityAssertions"]["assertions"]
    assert (assertion["assertion"], assertion["success"], assertion["severity"]) == ("not_null", False, "warn")
    assert {each["name"] for each in event["inputs"]} == {"source/orders", "source/s.customers"}
    assert [each["name"] for each in of(events, "load/orders", "COMPLETE")["inputs"]] == ["extract/orders"]


def test_what_a_failed_run_did_not_make_has_failed(world: World, receiver: Received) -> None:
    world.run("acme_broken")
    events = sent(world, receiver)
    assert [(each["eventType"], each["job"]["name"]) for each in events] == [
        ("START", "acme_broken"),
        ("START", "extract/broken"),
        ("FAIL", "extract/broken"),
        ("FAIL", "acme_broken"),
    ]
    assert "EtlError" in of(events, "extract/broken", "FAIL")["run"]["facets"]["errorMessage"]["message"]
    assert SECRET.encode() not in b"".join(receiver.bodies)


def test_of_an_error_of_a_tenants_own_code_only_the_kind_is_sent(world: World, receiver: Received) -> None:
    world.run("acme_shop")
    sent(world, receiver)
    everything = b"".join(receiver.bodies)
    assert b"the tenant's own code raised ValueError" in everything
    assert VALUE.encode() not in everything


def test_what_a_canceled_run_did_not_make_is_aborted(world: World, receiver: Received) -> None:
    world.canceled()
    assert [each["eventType"] for each in sent(world, receiver)] == ["START", "START", "ABORT", "ABORT"]


def test_two_partitions_are_two_runs_of_openlineage(world: World, receiver: Received) -> None:
    world.run(partition="2026-01-01")
    world.run(partition="2026-01-02")
    ends = [e for e in sent(world, receiver) if (e["job"]["name"], e["eventType"]) == ("extract/orders", "COMPLETE")]
    assert len({each["run"]["runId"] for each in ends}) == 2
    assert [each["run"]["facets"]["etl_partition"]["key"] for each in ends] == ["2026-01-01", "2026-01-02"]


def test_an_address_of_another_kind_is_refused_without_its_login() -> None:
    with pytest.raises(EtlError) as caught:
        endpoint({"OPENLINEAGE_URL": "ftp://user:hunter2@host"})
    assert "hunter2" not in str(caught.value)
    with pytest.raises(EtlError, match="OPENLINEAGE_URL"):
        endpoint({})
