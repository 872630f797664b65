"""What arrives at a target, and what a failure says."""

import email
import email.policy
import json
import logging
import ssl
import subprocess
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from etl.errors import ConfigError, NotifyError
from etl.notify.send import send
from etl.notify.targets import NotificationConfig
from tests.notify.samples import broken, recovered
from tests.notify.servers import Mailbox, Web, mail_server, web_server

SECRET = "s3cr3t-t0ken"
TARGET: TypeAdapter[NotificationConfig] = TypeAdapter(NotificationConfig)


def resolve(text: str) -> str:
    return text.replace("${SECRET}", SECRET)


def target(**values: object) -> NotificationConfig:
    return TARGET.validate_python(values)


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as server:
        yield server


@pytest.fixture(autouse=True)
def everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


def failure(config: NotificationConfig, caplog: pytest.LogCaptureFixture, timeout: float = 5.0) -> str:
    """The error of a delivery that fails, after looking for the secret in everything that can be seen of it."""
    with pytest.raises(NotifyError) as caught:
        send(config, broken(), resolve, timeout=timeout)
    seen = [str(caught.value), repr(caught.value), "".join(traceback.format_exception(caught.value)), caplog.text]
    assert all(SECRET not in each for each in seen), seen
    return str(caught.value)


def test_a_webhook_gets_the_message_as_json_with_its_headers(web: Web) -> None:
    config = target(type="webhook", url=web.url + "/${SECRET}", headers={"Authorization": "Bearer ${SECRET}"})
    send(config, broken(), resolve)
    path, headers, body = web.requests[0]
    got = json.loads(body)
    assert (path, headers["Authorization"], headers["Content-Type"]) == (
        f"/{SECRET}",
        f"Bearer {SECRET}",
        "application/json",
    )
    assert got["transition"] == "broken"
    assert got["pipelines"] == ["lot_history"]
    assert got["title"].startswith("[project_01] lot_history: 2026-01-04 due")


def test_slack_gets_text_that_mentions_nobody(web: Web) -> None:
    message = broken(detail="<!channel> a & b <http://evil|x>")
    send(target(type="slack", url=web.url + "/services/${SECRET}"), message, resolve)
    text = json.loads(web.requests[0][2])["text"]
    assert text.startswith(":red_circle: *[project_01] lot_history: &lt;!channel&gt; a &amp; b")
    assert "<" not in text


def test_pagerduty_triggers_and_resolves_one_alert(web: Web) -> None:
    config = target(type="pagerduty", routing_key="${SECRET}", url=web.url + "/v2/enqueue")
    send(config, broken(severity="critical"), resolve)
    send(config, recovered(severity="critical"), resolve)
    trigger, end = (json.loads(body) for _, _, body in web.requests)
    assert (trigger["event_action"], end["event_action"]) == ("trigger", "resolve")
    assert trigger["dedup_key"] == end["dedup_key"]
    assert trigger["routing_key"] == end["routing_key"] == SECRET
    assert trigger["payload"]["severity"] == "critical"


def test_opsgenie_opens_and_closes_one_alert(web: Web) -> None:
    config = target(type="opsgenie", api_key="${SECRET}", url=web.url)
    send(config, broken(), resolve)
    send(config, recovered(), resolve)
    (path, headers, body), (closing, _, _) = web.requests
    alias = json.loads(body)["alias"]
    assert (path, headers["Authorization"]) == ("/v2/alerts", f"GenieKey {SECRET}")
    assert closing == f"/v2/alerts/{alias.replace(':', '%3A')}/close?identifierType=alias"


def test_the_log_gets_the_message_at_its_severity(caplog: pytest.LogCaptureFixture) -> None:
    send(target(type="log"), broken(severity="critical"), resolve)
    send(target(type="log"), recovered(severity="critical"), resolve)
    assert [each.levelname for each in caplog.records] == ["CRITICAL", "INFO"]
    assert "2026-01-04 due" in caplog.text


