"""`etl schema print` and `etl schema editor`."""

import json
import re

import jsonschema

from etl.config.editors import EDITORS
from tests.tiny_project import TinyProject

from .conftest import Etl


def test_the_schema_is_printed_alone_so_that_it_can_be_piped(etl: Etl) -> None:
    whole, rules = (json.loads(etl("schema", "print", *more).out) for more in ((), ("--rules",)))
    assert jsonschema.Draft7Validator(whole).is_valid({"tenant": {"id": "acme"}})
    assert jsonschema.Draft7Validator(rules).is_valid([{"column": "id", "type": "not_null"}])


def test_settings_are_printed_and_written_only_when_it_is_asked_for(etl: Etl, project: TinyProject) -> None:
    path = project.root / ".vscode" / "settings.json"
    shown = etl("schema", "editor", "vscode")
    assert shown.code == 0
    assert "tenants/tenant.schema.json" in json.dumps(json.loads(shown.out))
    assert not path.exists()
    assert etl("schema", "editor", "vscode", "--write").code == 0
    assert json.loads(path.read_text()) == json.loads(shown.out)
    schema = project.root / "tenants" / "tenant.schema.json"
    assert json.loads(schema.read_text())["title"] == "A tenant"


def test_settings_that_exist_are_never_changed(etl: Etl, project: TinyProject) -> None:
    path = project.root / ".vscode" / "settings.json"
    path.parent.mkdir()
    path.write_text("{}")
    said = etl("schema", "editor", "vscode", "--write")
    assert said.code == 2
    assert "exists already" in said.err
    assert path.read_text() == "{}"


def test_the_help_names_every_editor(etl: Etl) -> None:
    words = set(re.findall(r"\w+", etl("schema", "editor", "--help").out))
    assert set(EDITORS) <= words


def test_an_unknown_editor_is_named_with_the_nearest_one(etl: Etl) -> None:
    said = etl("schema", "editor", "vscod")
    assert said.code == 2
    assert "did you mean `vscode`?" in said.err
