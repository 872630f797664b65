"""`etl deploy`: the files as a person asks for them."""

import re
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Etl
from tests.installation import REPOSITORY
from tests.tiny_project import TinyProject

HOST = ("--host", "etl.example.com")


@pytest.mark.parametrize("target", ["compose", "helm", "systemd"])
def test_the_files_are_written_once_and_checked(target: str, etl: Etl, project: TinyProject) -> None:
    shutil.copyfile(REPOSITORY / "requirements.lock", project.root / "requirements.lock")
    with (project.root / "requirements.lock").open("a") as lock:
        lock.write("tenant-etl==0.2.0 \\\n    --hash=sha256:0\n")
    out = ("--out", str(project.root / "deploy"), *HOST)
    said = etl("deploy", target, *out)
    assert said.code == 0, said.err
    assert "code-acme" in said.out
    assert "ACME_DB_HOST, ACME_DB_NAME, ACME_DB_PASSWORD and 1 more" in said.out
    assert etl("deploy", target, *out, "--check").code == 0
    project.write_tenant(tenant="beta")
    checked = etl("deploy", target, *out, "--check")
    assert checked.code == 1
    assert "code-beta.env" in checked.out
    assert etl("deploy", target, *out).code == 0
    assert etl("deploy", target, *out, "--check").code == 0
    assert etl("deploy", target, *out, "--group-by", "all", "--check").code == 1


def test_an_image_needs_a_lock(etl: Etl, project: TinyProject) -> None:
    said = etl("deploy", "compose", "--out", str(project.root / "deploy"), *HOST)
    assert said.code == 2
    assert "there is no requirements.lock" in said.err
    assert "uv pip compile" in said.err
    assert not (project.root / "deploy").exists()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "has no hashes"),
        ("tenant-etl[dagster]==0.2.0\n", "has no hashes"),
        ("tenant-etl==0.2.0 --hash=sha256:0\n", "lacks dagster, "),
        ("{all}", "lacks tenant-etl:"),
        (
            "{less}tenant-etl==0.2.0 --hash=sha256:0\n",
            "lacks dagster-docker, dagster-postgres, psycopg2-binary:",
        ),
    ],
)
def test_a_lock_without_what_the_services_import_is_refused(
    etl: Etl, project: TinyProject, text: str, says: str
) -> None:
    """An image is built from it without a mistake, and its services do not start."""
    whole = (REPOSITORY / "requirements.lock").read_text()
    less = re.sub(r"^(dagster-docker|dagster-postgres|psycopg2-binary)==", "other==", whole, flags=re.MULTILINE)
    (project.root / "requirements.lock").write_text(text.replace("{all}", whole).replace("{less}", less))
    said = etl("deploy", "compose", "--runs", "container", "--out", str(project.root / "deploy"), *HOST)
    assert said.code == 2
    assert says in said.err
    assert "tenant-etl[dagster,production,postgres,docker]" in said.err
    assert not (project.root / "deploy").exists()


def test_own_work_is_kept(etl: Etl, project: TinyProject) -> None:
    shutil.copyfile(REPOSITORY / "requirements.lock", project.root / "requirements.lock")
    with (project.root / "requirements.lock").open("a") as lock:
        lock.write("tenant-etl==0.2.0 \\\n    --hash=sha256:0\n")
    out = ("--out", str(project.root / "deploy"), *HOST)
    etl("deploy", "compose", *out)
    path = project.root / "deploy" / "compose.yaml"
    path.write_text(path.read_text() + "# mine\n")
    said = etl("deploy", "compose", *out)
    assert said.code == 2
    assert "compose.yaml" in said.err
    assert path.read_text().endswith("# mine\n")
    assert etl("deploy", "compose", *out, "--check").code == 1
    assert etl("deploy", "compose", *out, "--overwrite").code == 0
    assert not path.read_text().endswith("# mine\n")


@pytest.mark.parametrize("host", ["https://a.b", "", "a:8443", "x;rm -rf /", "a\nb", "-a", "a..b", "a/b", "a" * 64])
def test_a_host_that_is_no_name_is_refused(project: object, etl: Etl, tmp_path: Path, host: str) -> None:
    said = etl("deploy", "systemd", "--out", str(tmp_path / "out"), f"--host={host}")
    assert (said.code, "is no name of a machine" in said.err) == (2, True), said
    assert not (tmp_path / "out").exists()
