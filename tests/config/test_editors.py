import json
import tomllib
from xml.etree import ElementTree as ET

import pytest

from etl.config.editors import EDITORS, FILES, SCHEMA_FILE


@pytest.mark.parametrize("name", sorted(EDITORS))
def test_the_settings_name_the_schema_and_the_files_in_a_form_that_the_editor_reads(name: str) -> None:
    settings = EDITORS[name]
    assert SCHEMA_FILE in settings.text
    assert FILES in settings.text
    if settings.path.endswith((".json", ".sublime-project")):
        json.loads(settings.text)
    elif settings.path.endswith(".toml"):
        schemas = tomllib.loads(settings.text)["language-server"]["yaml-language-server"]["config"]["yaml"]["schemas"]
        assert schemas == {f"./{SCHEMA_FILE}": FILES}
    elif settings.path.endswith(".xml"):
        ET.fromstring(settings.text)
    else:
        brackets = [sum(map(settings.text.count, pair)) for pair in ("({[", ")}]")]
        assert brackets[0] == brackets[1]
