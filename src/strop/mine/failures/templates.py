"""Error texts as templates: what recurs is kept, what differs from case to case is masked.

The idea is Drain's (He et al. 2017, "Drain: an online log parsing approach with fixed depth tree"):
a log line is a constant text with a few variable words in it. Here the usual variables are known by
their looks (numbers, ids, paths, quoted names); those that look like plain words are found by
comparing templates, in a way that does not depend on the order they came in.

It does not decide what counts as an error (that is `calls.py`), nor whether a text may be shown to
an agent (that is `repair_trust.py`).

Next file: `mine/failures/trust.py`.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from strop.jsonvalue import Json, is_object

__all__ = ["CAUSES", "Template", "cause_lines", "error_lines", "generalised", "template_of"]

CAUSES = {
    "missing module": ("No module named", "Cannot find module"),
    "missing command": ("command not found", "is not recognized as"),
    "not configured": ("not configured",),
    "no permission": ("Permission denied",),
    "no connection": ("Connection refused", "Temporary failure in name resolution"),
}
"""Failures of the environment rather than of one call: by cause, what their text says."""

_CAUSE = re.compile("|".join(re.escape(said) for texts in CAUSES.values() for said in texts))
_CAUSE_OF = {said: cause for cause, texts in CAUSES.items() for said in texts}
_HEAD, _TAIL, _LINE = 3_000, 6_000, 400  # characters looked at: of a text, of its end, of a line
_MOST_LINES = 4

_RAISED = re.compile(
    r"^(?:[\w.]{0,80}(?:Error|Exception|Warning|Interrupt|Exit)(?=:|$)"
    r"|(?:[a-z_]\w{0,40}\.){1,8}[A-Z]\w{1,60}(?=:))",
    re.MULTILINE,
)
_OWNS_UP = re.compile(
    r"\s*(?:error\b|fatal\b|failed\b|[\w.]{0,80}(?:error|exception):)", re.IGNORECASE
)

# What varies by its looks; earlier alternatives win. The name of an exception is not among them.
_MASK = re.compile(
    r"""
    (?P<url>\b[a-z][a-z+]{1,9}://[^\s'"<>]+)
  | (?P<email>[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64})+)
  | (?P<name>(?<!\w)(?:'[^'\n]{0,200}'|"[^"\n]{0,200}"|`[^`\n]{0,200}`)(?!\w)
      | (?<=No\ module\ named\ )[\w.]+
      | (?<=Requested\ setting\ )\w+
      | [\w.+-]+(?=:\ command\ not\ found\b)
      | (?<=no\ such\ table:\ )[\w.]+ | (?<=no\ such\ column:\ )[\w.]+
      | (?<=no\ such\ function:\ )[\w.]+ )
  | (?P<path>(?<![\w.])(?:[A-Za-z]:[\\/]|~?/|\.{1,2}/)[\w.@+%\\/-]+
      | (?<![\w.])\w[\w.-]{0,80}/[\w.@+%/-]+)
  | (?P<date>\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?[\w.:+-]{0,12})?)
  | (?P<id>\b0x[0-9a-fA-F]+\b | \b(?=[a-zA-Z_-]{0,40}\d)(?=\d{0,40}[a-zA-Z_-])\w[\w-]*\b)
  | (?P<word>\b\w*_\w+\b | \b[A-Za-z]\w*(?:\.\w+)+\b | \b\w+=\S+)
  | (?P<number>(?<![\w.])[-+]?\$?\d+(?:,\d{3})*(?:\.\d+)?%?)
    """,
    re.VERBOSE,
)
_SHOWN_AS = {
    "url": "<url>",
    "email": "<email>",
    "name": "<name>",
    "path": "<path>",
    "date": "<date>",
    "id": "<id>",
    "word": "<name>",
    "number": "<n>",
}


class Template(NamedTuple):
    """A text with what varies masked.

    Attributes:
        text: One line, for example ``no such column: <name>``.
        names: What was masked, from left to right, quotes stripped.
        cause: The environment failure that it is (see `CAUSES`), or ``""``.
    """

    text: str
    names: tuple[str, ...]
    cause: str = ""


def template_of(line: str) -> Template:
    """The template of one line of error text (its first 400 characters).

    A line that names an environment failure is reduced to the clause that does: the same failure
    has the same template whoever reports it.
    """
    line = " ".join(line[:_LINE].split())
    found = _CAUSE.search(line)
    cause = _CAUSE_OF[found.group()] if found else ""
    if found:
        line = _clause(line, found.start(), found.end())
    kind = "" if found else _raised(line)
    rest = line[len(kind) :] if kind else line
    if kind:
        kind = kind.rstrip(":").rpartition(".")[2] + ":" * kind.endswith(":")
    names: list[str] = []

    def mask(match: "re.Match[str]") -> str:
        names.append(match.group().strip("'\"`"))
        return _SHOWN_AS[match.lastgroup or "name"]

    return Template(kind + _MASK.sub(mask, rest), tuple(names), cause)


def _clause(line: str, start: int, end: int) -> str:
    """What is said around an environment failure, from the last colon before to the next stop."""
    if line.startswith("command not found", start):
        name = line[:start].rstrip(" :").rpartition(" ")[2]
        return f"{name}: {line[start:end]}"
    begin = line.rfind(": ", 0, start)
    stop = re.compile(r"[.;](?:\s|$)").search(line, end)
    return line[begin + 2 if begin >= 0 else 0 : stop.start() if stop else len(line)]


def _raised(line: str) -> str:
    """The exception's name that a line begins with, its colon included."""
    match = _RAISED.match(line)
    return "" if match is None else line[: match.end() + line.startswith(":", match.end())]


