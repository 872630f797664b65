"""Writes the results of unit tests as JUnit XML, which build servers show.

Belongs here: the XML. Not here: running tests (`running`), showing them on a terminal (`etl.cli.test`).
"""

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence

from etl.unit_tests.comparison import RowDifference
from etl.unit_tests.discovery import TenantTests
from etl.unit_tests.judgement import UnitTestResult


def junit_text(results: Mapping[str, Sequence[UnitTestResult]], found: Mapping[str, TenantTests]) -> str:
    """Return the XML: a suite for each tenant. A transform without a test is a skipped case, so that it is seen."""
    root = ET.Element("testsuites")
    for tenant, listed in results.items():
        untested = found[tenant].untested
        suite = ET.SubElement(root, "testsuite", name=tenant)
        suite.set("tests", str(len(listed) + len(untested)))
        suite.set("failures", str(sum(each.status == "failed" for each in listed)))
        suite.set("errors", str(sum(each.status in ("unknown", "unexamined", "mistaken") for each in listed)))
        suite.set("skipped", str(len(untested)))
        suite.set("time", f"{sum(each.seconds for each in listed):.3f}")
        for each in listed:
            _add_case(suite, tenant, each)
        for name in untested:
            case = ET.SubElement(suite, "testcase", classname=f"{tenant}.{name}", name="no unit test")
            ET.SubElement(case, "skipped", message=f"no unit test examines the transform of {tenant}/{name}")
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _add_case(suite: ET.Element, tenant: str, result: UnitTestResult) -> None:
    test = result.test
    case = ET.SubElement(suite, "testcase", classname=f"{tenant}.{test.pipeline}", name=_clean(test.name))
    case.set("file", test.shown_path)
    case.set("line", str(test.mark.line))
    case.set("time", f"{result.seconds:.3f}")
    if result.status == "passed":
        return
    differing = [*_lines("rows", result.rows), *_lines("rejected rows", result.rejected)]
    lines = [*result.problems, *differing]
    kind = "failure" if result.status == "failed" else "error"
    child = ET.SubElement(case, kind, message=_clean(lines[0].splitlines()[0] if lines else result.status))
    child.text = _clean("\n".join([test.place, *lines]))


def _lines(title: str, difference: RowDifference) -> list[str]:
    """Return one line for each row that differs."""
    lines = [f"{title}: missing {dict(row)}" for row in difference.missing]
    lines += [f"{title}: unexpected {dict(row)}" for row in difference.unexpected]
    for each in difference.changed:
        cells = ", ".join(f"{name}: {each.expected[name]!r} -> {each.actual[name]!r}" for name in each.columns)
        lines.append(f"{title}: changed {cells} in {dict(each.expected)}")
    return lines


def _clean(text: str) -> str:
    """Return the text without characters that XML cannot hold."""
    return "".join(each if each in "\t\n" or each.isprintable() else "?" for each in text)
