"""The stores of AWS (moto), Google and Azure (small servers made from the documented APIs), and SOPS itself."""

import functools
import json
import os
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, strategies as st

from etl.errors import SecretError, SecretStoreError
from etl.platform import SecretsConfig
from etl.secrets.azure import AzureSecrets
from etl.secrets.gcp import GcpSecrets
from etl.secrets.namespace import Namespace
from tests.secrets.clouds import answering, azure, google, own_certificate
from tests.secrets.test_stores import IDS, NAMES
from tests.servers import free_port, missing
from tests.servers.downloads import sops

CANARY = "c4n4ry-0f-the-cl0uds"


def of(environ: dict[str, str], tenant: str = "acme_eu", **config: object) -> Namespace:
    return Namespace(tenant, environ, ("acme_eu", "beta"), secrets=SecretsConfig.model_validate(config))


def need(library: str) -> None:
    try:
        __import__(library)
    except ImportError:
        missing(f"{library} is not installed")


def test_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3
    from botocore.client import BaseClient
    from botocore.exceptions import ClientError
    from moto import mock_aws

    environ = {"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}
    with mock_aws():
        client = boto3.client("secretsmanager", region_name="eu-west-1")
        client.create_secret(Name="tenants/acme_eu/db", SecretString=json.dumps({"password": CANARY, "port": 5432}))
        client.create_secret(Name="tenants/acme_eu/plain", SecretString="text")
        client.create_secret(Name="tenants/acme_eu/raw", SecretBinary=b"\xff")
        client.create_secret(Name="tenants/acme_eu/old", SecretString="text")
        client.delete_secret(SecretId="tenants/acme_eu/old")
        values = of(environ, store="aws")
        assert values["secret:db#password"] == CANARY
        assert values["secret:db#port"] == "5432"
        assert values["secret:plain"] == "text"
        client.put_secret_value(SecretId="tenants/acme_eu/plain", SecretString="new")
        assert values["secret:plain"] == "text"
        values.read_again(["secret:plain"])
        assert values["secret:plain"] == "new"
        for name, why in (
            ("none", "there is no such secret"),
            ("old", "it is marked for deletion"),
            ("raw", "the secret is binary"),
        ):
            with pytest.raises(SecretError, match=f"aws .eu-west-1 tenants/acme_eu/{name}.: {why}") as raised:
                values[f"secret:{name}"]
            assert not isinstance(raised.value, SecretStoreError)

    def refuse(code: str) -> None:
        def call(*_: object, **__: object) -> None:
            raise ClientError({"Error": {"Code": code, "Message": CANARY}}, "GetSecretValue")

        monkeypatch.setattr(BaseClient, "_make_api_call", call)

    for code, kind, why in (
        ("AccessDeniedException", SecretError, "this login may not read it"),
        ("ExpiredTokenException", SecretStoreError, "the login was refused, or has expired"),
        ("ThrottlingException", SecretStoreError, "AWS answered ThrottlingException"),
    ):
        refuse(code)
        with pytest.raises(kind, match=why) as raised:
            values["secret:other"]
        assert CANARY not in str(raised.value)
    monkeypatch.undo()
    away = of(environ, store="aws", address=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(SecretStoreError, match="AWS cannot be reached"):
        away["secret:db"]


def test_google() -> None:
    need("google.cloud.secretmanager")
    secrets: dict[str, list[str | None]] = {
        "tenants-sacme_eu-sdb-dmain": [json.dumps({"password": CANARY})],
        "tenants-sacme_eu-soff": ["a", None],
    }
    with answering(google(secrets, forbidden="tenants-sacme_eu-sno")) as address:
        values = of({}, store="gcp", project="p", address=address)
        assert values["secret:db-main#password"] == CANARY
        secrets["tenants-sacme_eu-sdb-dmain"].append(json.dumps({"password": "new"}))
        values.read_again(["secret:db-main#password"])
        assert values["secret:db-main#password"] == "new"
        for name, why in (
            ("none", "there is no such secret"),
            ("off", "its newest version is disabled or destroyed"),
            ("no", "this login may not read it"),
        ):
            with pytest.raises(
                SecretError, match=f"gcp .projects/p/secrets/tenants-sacme_eu-s{name}.: {why}"
            ) as raised:
                values[f"secret:{name}"]
            assert not isinstance(raised.value, SecretStoreError)
    with pytest.raises(SecretStoreError, match="does not answer"):
        of({}, store="gcp", project="p", address=address)["secret:db-main#other"]


def test_azure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need("azure.identity")
    need("azure.keyvault.secrets")
    import azure.identity
    import azure.keyvault.secrets

    class Credential:
        def get_token(self, *_: str, **__: Any) -> Any:
            return SimpleNamespace(token="a-token", expires_on=9_999_999_999)

    # 127.0.0.1 is no vault of Azure's domain, and the login is not Azure's.
    client = functools.partial(azure.keyvault.secrets.SecretClient, verify_challenge_resource=False)
    monkeypatch.setattr(azure.keyvault.secrets, "SecretClient", client)
    monkeypatch.setattr(azure.identity, "DefaultAzureCredential", Credential)
    secrets: dict[str, list[str | None]] = {
        "tenants-sacme-ueu-sdb-dmain": [json.dumps({"password": CANARY})],
        "tenants-sacme-ueu-soff": ["a", None],
    }
    certificate = own_certificate(tmp_path)
    with answering(azure_answers(secrets), certificate) as address:
        values = of({}, store="azure", address=address, certificate=str(certificate))
        assert values["secret:db-main#password"] == CANARY
        secrets["tenants-sacme-ueu-sdb-dmain"].append(json.dumps({"password": "new"}))
        values.read_again(["secret:db-main#password"])
        assert values["secret:db-main#password"] == "new"
        for name, why in (
            ("none", "there is no such secret"),
            ("off", "this login may not read it, or it is disabled"),
        ):
            with pytest.raises(SecretError, match=f"azure .{address}/secrets/tenants-sacme-ueu-s{name}.: {why}"):
                values[f"secret:{name}"]
        with pytest.raises(SecretStoreError, match="the server's certificate is not trusted"):
            of({}, store="azure", address=address)["secret:db-main"]
    with pytest.raises(SecretStoreError, match="the vault cannot be reached"):
        of({}, store="azure", address=address, certificate=str(certificate))["secret:other"]


azure_answers = azure


def test_sops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need("pyrage")
    from pyrage import x25519

    monkeypatch.setenv("PATH", f"{sops().parent}{os.pathsep}{os.environ['PATH']}")
    keys = {name: x25519.Identity.generate() for name in ("acme_eu", "beta")}
    for name, identity in keys.items():
        (tmp_path / f"{name}.key").write_text(str(identity))
        clear = tmp_path / f"{name}.clear.yaml"
        clear.write_text(f"db:\n  password: {CANARY}-{name}\nchat: https://x\nlake:\n  s3: {{id: 7}}\n")
        made = subprocess.run(
            ["sops", "--encrypt", "--age", str(identity.to_public()), str(clear)], capture_output=True, check=True
        )
        (tmp_path / f"{name}.sops.yaml").write_bytes(made.stdout)
    environ = {"PATH": os.environ["PATH"], "ACME_EU_SOPS_AGE_KEY_FILE": str(tmp_path / "acme_eu.key")}
    values = of(environ, store="sops", path=f"{tmp_path}/{{tenant}}.sops.yaml")
    assert values["secret:db#password"] == f"{CANARY}-acme_eu"
    assert values["secret:chat"] == "https://x"
    assert values["secret:lake/s3#id"] == "7"

    def refused(kind: type[SecretError], why: str, name: str = "secret:other") -> None:
        with pytest.raises(kind, match=why) as raised:
            values[name]
        assert CANARY not in str(raised.value)

    refused(SecretError, "the file has no such member")
    own, other = tmp_path / "acme_eu.sops.yaml", tmp_path / "beta.sops.yaml"
    text = own.read_text()
    own.write_text(text.replace("chat: ENC[AES256_GCM,data:", "chat: ENC[AES256_GCM,data:AA"))
    refused(SecretError, "the file was changed without sops")
    shutil.copyfile(other, own)
    refused(SecretStoreError, "none of this process's keys opens the file")
    own.write_text("db: {password: clear}\n")
    refused(SecretError, "the file is not encrypted")
    own.unlink()
    refused(SecretError, "No such file")
    own.symlink_to(other)
    refused(SecretError, "the file is a symbolic link")
    own.unlink()
    own.write_text(text)
    values = of({**environ, "PATH": str(tmp_path)}, store="sops", path=f"{tmp_path}/{{tenant}}.sops.yaml")
    refused(SecretStoreError, "the program `sops` is not installed")


@given(st.tuples(IDS, NAMES), st.tuples(IDS, NAMES), st.sampled_from(["{tenant}", "etl/{tenant}", "x-{tenant}/y", "a"]))
def test_no_two_secrets_have_the_same_name_in_a_cloud(
    one: tuple[list[str], str], other: tuple[list[str], str], path: str
) -> None:
    for store in (GcpSecrets(path, "p"), AzureSecrets("https://v", path)):
        (tenant, *_), name = one
        (second, *_), there = other
        same = store.place(tenant, name, "value").lower() == store.place(second, there, "value").lower()
        assert same == ((tenant, name) == (second, there))
