"""The report as JUnit XML, which CI systems show as tests.

Belongs here: this one format. Not here: what is in a report (`report`).

A location is a suite. Each rule that is broken in it is a test that failed, and the location itself is a test that
passed if it could be examined. A warning is a test that passed and says something.
"""

import re
from collections.abc import Iterable
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from etl.conventions.location import JudgedLocation
from etl.conventions.reports.report import CheckReport, message
from etl.conventions.rule import CheckFinding

_NOT_XML = re.compile(r"[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]")


def junit_report(report: CheckReport) -> str:
    """Return the report as XML."""
    root = Element("testsuites", name="etl check")
    for each in report.locations:
        _suite(root, each, report)
    for count in ("tests", "failures", "errors"):
        root.set(count, str(sum(int(suite.get(count, "0")) for suite in root)))
    indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _suite(root: Element, location: JudgedLocation, report: CheckReport) -> None:
    suite = SubElement(root, "testsuite", name=_text(location.name), time=f"{location.seconds:.3f}", skipped="0")
    by_rule: dict[str, list[CheckFinding]] = {}
    for each in location.findings:
        by_rule.setdefault(each.rule, []).append(each)
    failures = errors = 0
    for rule, found in sorted(by_rule.items()):
        case = SubElement(suite, "testcase", classname=_text(location.name), name=rule, time="0")
        text = "\n".join(_lines(found, report))
        if found[0].severity == "warning" and not report.strict:
            SubElement(case, "system-out").text = _text(text)
        else:
            unexamined = found[0].exit_code != 1
            errors, failures = errors + unexamined, failures + (not unexamined)
            kind = "error" if unexamined else "failure"
            SubElement(case, kind, message=_text(message(found[0])), type=rule).text = _text(text)
    if not errors:
        SubElement(suite, "testcase", classname=_text(location.name), name="examined", time=f"{location.seconds:.3f}")
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(failures))
    suite.set("errors", str(errors))


def _lines(found: Iterable[CheckFinding], report: CheckReport) -> Iterable[str]:
    for each in found:
        place = ":".join(
            str(part) for part in (each.path and report.shown_path(each.path), each.line, each.column) if part
        )
        yield f"{place}{' ' if place else ''}{message(each)}\n  -> {each.fix}"


def _text(text: str) -> str:
    """Leave out the characters that XML cannot hold."""
    return _NOT_XML.sub("?", text)
