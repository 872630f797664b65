"""Pipelines are put behind the last one of a file, however the file is written, and no line of it changes."""

import pytest
import yaml

from etl.errors import ConfigError
from etl.onboarding.survey import Left, Survey
from etl.onboarding.tenant_text import with_pipelines
from etl.onboarding.zones import Zone

NEW = Survey((), (Left("extra", "here"),), (), None, Zone("UTC", "", is_guess=True))
"""Without a pipeline: the comment about the table that is left out shows the place."""
MARK = "# Left out: extra: here"

HEAD = "tenant:\n  id: shop\n  assets:\n    pipelines:\n"
LAST = {
    "block": "      a:\n        source_table: a\n        columns:\n          - x\n          - y",
    "flow": "      a: {source_table: a, columns: [x,\n        y]}",
    "a bracket far left": "      a:\n        source_table: a\n        columns: [\n          x\n      ]",
    "folded text": "      a:\n        query: >\n          SELECT 1\n\n          FROM t",
    "kept line ends": "      a:\n        query: |+\n          SELECT 1\n",
    "quoted over lines": '      a:\n        source_table: "a\n\n          b"',
    "empty": "      a:",
    "comments inside": "      a:\n        # before\n        source_table: a   # behind\n        # below",
    "comments of the block": "      a:\n        source_table: a\n\n      # b: the next one, perhaps",
    "an alias": "      z: &z\n        source_table: z\n      a: *z",
    "a merge": "      z: &z\n        source_table: z\n      a:\n        <<: *z",
}
TAILS = ["", "\n", "\n\n  dbt: {enabled: false}\n", "\n  # about jobs\n  jobs: {}\n", "\n    # of assets\n\n"]


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("last", LAST.values(), ids=LAST.keys())
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_the_place_is_behind_the_last_pipeline(last: str, tail: str, newline: str) -> None:
    text = (HEAD + last + tail).replace("\n", newline)
    found = with_pipelines(text, NEW, "config.yaml")
    assert found.replace(f"      {MARK}{newline}", "").rstrip("\r\n") == text.rstrip("\r\n")
    before, _, after = found.partition(MARK)
    assert before.rstrip().endswith(last.replace("\n", newline).rstrip())
    assert yaml.safe_load(found) == yaml.safe_load(text if text.endswith("\n") else text + newline)
    lines = after.replace(newline, "\n").splitlines()[1:]
    assert [each for each in lines if each.strip()] == [each for each in tail.splitlines() if each.strip()]


@pytest.mark.parametrize("text", ["tenant: {assets: {pipelines: {}}}\n", f"{HEAD[:-1]} {{}}\n", "- a\n", ""])
def test_a_file_without_a_block_of_pipelines_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="as a block"):
        with_pipelines(text, NEW, "config.yaml")