@pytest.mark.parametrize("code", [302, 307, 400, 401, 404, 429, 500, 503])
def test_an_answer_other_than_success_is_an_error_with_its_number(
    web: Web, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    web.answers = [code]
    text = failure(target(type="slack", url=web.url + "/${SECRET}"), caplog)
    assert f"slack notification was not delivered: the server answered {code}" in text
    assert len(web.requests) == 1, "neither tried again nor followed elsewhere"


def test_a_server_that_does_not_answer_is_left_after_the_timeout(web: Web, caplog: pytest.LogCaptureFixture) -> None:
    web.delay = 2
    text = failure(target(type="webhook", url=web.url + "/${SECRET}"), caplog, timeout=0.2)
    assert "no answer within 0.2 s" in text


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("http://127.0.0.1:1/${SECRET}", "nothing listens at its address"),
        ("http://host.invalid/${SECRET}", "its host name is not known"),
        ("file:///etc/${SECRET}", "neither http nor https"),
        ("${SECRET}", "neither http nor https"),
        ("http://[${SECRET}/", "ValueError"),
        ("http://127.0.0.1:${SECRET}/", "InvalidURL"),
        ("http://127.0.0.1:1/a b\n${SECRET}", "InvalidURL"),
    ],
)
def test_an_address_that_does_not_work_is_named_by_its_kind(
    url: str, cause: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert cause in failure(target(type="webhook", url=url), caplog)


def test_a_header_with_a_line_break_is_refused_without_being_shown(web: Web, caplog: pytest.LogCaptureFixture) -> None:
    config = target(type="webhook", url=web.url, headers={"X-Key": "a\nb${SECRET}"})
    assert "ValueError" in failure(config, caplog)
    assert web.requests == []


def test_a_variable_that_is_not_set_is_named() -> None:
    def unset(text: str) -> str:
        raise ConfigError("not set in the environment: SLACK_URL", "set SLACK_URL")

    with pytest.raises(NotifyError, match="no `url`: not set in the environment: SLACK_URL"):
        send(target(type="slack", url="${SLACK_URL}"), broken(), unset)


def mail(port: int, **values: object) -> NotificationConfig:
    given = {"host": "127.0.0.1", "port": port, "sender": "etl@example.com", "to": ["a@example.com", "b@example.com"]}
    return target(type="email", **(given | values))


def parsed(box: Mailbox) -> email.message.EmailMessage:
    content = box.envelopes[-1].content
    assert isinstance(content, bytes)
    return email.message_from_bytes(content, policy=email.policy.default)  # type: ignore[return-value]


def test_a_mail_arrives_with_subject_text_and_thread() -> None:
    with mail_server() as box:
        send(mail(box.port, security="none"), broken(detail="Größe 한국 \r\nBcc: x@evil.example"), resolve)
        first = parsed(box)
        send(mail(box.port, security="none"), recovered(detail="Größe"), resolve)
        second = parsed(box)
    assert first["Subject"] == "[project_01] lot_history: Größe 한국 Bcc: x@evil.example"
    assert first["Bcc"] is None
    assert box.envelopes[0].rcpt_tos == ["a@example.com", "b@example.com"]
    assert first["References"] == second["References"]
    assert "한국" in first.get_content()
    assert second["Subject"].endswith("recovered")


def test_a_mail_server_that_refuses_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    with mail_server() as box:
        box.refuse = True
        assert "the mail server answered 554" in failure(mail(box.port, security="none"), caplog)


def test_a_mail_server_without_tls_gets_neither_login_nor_mail(caplog: pytest.LogCaptureFixture) -> None:
    with mail_server() as box:
        text = failure(mail(box.port, username="etl", password="${SECRET}"), caplog)
    assert "not delivered" in text
    assert box.envelopes == []
    assert box.logins == []


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
    )
    subprocess.run([*command.split(), "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    return cert, key


def tls(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    return context


def test_a_mail_with_starttls_logs_in(certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with mail_server(tls(certificate), SECRET) as box:
        send(mail(box.port, username="etl", password="${SECRET}"), broken(), resolve)
    assert box.logins == [(b"etl", SECRET.encode())]
    assert len(box.envelopes) == 1


def test_a_wrong_password_is_an_error_that_does_not_show_it(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with mail_server(tls(certificate), "another") as box:
        text = failure(mail(box.port, username="etl", password="${SECRET}"), caplog)
    assert "refused the login (535)" in text
    assert box.envelopes == []


def test_a_certificate_that_nobody_signed_is_not_trusted(
    certificate: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    with mail_server(tls(certificate), SECRET) as box:
        text = failure(mail(box.port, username="etl", password="${SECRET}"), caplog)
    assert "no secure connection" in text
    assert box.logins == []