def error_lines(error: str) -> tuple[str, ...]:
    """The lines of an error's text that say what went wrong, at most four, the telling one last.

    Of a long text, the beginning and the end are looked at.
    """
    if len(error) > _HEAD + _TAIL:
        error = f"{error[:_HEAD]}\n{error[-_TAIL:]}"
    first = error.strip().partition("\n")[0]
    if "\n" not in error.strip() or _OWNS_UP.match(error[:_LINE]):
        return (first[:_LINE],)
    found: dict[str, None] = {}
    for match in _RAISED.finditer(error):
        found.setdefault(_line_at(error, match.start()))
    for match in _CAUSE.finditer(error):
        line = _line_at(error, match.start())
        if not _SOURCE.match(line):
            found.setdefault(line)
    if not found:
        return (error.rstrip().rpartition("\n")[2].strip()[:_LINE],)
    return tuple(found)[-_MOST_LINES:]


def cause_lines(result: Json) -> tuple[str, ...]:
    """Lines that name an environment failure in the output of a command that itself succeeded.

    Only of a result with a ``returncode``. Source code that is shown and speaks of a failure is
    none: such lines hold quotes, a placeholder or a line number.
    """
    if not is_object(result) or "returncode" not in result:
        return ()
    output = result.get("output", result.get("stdout"))
    if not isinstance(output, str):
        return ()
    if len(output) > _HEAD + _TAIL:
        output = f"{output[:_HEAD]}\n{output[-_TAIL:]}"
    lines = dict.fromkeys(_line_at(output, match.start()) for match in _CAUSE.finditer(output))
    return tuple(line for line in lines if not (_QUOTED.search(line) or _SOURCE.match(line)))[
        :_MOST_LINES
    ]


_QUOTED = re.compile(
    r"%[sdr]|\{\w*\}|^\s*[#+*>-]|^\s*[\w.]*[rfb]?[\"'(]|^\s*\d+[:\s-]|\.\w{1,4}:\d+:"
)


_SOURCE = re.compile(
    r"(?:with|assert|self|raise|if|elif|def|print|return|except|from|import|echo)\b|[>+#*-]"
)


def _line_at(text: str, position: int) -> str:
    start = text.rfind("\n", max(0, position - _LINE), position) + 1
    start = start or max(0, position - _LINE)
    end = text.find("\n", position, position + _LINE)
    return text[start : end if end >= 0 else position + _LINE].strip()[:_LINE]


def generalised(texts: Mapping[str, int]) -> dict[str, str]:
    """Which more general template each template stands under; itself where there is none.

    Two templates with equally many words that differ in one place are instances of one when at
    least three words are seen in that place (two may be two errors, as ``table`` and ``column``),
    and at least two words and half of the template are the same. Where a template could be general
    in several places, the place with the most words wins, then the last. What it gives is a
    function of the set of templates, whatever its order.

    Args:
        texts: How often each template was seen (not used to decide, so that counts may grow).

    Returns:
        By template, the general one, with ``<*>`` in the place that varies.
    """
    words = {text: text.split(" ") for text in texts}
    places: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
    for split in words.values():
        for general, word in _holes(split):
            places[general].add(word)
    out = {}
    for text, split in words.items():
        held = [(len(places[g]), g.index("<*>"), g) for g, _ in _holes(split)]
        best = max((h for h in held if h[0] >= _WORDS), default=None)
        out[text] = " ".join(best[2]) if best else text
    return out


_WORDS = 3
_MOST_WORDS = 40


def _holes(words: list[str]) -> Iterable[tuple[tuple[str, ...], str]]:
    """A template's words with one of them left out, for each that could be a name."""
    if not _WORDS <= len(words) <= _MOST_WORDS:
        return
    for at, word in enumerate(words):
        same = sum("<" not in other for i, other in enumerate(words) if i != at)
        if "<" not in word and same >= max(2, len(words) // 2) and at > 0:
            yield (*words[:at], "<*>", *words[at + 1 :]), word
