"""The report as GitHub's annotations: lines that a workflow prints and GitHub shows beside the changed code.

Belongs here: this one format. Not here: what is in a report (`report`).
"""

from etl.conventions.reports.report import CheckReport, message


def github_report(report: CheckReport) -> str:
    """Return one line for each finding."""
    lines = []
    for each in report.findings:
        level = "error" if report.strict else each.severity
        properties = {"title": each.rule}
        if each.path is not None:
            properties["file"] = report.shown_path(each.path)
            properties |= {
                name: str(value)
                for name, value in (("line", each.line), ("endLine", each.end_line), ("col", each.column))
                if value is not None
            }
        order = ("file", "line", "endLine", "col", "title")
        said = ",".join(f"{name}={_property(properties[name])}" for name in order if name in properties)
        where = f"{each.location}: " if each.location and each.path is None else ""
        lines.append(f"::{level} {said}::{_data(f'{where}{message(each)}{chr(10)}-> {each.fix}')}\n")
    return "".join(lines)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
