"""Who gets messages, and about what: the `notifications:` of a tenant's YAML.

Belongs here: one frozen model per kind of target, and which messages the target gets. Not here: sending (`send`), and
resolving templates: every text here may be a template such as `${SLACK_URL}`, which only `send` turns into a value.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Event = Literal["sla", "failure", "quality", "quota"]
Severity = Literal["info", "warning", "error", "critical"]
EVENTS: tuple[Event, ...] = ("sla", "failure", "quality", "quota")
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "error", "critical")  # from quiet to loud

Text = Annotated[str, StringConstraints(min_length=1)]
Header = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]+$")]


class Route(BaseModel):
    """Which messages a target gets. All given filters must match; a filter that is not given does not restrict."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    on: Annotated[tuple[Event, ...], Field(min_length=1)] = Field(EVENTS, description="Default: everything.")
    severity: Severity | None = Field(None, description="Only messages at least this loud.")
    owners: tuple[Text, ...] = Field((), description="Only pipelines of one of these owners.")
    pipelines: tuple[Text, ...] = Field((), description="Only these pipelines; `lot_*` is a pattern.")


class LogTarget(Route):
    """The log of the process that judges the promises."""

    type: Literal["log"]


class WebhookTarget(Route):
    """A POST of the message as JSON."""

    type: Literal["webhook"]
    url: Text = Field(description="Where the message is sent.")
    headers: dict[Header, Text] = Field({}, description="Such as Authorization; values may be templates.")


class SlackTarget(Route):
    """An incoming webhook of Slack, or of anything that understands its messages."""

    type: Literal["slack"]
    url: Text = Field(description="The address of the webhook, as ${VAR}: whoever has it can write into the channel.")


class EmailTarget(Route):
    """A mail through an SMTP server."""

    type: Literal["email"]
    host: Text = Field(description="Name of the SMTP server.")
    port: int | Text = Field(587, description="587 with starttls, 465 with ssl, 25 with none.")
    security: Literal["starttls", "ssl", "none"] = Field("starttls", description="How the connection is protected.")
    username: Text | None = Field(None, description="The login of the server. Default: none.")
    password: Text | None = Field(None, description="Only as ${VAR} or ${secret:name#key}.")
    sender: Text = Field(description="The address from which the mail comes.")
    to: Annotated[tuple[Text, ...], Field(min_length=1)] = Field(description="The addresses that get the mail.")


class PagerDutyTarget(Route):
    """An event of PagerDuty's Events API v2: triggered when a promise breaks, resolved when it recovers."""

    type: Literal["pagerduty"]
    routing_key: Text = Field(description="The key of the service's integration, as ${VAR} or ${secret:name#key}.")
    url: Text = Field("https://events.pagerduty.com/v2/enqueue", description="Where events are sent.")


class OpsgenieTarget(Route):
    """An alert of Opsgenie: created when a promise breaks, closed when it recovers."""

    type: Literal["opsgenie"]
    api_key: Text = Field(description="The key of the API integration, as ${VAR} or ${secret:name#key}.")
    url: Text = Field("https://api.opsgenie.com", description="https://api.eu.opsgenie.com in Europe.")


NotificationConfig = Annotated[
    LogTarget | WebhookTarget | SlackTarget | EmailTarget | PagerDutyTarget | OpsgenieTarget,
    Field(discriminator="type"),
]

SECRET_FIELDS: dict[str, tuple[str, ...]] = {
    "log": (),
    "webhook": ("url", "headers"),
    "slack": ("url",),
    "email": ("password",),
    "pagerduty": ("routing_key",),
    "opsgenie": ("api_key",),
}
"""Fields whose value is a secret or contains a secret. A configuration may give them only as templates."""
