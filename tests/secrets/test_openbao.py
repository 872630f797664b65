"""Secrets of a real OpenBao server: what is read, what is refused, and what the errors say."""

import base64
import json
import logging
import time
from pathlib import Path

import pytest

from etl.errors import SecretError, SecretStoreError
from etl.platform import SecretsConfig
from etl.secrets.cache import AUDIT, versions_read
from etl.secrets.namespace import Namespace
from etl.secrets.scrub import scrub
from etl.secrets.template import interpolate
from tests.secrets.clouds import answering, google, kubernetes, own_certificate
from tests.servers import free_port
from tests.servers.openbao import ROOT, OpenBao, platform_environ

CANARY = "c4n4ry-0f-alice"


def namespace(server: OpenBao, tenant: str, environ: dict[str, str], **config: object) -> Namespace:
    chosen = SecretsConfig.model_validate({"store": "openbao", **config})
    return Namespace(tenant, platform_environ(server, environ), ("alice", "bob"), secrets=chosen)


def approle(server: OpenBao, tenant: str, **config: object) -> Namespace:
    return namespace(server, tenant, server.role_of(tenant), auth="approle", **config)


def test_a_secret_is_read_with_its_version_and_an_audit_line(
    openbao: OpenBao, caplog: pytest.LogCaptureFixture
) -> None:
    openbao.write("tenants/alice/db", password=CANARY, user="reader")
    values = approle(openbao, "alice")
    with caplog.at_level(logging.INFO, AUDIT.name):
        assert interpolate("${secret:db#user}:${secret:db#password}", values) == f"reader:{CANARY}"
    (line,) = [each.getMessage() for each in caplog.records if each.name == AUDIT.name]  # one read for both keys
    assert "tenant=alice name=db#user store=openbao version=" in line
    assert "secret/tenants/alice/db" in line
    assert CANARY not in line
    assert versions_read("alice")["db"].version.isdigit()
    assert scrub(f"it is {CANARY}") == "it is ***"


@pytest.mark.parametrize("method", ["token", "approle"])
def test_another_tenants_secret_is_out_of_reach(openbao: OpenBao, method: str) -> None:
    """With its own login, alice reads what is alice's; neither a name nor a path leads to bob's."""
    openbao.write("tenants/bob/db", password="b0b")
    environ = openbao.role_of("alice")
    if method == "token":
        login = openbao.client().auth.approle.login(*environ.values())
        environ = {"ALICE_BAO_TOKEN": login["auth"]["client_token"]}
    values = namespace(openbao, "alice", environ, auth=method)
    for name in ("secret:../bob/db#password", "secret:/bob/db#password", "secret:x/../../bob/db#password"):
        with pytest.raises(SecretError, match="is no secret's name"):
            values[name]
    stolen = namespace(openbao, "alice", environ, auth=method, path="secret/tenants/bob")  # a platform's mistake
    for name in ("secret:db#password", "secret:bob/db#password"):
        with pytest.raises(SecretError, match="the policy of this login does not allow it") as raised:
            stolen[name]
        assert not isinstance(raised.value, SecretStoreError)


def test_version_1_of_the_engine(openbao: OpenBao) -> None:
    openbao.client().secrets.kv.v1.create_or_update_secret("t/alice/db", {"password": "one"}, mount_point="kv1")
    values = namespace(openbao, "alice", {"BAO_TOKEN": ROOT}, kv=1, path="kv1/t/{tenant}")
    assert values["secret:db#password"] == "one"
    values.read_again(["secret:db#password"])
    openbao.client().secrets.kv.v1.create_or_update_secret("t/alice/db", {"password": "two"}, mount_point="kv1")
    assert values["secret:db#password"] == "one"  # kept
    values.read_again(["secret:db#password"])
    assert values["secret:db#password"] == "two"


def test_a_value_is_kept_and_read_again_only_when_asked(openbao: OpenBao) -> None:
    openbao.write("tenants/alice/kept", value="first")
    values = approle(openbao, "alice")
    assert values["secret:kept"] == "first"
    openbao.write("tenants/alice/kept", value="second")
    assert values["secret:kept"] == "first"
    values.read_again(["secret:kept"])
    assert values["secret:kept"] == "second"
    values.read_again(["secret:kept"])
    openbao.write("tenants/alice/kept", value="third")
    assert approle(openbao, "alice", cache_seconds=0)["secret:kept"] == "third"


def test_what_is_wrong_with_a_secret_is_said(openbao: OpenBao) -> None:
    openbao.write("tenants/alice/gone", value=CANARY)
    openbao.client().secrets.kv.v2.delete_latest_version_of_secret("tenants/alice/gone")
    openbao.write("tenants/alice/half", user="reader", empty="")
    values = approle(openbao, "alice")
    for name, why in (
        ("none", "there is no such secret"),
        ("gone", "its newest version was deleted"),
        ("half#password", "the secret has no key `password`"),
        ("half#empty", "the value of the key `empty` is empty"),
    ):
        with pytest.raises(SecretError) as raised:
            values[f"secret:{name}"]
        assert not isinstance(raised.value, SecretStoreError)
        said = str(raised.value)
        assert f"tenant alice: the secret `{name}` cannot be read from openbao ({openbao.address}" in said
        assert f"secret/tenants/alice/{name.partition('#')[0]}): {why}\n  -> " in said
        assert CANARY not in said


