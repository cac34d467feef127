"""The usual slips in hand-written YAML: the parser's complaint becomes one sentence what and one sentence cure."""

from __future__ import annotations

import re

import yaml

from service.errors import Problem

_PAIR = re.compile(r"(\s*(?:- )?)([A-Za-z_][\w-]*):[ \t]+(\S.*)")
_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


def explain(text: str, error: yaml.MarkedYAMLError) -> Problem:
    """Given a text and the parser's complaint about it, return the problem with its place and the likely cure."""
    lines = _BREAK.split(text)
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark is not None else (0, 0)
    said = str(error.problem)
    if "quoted scalar" in str(error.context) and error.context_mark is not None and "escape" not in said:
        line, column = error.context_mark.line, error.context_mark.column
        return _problem("A quote is opened here and never closed.", "Close it at the end of the text.", line, column)
    line = min(line, len(lines) - 1)
    if line and not lines[line].strip() and "expected" in said:
        line, column = _last_written(lines, line)
    if "\t" in lines[line][: column + 1] and not lines[line][:column].strip():
        return _problem("The line is indented with a tab.", "Indent with spaces.", line, column)
    return _of_line(lines, line, column, said)


def _of_line(lines: list[str], line: int, column: int, said: str) -> Problem:
    if "escape" in said:
        fix = "Use single quotes instead of double ones, or write two backslashes."
        return _problem("The backslash begins something that YAML doesn't know.", fix, line, column)
    if "could not find expected ':'" in said:
        at = _bare_line(lines, line)
        fix = "Write it as name: value; where it goes on with the line before, indent it with spaces."
        return _problem(f"'{_short(lines[at])}' is neither a field nor part of one.", fix, at, 0)
    pair = _PAIR.fullmatch(lines[line])
    if pair is not None and _needs_quotes(pair[3]):
        title = f"The text of {pair[2]} can't stand without quotes."
        return _problem(title, f"Write {pair[2]}: {quote(_unquoted(pair[3]))}", line, column)
    if "mapping values are not allowed" in said:
        title = "The line is indented too far, or holds a colon too many."
        return _problem(title, "Begin each field in the first column.", line, column)
    fix = "Check indentation, quotes and colons in this line."
    return _problem("This can't be read as YAML.", fix, line, column, said)


def _problem(title: str, fix: str, line: int, column: int, detail: str = "") -> Problem:
    return Problem("not_yaml", title, fix, detail).at(line + 1, column + 1)


def _needs_quotes(value: str) -> bool:
    return value[0] in "@`%*&!|>{[\"'" or ": " in value or value.endswith(":")


def _unquoted(value: str) -> str:
    """A value with quotes inside quotes: take the outer ones off before quoting it rightly."""
    value = value.strip()
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value


def quote(text: str) -> str:
    """Return a one-line text as YAML that reads back as the same text."""
    if '"' in text or "\\" in text:
        return "'" + text.replace("'", "''") + "'"
    return f'"{text}"'


def _last_written(lines: list[str], line: int) -> tuple[int, int]:
    while line and not lines[line].strip():
        line -= 1
    return line, len(lines[line])


def _bare_line(lines: list[str], line: int) -> int:
    """Find the line without a colon that the parser stumbled over; it complains one line too late."""
    for at in range(line, max(line - 3, -1), -1):
        if lines[at].strip() and ":" not in lines[at]:
            return at
    return line


def _short(text: str) -> str:
    text = text.strip()
    return text if len(text) <= 40 else text[:39] + "…"
