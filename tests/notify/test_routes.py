"""Which target is told."""

import pytest
from pydantic import TypeAdapter, ValidationError

from etl.notify.routes import target_name, wants
from etl.notify.targets import SECRET_FIELDS, NotificationConfig
from tests.notify.samples import broken

TARGET: TypeAdapter[NotificationConfig] = TypeAdapter(NotificationConfig)


@pytest.mark.parametrize(
    ("route", "told"),
    [
        ({}, True),
        ({"on": ["sla"]}, True),
        ({"on": ["failure", "quality"]}, False),
        ({"severity": "warning"}, True),
        ({"severity": "error"}, True),
        ({"severity": "critical"}, False),
        ({"owners": ["team:planning", "team:x"]}, True),
        ({"owners": ["team:x"]}, False),
        ({"pipelines": ["lot_*"]}, True),
        ({"pipelines": ["order_*"]}, False),
        ({"pipelines": ["lot_history"], "owners": ["team:x"]}, False),
    ],
)
def test_a_target_is_told_what_every_one_of_its_filters_lets_through(route: dict[str, object], told: bool) -> None:
    target = TARGET.validate_python({"type": "log", **route})
    assert wants(target, broken(severity="error", owners=("team:planning",))) is told


def test_the_name_of_a_target_is_stable_and_depends_on_where_it_leads() -> None:
    def name(**values: object) -> str:
        return target_name(TARGET.validate_python(values))

    one = name(type="slack", url="${A}")
    assert one == name(type="slack", url="${A}", on=["sla"])
    assert one != name(type="slack", url="${B}")
    assert one != name(type="webhook", url="${A}")


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "pigeon"},
        {"type": "slack"},
        {"type": "slack", "url": ""},
        {"type": "slack", "url": "x", "ur": "y"},
        {"type": "log", "on": []},
        {"type": "log", "on": ["everything"]},
        {"type": "log", "severity": "loud"},
        {"type": "email", "host": "h", "sender": "s", "to": []},
        {"type": "webhook", "url": "x", "headers": {"a b": "c"}},
    ],
)
def test_a_target_that_says_something_unknown_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TARGET.validate_python(wrong)


def test_every_field_that_is_said_to_be_secret_exists() -> None:
    schema = TARGET.json_schema()
    for kind, reference in schema["discriminator"]["mapping"].items():
        properties = schema["$defs"][reference.rsplit("/", 1)[1]]["properties"]
        assert set(SECRET_FIELDS[kind]) <= set(properties)
