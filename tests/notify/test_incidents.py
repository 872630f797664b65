"""What is one incident, and what is said about it."""

from datetime import timedelta

from etl.notify.incidents import broken_message, cause_of, group, recovered_message
from tests.notify.samples import NOW, trouble


def failed(pipeline: str, error: str, **changes: object) -> object:
    return trouble(event="failure", pipeline=pipeline, cause=cause_of(error), detail=error, **changes)


def test_two_thousand_failures_with_four_causes_are_four_incidents() -> None:
    errors = [
        "connection to 10.0.0.{} refused",
        "column `qty` has {} nulls",
        "disk full at 0x{:x}",
        "run {} was killed",
    ]
    every = [failed(f"p{n % 50}", errors[n % 4].format(n), since=NOW + timedelta(seconds=n % 60)) for n in range(2000)]
    incidents = group(every)
    assert len(incidents) == 4
    assert sum(each.count for each in incidents) == 2000
    message = broken_message(incidents[0], NOW)
    assert len(message.text.splitlines()) < 30, "a storm makes no long message"


def test_the_varying_part_of_an_error_is_not_its_cause() -> None:
    one = cause_of("\n SourceError: run 7b0e5a52-3f7a-4a5e-9d43-0f1a2b3c4d5e read 12 of 13 rows\n  -> look")
    two = cause_of("SourceError: run 1c9d8e7f-0000-4a5e-9d43-0f1a2b3c4d5e read 9 of 10 rows")
    assert one == two == "SourceError: run # read # of # rows"
    assert cause_of("table `a` is gone") != cause_of("table `b` is gone")


def test_equal_causes_of_two_tenants_are_two_incidents() -> None:
    assert len({each.key for each in group([trouble(), trouble(tenant="project_02")])}) == 2


def test_what_reads_from_a_pipeline_in_trouble_belongs_to_its_incident() -> None:
    upstream = {("project_01", "b"): ["a"], ("project_01", "c"): ["b", "fine"]}
    late = NOW + timedelta(hours=1)
    troubles = [
        trouble(pipeline="c", cause="c: freshness"),
        trouble(pipeline="b", cause="b: freshness"),
        failed("a", "no connection", since=late),
    ]
    (incident,) = group(troubles, upstream)
    assert (incident.root, incident.pipelines, incident.cause) == ("a", ("a", "b", "c"), "no connection")
    assert incident.events == ("failure", "sla")
    message = broken_message(incident, NOW)
    assert message.title == "[project_01] a: no connection"
    assert "Affected with a: b, c." in message.text


def test_what_reads_from_a_failed_pipeline_is_named_before_it_is_in_trouble() -> None:
    upstream = {("project_01", "b"): ["a"], ("project_01", "c"): ["b"], ("project_02", "d"): ["a"]}
    (incident,) = group([failed("a", "no connection")], upstream)
    assert (incident.pipelines, incident.downstream) == (("a",), ("b", "c"))
    message = broken_message(incident, NOW)
    assert "Downstream of it: b, c." in message.text
    assert message.downstream == ("b", "c")
    many = {("project_01", f"p{n:03d}"): ["a"] for n in range(500)}
    assert "p019 and 480 more." in broken_message(group([failed("a", "x")], many)[0], NOW).text


def test_a_circle_of_pipelines_ends() -> None:
    upstream = {("project_01", "a"): ["b"], ("project_01", "b"): ["a"]}
    assert group([trouble(pipeline="a", cause="a"), trouble(pipeline="b", cause="b")], upstream)
    (incident,) = group([trouble(pipeline="a", cause="a")], upstream)
    assert incident.downstream == ("b",)


def test_a_broken_promise_belongs_to_the_failure_of_the_same_pipeline() -> None:
    (incident,) = group([trouble(), failed("lot_history", "no connection", since=NOW + timedelta(hours=1))])
    assert incident.cause == "no connection"
    assert incident.covers == ("lot_history: freshness", "no connection")


def test_an_incident_is_as_loud_as_its_loudest_trouble_and_knows_all_owners() -> None:
    troubles = [
        trouble(severity="warning", owners=("team:a",)),
        trouble(severity="critical", owners=("team:b", "team:a")),
    ]
    (incident,) = group(troubles)
    assert (incident.severity, incident.owners, incident.count) == ("critical", ("team:a", "team:b"), 2)


def test_the_end_of_an_incident_says_how_long_it_lasted() -> None:
    (incident,) = group([trouble()])
    message = recovered_message(incident, NOW + timedelta(hours=25, minutes=7))
    assert message.title == "[project_01] lot_history: recovered"
    assert message.text.startswith("It lasted 25 h 7 min. It was: lot_history: 2026-01-04 due")
