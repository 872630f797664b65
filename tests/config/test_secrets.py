import pytest

from tests.config.conftest import Project

SECRET = "hunter2hunter2"


@pytest.mark.parametrize(
    "text",
    [
        f"source_database: {{host: h, password: {SECRET}}}",
        "source_database: {host: h, password: 1234567}",
        f"source_database: {{host: h, password: '${{PW:-{SECRET}}}'}}",
        f"source_database: {{host: h, password: '${{PW}}{SECRET}'}}",
        f"source_database: postgresql://me:{SECRET}@h/db",
        f"source_database: {{url: 'postgresql://me:{SECRET}@h/db'}}",
        f"source_database: {{url: 'postgresql://${{USER}}:{SECRET}/x@h/db'}}",
        f"source_database: {{url: 'postgresql://h/db?password={SECRET}'}}",
        f"source_database: {{host: h, options: {{password: {SECRET}}}}}",
        f"source_database: {{host: h, passwort: x, token: {SECRET}}}",
        f"warehouse: {{type: trino, password: {SECRET}}}",
        f"notifications: [{{type: slack, url: 'https://hooks.slack.com/services/{SECRET}'}}]",
        f"notifications: [{{type: slack, url: 'https://chat.example/{SECRET}'}}]",
        f"notifications: [{{type: webhook, url: 'https://discord.com/api/webhooks/1/{SECRET}'}}]",
        f"notifications: [{{type: webhook, url: 'https://me:{SECRET}@example.com/'}}]",
        f"notifications: [{{type: webhook, url: 'https://example.com', headers: {{Authorization: Bearer {SECRET}}}}}]",
        f"notifications: [{{type: webhook, url: 'https://example.com', headers: {{X-Api-Key: {SECRET}}}}}]",
        f"notifications: [{{type: pagerduty, routing_key: {SECRET}}}]",
        f"notifications: [{{type: opsgenie, api_key: {SECRET}}}]",
        f"notifications: [{{type: email, host: h, sender: s, to: [t], password: {SECRET}}}]",
        f"environments: {{prod: {{source_database: {{password: {SECRET}}}}}}}",
        f"warehouse: {{type: trino, iceberg: {{type: rest, uri: u, adls.account-key: {SECRET}}}}}",
        f"warehouse: {{type: trino, iceberg: {{type: rest, uri: u, adls.connection-string: {SECRET}}}}}",
        f"description: see postgresql://me:{SECRET}@h/db",
    ],
)
def test_a_secret_in_clear_is_refused_and_never_shown(project: Project, text: str) -> None:
    problems = project.problems(f"id: acme\n{text}\n")
    assert any("a secret in clear at tenants/acme/config.yaml:2:" in each for each in problems), problems
    assert not any(SECRET in each or "1234567" in each for each in problems)


@pytest.mark.parametrize(
    "text",
    [
        "source_database: {host: h, password: '${ACME_PW}'}",
        "source_database: {host: h, password: '${ACME_PW:-}'}",
        "source_database: '${ACME_URL}'",
        "source_database: 'postgresql://${ACME_USER}:${ACME_PW}@${ACME_HOST}:5432/db'",
        "source_database: 'postgresql://h:5432/db?user=a@b'",
        "source_database: sqlite:///tenants/acme/x.db",
        "notifications: [{type: slack, url: 'https://hooks.slack.com/${ACME_PATH_OF_HOOK}'}]",
        "notifications: [{type: webhook, url: 'https://example.com:8080/hook', headers: {Authorization: 'Bearer ${ACME_T}'}}]",
        "assets: {pipelines: {a: {source_table: a, columns: [password, token, api_key]}}}",
    ],
)
def test_what_is_no_secret_is_accepted(project: Project, text: str) -> None:
    assert project.load(f"id: acme\n{text}\n").id == "acme"


@pytest.mark.parametrize(
    "text",
    [
        f"source_database: {{password: [{SECRET}]}}",
        f"source_database: {{port: {{{SECRET}: 1}}}}",
        f"source_database: [{SECRET}]",
        f"source_database: {{statement_timeout_seconds: {SECRET}}}",
        f"notifications: [{{type: email, security: {SECRET}, host: h, sender: s, to: [t]}}]",
        f"notifications: [{{type: email, port: [{SECRET}], host: h}}]",
        f"environments: {{prod: {{source_database: {{host: [{SECRET}]}}}}}}",
    ],
)
def test_an_error_about_something_else_does_not_show_it_either(project: Project, text: str) -> None:
    assert not any(SECRET in each for each in project.problems(f"id: acme\n{text}\n") if "unknown key" not in each)
