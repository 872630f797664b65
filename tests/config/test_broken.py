"""Every mistake of the corpus is refused with its place and a remedy, and the remedy works."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import jsonschema
import pytest

from etl.config import load_tenant
from etl.config.schema import tenant_schema
from etl.config.yaml_source import parse
from etl.errors import ConfigError
from etl.settings import Settings
from tests.config.broken.case import Case, every_case
from tests.config.test_schema import as_json

CASES = tuple(every_case())
PLACE = re.compile(r" at tenants/acme/config\.yaml:(\d+):(\d+)")
PYPROJECT = '[tool.etl.conventions]\ngroups = ["CD", "DS", "IS", "SS", "NPS"]\n'


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("broken")
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "tenants" / "acme").mkdir(parents=True)
    return folder


def load(root: Path, text: str | bytes, files: Mapping[str, str], environment: str) -> tuple[str, ...]:
    """Return the problems of the file; none: it loads."""
    tenant = root / "tenants" / "acme"
    shutil.rmtree(tenant / "transforms", ignore_errors=True)
    for name, content in files.items():
        path = tenant / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    (tenant / "config.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
    settings = Settings(environment=environment, project_dir=root, data_dir=root / ".data")  # type: ignore[arg-type]
    try:
        load_tenant("acme", settings, {})
    except ConfigError as error:
        return error.problems or (str(error),)
    return ()


def test_there_are_enough_mistakes_and_each_is_another() -> None:
    assert len(CASES) >= 200
    assert len({case.broken for case in CASES}) > len(CASES) - 6  # some differ only in the files beside the YAML


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.mistake.replace(" ", "_"))
def test_a_mistake_is_refused_with_its_place_and_a_remedy_that_works(case: Case, root: Path) -> None:
    problems = load(root, case.broken, case.files, case.environment)
    assert len(problems) == 1, f"one mistake is one problem: {problems or 'accepted in silence'}"
    (problem,) = problems
    place = PLACE.search(problem)
    assert place is not None, problem
    assert int(place[1]) == case.line, problem
    before, after = problem[: place.start()], problem[place.end() :]
    assert case.says in before + after.partition(")")[0], problem
    assert case.remedy in problem[place.end() :], problem
    for suggested in re.findall(r"did you mean `([^`]+)`\?", after):
        assert suggested in str(case.repaired), f"the repair does not follow the message: {problem}"
    files = {**case.files, **case.repaired_files}
    assert load(root, case.repaired, files, case.environment) == (), "the repair does not load"


def test_the_schema_refuses_each_mistake_that_a_schema_can_and_no_repair() -> None:
    validator = jsonschema.Draft7Validator(tenant_schema())

    def is_refused(text: str | bytes) -> bool:
        document = parse(text.encode() if isinstance(text, str) else text)
        if document.root is None or document.findings or isinstance(text, bytes):
            return False  # an editor has no tree that it could hold against the schema
        return not validator.is_valid(as_json(text))

    accepted = [case.mistake for case in CASES if not case.unseen and not is_refused(case.broken)]
    assert accepted == [], "the schema accepts them, and the corpus gives no reason why it must"
    assert [case.mistake for case in CASES if case.unseen and is_refused(case.broken)] == [], "the reason is not true"
    assert [case.mistake for case in CASES if is_refused(case.repaired)] == []
