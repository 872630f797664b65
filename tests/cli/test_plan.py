"""`etl plan` as it is typed: what it compares with, its exit codes, its forms, and what it never says."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from etl.config import load_tenant
from etl.errors import LakeError, NothingExamined
from etl.lake.lake import OvertakenError
from etl.pipeline.stage import lake_of
from etl.planning.applied_state import read_applied, write_applied
from etl.planning.description import FORMAT, Description, read_description
from etl.settings import load_settings
from tests.tiny_project import TinyProject

from .conftest import Etl

SECRET = "correct-horse-battery"


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def committed(project: TinyProject) -> TinyProject:
    """The project with one revision, `main`."""
    git(project.root, "init", "-q", "-b", "main")
    git(project.root, "add", "-A")
    git(project.root, "commit", "-qm", "one")
    return project


def test_without_an_applied_state_everything_is_new_and_that_is_said(etl: Etl, project: TinyProject) -> None:
    said = etl("plan")
    assert said.code == 0, said.err
    assert "nothing was applied before, so everything is new" in said.out
    assert "+ pipeline orders" in said.out
    assert "nothing has changed" not in said.out
    assert etl("plan", "--exit-code").code == 1


def record() -> None:
    from etl.definitions import definitions_of
    from etl.planning.describe import describe

    config, settings = load_tenant("acme", load_settings()), load_settings()
    with lake_of(config, settings) as lake:
        write_applied(config, lake, describe(config, definitions_of(config), settings), "test")


def test_what_was_applied_is_no_change_and_a_later_edit_is_one(etl: Etl, project: TinyProject) -> None:
    record()
    said = etl("plan", "acme", "--exit-code")
    assert (said.code, "nothing has changed" in said.out) == (0, True), said.out + said.err
    project.write_tenant({"owners": ["team:sales"]})
    said = etl("plan", "--exit-code", "--format", "json")
    assert said.code == 1
    (found,) = json.loads(said.out)
    assert [(each["kind"], each["action"]) for each in found["changes"] if not each["follows"]] == [
        ("tenant", "changed")
    ]
    assert found["format"] == 1


def test_a_destructive_plan_is_not_applied_without_allow(etl: Etl, project: TinyProject) -> None:
    record()
    project.write_tenant({"owners": ["team:sales"]})
    said = etl("plan", "--apply")
    assert said.code == 2
    assert "`team:shop` is no owner any more" in said.err
    assert "--apply --allow" in said.err
    assert etl("plan", "--exit-code").code == 1, "nothing was recorded"
    said = etl("plan", "--apply", "--allow")
    assert (said.code, "applied acme" in said.out) == (0, True), said.out + said.err
    assert etl("plan", "--exit-code").code == 0


def test_a_revision_is_compared_with_and_the_working_tree_is_left_alone(etl: Etl, committed: TinyProject) -> None:
    before = {path: path.read_bytes() for path in (committed.root / ".git").rglob("*") if path.is_file()}
    committed.write_pipeline({"quality": {"rules": [{"column": "order_id", "type": "not_null"}]}})
    said = etl("plan", "--against", "main", "--format", "markdown", "--exit-code")
    assert said.code == 1, said.err
    assert "| - | check acme/transfer/orders:unique__order_id |" in said.out
    assert "need `--allow`" in said.out
    after = {path: path.read_bytes() for path in (committed.root / ".git").rglob("*") if path.is_file()}
    assert after == before


@pytest.mark.slow
def test_a_tenant_that_only_the_revision_has_is_removed(etl: Etl, committed: TinyProject) -> None:
    committed.write_tenant({"name": "Umbrella"}, "umbrella")
    git(committed.root, "add", "-A")
    git(committed.root, "commit", "-qm", "two")
    shutil.rmtree(committed.root / "tenants" / "umbrella")
    said = etl("plan", "--against", "main")
    assert said.code == 0, said.err
    assert "acme: nothing has changed, compared with `main`" in said.out
    assert "- tenant umbrella" in said.out


@pytest.mark.slow
def test_a_revision_whose_tenant_does_not_load_is_no_comparison(etl: Etl, committed: TinyProject) -> None:
    path = committed.root / "tenants" / "acme" / "config.yaml"
    good = path.read_text(encoding="utf-8")
    path.write_text(good.replace("source_table: orders", "source_tabel: orders"), encoding="utf-8")
    git(committed.root, "commit", "-qam", "broken")
    path.write_text(good, encoding="utf-8")
    said = etl("plan", "--against", "HEAD")
    assert said.code == 3
    assert "cannot be loaded in the revision `HEAD`" in said.err
    assert "source_tabel" in said.err
    assert "nothing has changed" not in said.out


def test_a_revision_that_is_not_there_is_said(etl: Etl, project: TinyProject) -> None:
    said = etl("plan", "--against", "main")
    assert said.code == 3
    assert "no working tree of git" in said.err
    git(project.root, "init", "-q", "-b", "main")
    said = etl("plan", "--against", "--upload-pack=x")
    assert said.code in (2, 3)
    said = etl("plan", "--against", "nobody")
    assert said.code == 3
    assert "git knows no revision `nobody`" in said.err


def test_without_git_it_says_so(etl: Etl, project: TinyProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    said = etl("plan", "--against", "main")
    assert said.code == 3
    assert "git is not installed" in said.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("plan", "--against", "main", "--apply"), "--against beside --apply"),
        (("plan", "--against", "main", "--state"), "--against beside --state"),
        (("plan", "--allow"), "--allow without --apply"),
        (("plan", "acmee"), "did you mean `acme`"),
    ],
)
def test_what_makes_no_sense_is_refused(etl: Etl, project: TinyProject, arguments: tuple[str, ...], says: str) -> None:
    said = etl(*arguments)
    assert said.code == 2
    assert says in said.err


def test_a_tenant_that_does_not_load_is_no_plan(etl: Etl, project: TinyProject) -> None:
    project.write_pipeline({"source_table": None, "source_tabel": "orders"})
    said = etl("plan")
    assert said.code == 2
    assert "source_tabel" in said.err


def test_no_secret_and_no_row_is_in_a_plan(etl: Etl, project: TinyProject, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"HOST": "db", "NAME": "shop", "USER": "reader", "PASSWORD": SECRET}.items():
        monkeypatch.setenv(f"ACME_DB_{name}", value)
    project.write_tenant({"notifications": [{"type": "slack", "url": "${ACME_SLACK_URL}"}]})
    monkeypatch.setenv("ACME_SLACK_URL", f"https://hooks.example.com/{SECRET}")
    texts = [etl("plan", "--format", each) for each in ("text", "markdown", "json")]
    record()
    config = load_tenant("acme", load_settings())
    with lake_of(config, load_settings()) as lake:
        applied = read_applied("acme", lake)
    assert applied is not None
    kept = applied.description.model_dump_json()
    for text in (*(f"{each.out}{each.err}" for each in texts), kept):
        assert SECRET not in text
        assert "이름" not in text
        assert str(project.root) not in text


def test_two_that_apply_at_once_do_not_overwrite_each_other(project: TinyProject) -> None:
    config, settings = load_tenant("acme", load_settings()), load_settings()
    mine = Description(tenant="acme", environment="dev")
    with lake_of(config, settings) as one:
        original = one.draft

        def overtaken(ref: object, by: str) -> object:
            found = original(ref, by)  # type: ignore[arg-type]

            class Late:
                def __enter__(self) -> object:
                    path = found.__enter__()
                    with lake_of(config, settings) as other:
                        write_applied(config, other, mine.model_copy(update={"environment": "prod"}), "theirs")
                    return path

                def __exit__(self, *error: object) -> object:
                    return found.__exit__(*error)  # type: ignore[arg-type]

            return Late()

        one.draft = overtaken  # type: ignore[method-assign,assignment]
        with pytest.raises(OvertakenError, match="theirs"):
            write_applied(config, one, mine, "mine")
    with lake_of(config, settings) as lake:
        applied = read_applied("acme", lake)
    assert applied is not None
    assert applied.description.environment == "prod"


def test_a_state_of_a_later_release_is_refused_by_name(etl: Etl, project: TinyProject) -> None:
    config, settings = load_tenant("acme", load_settings()), load_settings()
    with lake_of(config, settings) as lake:
        write_applied(config, lake, Description(format=FORMAT + 1, tenant="acme", environment="dev"), "later")
    said = etl("plan")
    assert said.code != 0
    assert f"has format {FORMAT + 1}" in said.err
    assert "later release" in said.err


def test_a_later_format_with_other_keys_is_refused_as_such() -> None:
    with pytest.raises(Exception, match="has format 99"):
        read_description('{"format": 99, "subjects": []}', "the applied state")
    with pytest.raises(NothingExamined, match="cannot be read"):
        read_description('{"format": 1, "subjects": []}', "the applied state")


def test_a_damaged_state_is_never_no_change(etl: Etl, project: TinyProject) -> None:
    record()
    (path,) = [each for each in project.published() if "/plan/" in each.as_posix()]
    path.write_bytes(path.read_bytes()[:-20])
    said = etl("plan")
    assert said.code == 3
    assert "the applied state cannot be read" in said.err
    assert "nothing has changed" not in said.out


def test_a_lake_that_does_not_answer_is_an_error(
    etl: Etl, project: TinyProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise LakeError("the bucket does not answer", "look at S3_ENDPOINT_URL")

    monkeypatch.setattr("etl.pipeline.stage.open_lake", broken)
    said = etl("plan")
    assert said.code != 0
    assert "the bucket does not answer" in said.err


@pytest.mark.slow
def test_apply_runs_what_the_plan_wants_and_records_only_what_succeeded(etl: Etl, project: TinyProject) -> None:
    said = etl("plan", "--apply")
    assert said.code == 0, said.out + said.err
    assert len([each for each in project.published() if "/extract/" in each.as_posix()]) == 3
    assert etl("plan", "--exit-code").code == 0
    code = (project.root / "tenants/acme/transforms/orders.py").read_text(encoding="utf-8")
    project.write_transform(code.replace("return orders", 'raise ValueError("no")\n    return orders'))
    project.write_tenant({"jobs": {"gold": {"selection": "tag:data_tier=gold"}}})
    project.write_transform(code.replace("return orders", 'raise ValueError("no")\n    return orders'))
    said = etl("plan", "--apply")
    assert said.code == 1
    assert "applied, without orders" in said.out
    said = etl("plan", "--format", "json")
    (found,) = json.loads(said.out)
    assert [each["kind"] for each in found["changes"] if not each["follows"]] == ["pipeline"], "the job was recorded"
    assert [each["stages"] for each in found["backfills"]] == [["transfer", "load"]]