def test_what_is_wrong_with_the_store_is_said(openbao: OpenBao, tmp_path: Path) -> None:
    own = openbao.role_of("alice")
    nobody = {"ALICE_BAO_ROLE_ID": own["ALICE_BAO_ROLE_ID"], "ALICE_BAO_SECRET_ID": "wr0ng-secret-id"}
    away = f"http://127.0.0.1:{free_port()}"
    cases = (
        (namespace(openbao, "alice", {"BAO_TOKEN": "s.wr0ng-token"}), "the token is wrong or has expired"),
        (namespace(openbao, "alice", {}), "there is no token"),
        (namespace(openbao, "alice", nobody, auth="approle"), "the login by approle was refused"),
        (namespace(openbao, "alice", own, auth="approle", auth_mount="no"), "the login by approle was refused"),
        (namespace(openbao, "alice", own, auth="approle", address=away), "the server cannot be reached"),
        (
            namespace(openbao, "alice", own, address="https://127.0.0.1:1", certificate=str(tmp_path / "no.pem")),
            "no.pem",
        ),
        (
            namespace(openbao, "alice", {}, auth="kubernetes", jwt_file=str(tmp_path / "no-jwt")),
            "No such file or directory",
        ),
    )
    for values, why in cases:
        with pytest.raises(SecretStoreError) as raised:
            values["secret:db#password"]
        assert why in raised.value.problem
        assert raised.value.hint
        assert not any(secret in str(raised.value) for secret in ("wr0ng", *own.values()))
    with openbao.sealed(), pytest.raises(SecretStoreError, match="the server is sealed"):
        approle_of(openbao, own)["secret:db#password"]


def approle_of(server: OpenBao, environ: dict[str, str]) -> Namespace:
    return namespace(server, "alice", environ, auth="approle")


def test_a_login_that_has_expired_is_made_anew(openbao: OpenBao) -> None:
    openbao.write("tenants/alice/db", password="one")
    values = namespace(openbao, "alice", openbao.role_of("alice", ttl="1s"), auth="approle", cache_seconds=0)
    assert values["secret:db#password"] == "one"
    time.sleep(1.5)
    openbao.write("tenants/alice/db", password="two")
    assert values["secret:db#password"] == "two"


def test_a_pod_logs_in_as_its_service_account(openbao: OpenBao, tmp_path: Path) -> None:
    """The server is real; the Kubernetes that it asks about the token is a small server."""

    def part(content: dict[str, object]) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")

    about = {"namespace": "etl", "serviceaccount": {"name": "alice", "uid": "u-1"}}
    now = int(time.time())
    times = {"iat": now - 60, "nbf": now - 60, "exp": now + 3600}
    claims = {"iss": "k", "sub": "system:serviceaccount:etl:alice", "kubernetes.io": about, **times}
    token = tmp_path / "token"
    token.write_text(f"{part({'alg': 'RS256', 'typ': 'JWT'})}.{part(claims)}.{part({'s': 'x' * 200})}")
    client = openbao.client()
    openbao.role_of("alice")  # its policy
    openbao.write("tenants/alice/pod", value="of-the-pod")
    client.sys.enable_auth_method("kubernetes")
    with answering(kubernetes("alice")) as address:
        client.auth.kubernetes.configure(
            kubernetes_host=address,
            token_reviewer_jwt=token.read_text(),
            disable_local_ca_jwt=True,
            kubernetes_ca_cert=own_certificate(tmp_path).read_text().partition("-----END PRIVATE KEY-----\n")[2],
        )
        client.auth.kubernetes.create_role(
            "etl-alice", bound_service_account_names="alice", bound_service_account_namespaces="etl", policies="alice"
        )
        values = namespace(openbao, "alice", {}, auth="kubernetes", jwt_file=str(token))
        assert values["secret:pod"] == "of-the-pod"
        with pytest.raises(SecretStoreError, match="the login by kubernetes was refused") as raised:
            namespace(openbao, "bob", {}, auth="kubernetes", jwt_file=str(token))["secret:pod"]
        assert token.read_text() not in str(raised.value)


def test_a_certificate_that_nobody_has_signed(openbao: OpenBao, tmp_path: Path) -> None:
    certificate = own_certificate(tmp_path)
    with answering(google({}), certificate) as address:
        with pytest.raises(SecretStoreError, match="the server's certificate is not trusted"):
            namespace(openbao, "alice", {"BAO_TOKEN": "t"}, address=address)["secret:db"]
        trusted = namespace(openbao, "alice", {"BAO_TOKEN": "t"}, address=address, certificate=str(certificate))
        with pytest.raises(SecretError, match="there is no such secret"):
            trusted["secret:db"]
