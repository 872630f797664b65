"""`etl portal build` on a real project, after real runs."""

import json
import shutil

import pytest
from dagster import DagsterInstance

from etl.config import load_tenant
from etl.definitions import definitions_of
from etl.settings import load_settings
from tests.tiny_project import ROWS_PER_DAY, TinyProject

from .conftest import Etl

RULES = [{"column": "order_id", "type": "not_null"}, {"column": "cents", "type": "in_range", "min": 300}]


def run(day: str, project: TinyProject) -> None:
    with DagsterInstance.from_config(str(project.data / "dagster")) as instance:
        job = definitions_of(load_tenant("acme", load_settings())).resolve_job_def("acme_all")
        assert job.execute_in_process(partition_key=day, instance=instance).success


def test_the_page_after_real_runs(etl: Etl, project: TinyProject) -> None:
    project.write_pipeline({"quality": {"rules": RULES, "on_failure": "quarantine"}})
    run("2026-01-01", project)
    run("2026-01-03", project)
    out = project.root / "out"
    said = etl("portal", "build", "--out", str(out))
    assert said.code == 0, said.out + said.err
    assert "1 page in" in said.out
    page = json.loads((out / "acme" / "page.json").read_text(encoding="utf-8"))
    (orders,) = page["pipelines"]
    assert [(each["key"], each["state"], each["rows"], each["rejected"]) for each in orders["data"]["parts"]] == [
        ("2026-01-01", "there", ROWS_PER_DAY - 3, 3),
        ("2026-01-02", "missing", None, 0),
        ("2026-01-03", "there", ROWS_PER_DAY - 3, 3),
    ]
    assert (orders["level"], page["level"], page["answer"]) == ("bad", "bad", "Not complete: orders")
    assert orders["rejections"]["rows"] == 6
    newest, _ = orders["rejections"]["parts"]
    assert (newest["partition"], newest["rows"], newest["rows_read"]) == ("2026-01-03", 3, ROWS_PER_DAY)
    assert newest["reasons"] == [{"rule": "in_range__cents", "rows": 3}]
    checks = {each["name"]: (each["status"], each["failed"], each["total"]) for each in orders["checks"]}
    assert checks["not_null__order_id"] == ("passed", 0, ROWS_PER_DAY)
    assert checks["in_range__cents"] == ("rows rejected", 3, ROWS_PER_DAY)
    assert checks["volume"][0] == "nothing to compare"
    assert [each["words"] for each in page["changes"]] == [
        "Sat 3 Jan 2026 was published: 17 rows, 3 rejected.", "Thu 1 Jan 2026 was published: 17 rows, 3 rejected.",
    ]  # fmt: skip
    for path in out.rglob("*.*"):
        assert "이름" not in path.read_text(encoding="utf-8"), path  # a value of every row

    project.write_transform("def orders(orders):\n    raise RuntimeError\n")  # nothing of it is run for a page
    (project.root / "tenants" / "acme" / "definitions.py").write_text("import nothing_of_this_name\n")
    project.write_tenant(tenant="broken").write_text("tenant: {id: broken, nmae: x}\n")
    said = etl("portal", "build", "--out", str(out))
    assert said.code == 0, said.out + said.err
    acme, broken = (json.loads((out / each / "page.json").read_text()) for each in ("acme", "broken"))
    assert acme["answer"] == "The tenant's own code cannot be loaded"
    (line,) = acme["problem"]["lines"]  # the text of the error may be any value of this process
    assert line.startswith("tenants/acme/definitions.py:1: the tenant's own Python raised ModuleNotFoundError")
    assert broken["answer"] == "The configuration cannot be read"
    assert "nmae" in "".join(broken["problem"]["lines"])

    shutil.rmtree(project.root / "tenants" / "broken")
    said = etl("portal", "build", "acme", "--out", str(out))
    assert (said.code, (out / "broken").exists()) == (0, True)  # only acme was asked for
    said = etl("portal", "build", "--out", str(out))
    assert (said.code, (out / "broken").exists()) == (0, False)
    assert "broken: the tenant is gone, and its page was removed" in said.out


def test_exit_codes(etl: Etl, project: TinyProject, monkeypatch: pytest.MonkeyPatch) -> None:
    out = project.root / "out"
    assert etl("portal", "build", "nobody", "--out", str(out)).code == 2
    (out / "acme").mkdir(parents=True)
    (out / "acme" / "index.html").write_text("of a person")
    said = etl("portal", "build", "--out", str(out))
    assert said.code == 2
    assert "that `etl portal` did not make; it was not changed" in said.err
    shutil.rmtree(project.root / "tenants" / "acme")
    said = etl("portal", "build", "--out", str(project.root / "other"))
    assert said.code == 3
    assert "nothing was examined" in said.err
