"""Python inside shell commands: ``python - <<'EOF'``, ``python -c "..."``, ``cat > x.py <<'EOF'``.

Agents that only have a shell write their code there. This file takes it out; it does not parse it
and runs nothing. Quoting is read as the shell does it (POSIX.1-2017, XCU 2.2 and 2.7.4) as far as
it can be told without running: text that the shell would have expanded (``$name``, backquotes) is
passed over, because what Python saw is not known.

Next file: `mine/snippets/arguments.py`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Inline", "inline_python"]

_MOST = 200_000  # characters of a command that are looked through
_HEREDOC = re.compile(r"<<(-?)[ \t]{0,8}(?:'([^'\n]{1,80})'|\"([^\"\n]{1,80})\"|\\?(\w{1,80}))")
_PYTHON = re.compile(r"(?:^|[\s;&|(/])python[\d.]{0,6}(?=\s|$)")
_TARGET = re.compile(
    r"(?<!>)>[ \t]{0,8}[\"']?([^\s\"';&|<>]{1,300}\.py)\b|\btee[ \t]+(\S{1,300}\.py)\b"
)
_DASH_C = re.compile(
    r"(?:^|[\s;&|(/])python[\d.]{0,6}[ \t]+"
    r"(?:-(?:[WX][ \t]{0,4}\S{1,40}|[A-BD-VYZa-bd-z]\S{0,40})[ \t]+){0,4}-c[ \t]+(['\"])"
)
_EXPANDS = re.compile(r"(?<!\\)(?:\\\\){0,40}[$`]")
_ESCAPED = re.compile(r"\\([\\$`\"\n])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inline:
    """Python found in a command.

    Attributes:
        source: The code.
        file: The file that it was written to, if it was; else it was run as it stands.
        alone: Whether the command holds nothing else, so that its output is the code's.
    """

    source: str
    file: str | None = None
    alone: bool = False


def inline_python(command: str) -> tuple[Inline, ...]:
    """The Python in a shell command, in order; empty where there is none."""
    if "<<" not in command and "-c" not in command:
        return ()
    return tuple(_found(command[:_MOST]))


def _found(command: str) -> Iterator[Inline]:
    lines = command.split("\n")
    number = 0
    plain: list[str] = []  # lines that are no here-document's
    seen = False
    while number < len(lines):
        line = lines[number]
        opened = _HEREDOC.search(line)
        number += 1
        if opened is None:
            plain.append(line)
            continue
        dash, single, double, bare = opened.groups()
        end = single or double or bare
        body: list[str] = []
        while number < len(lines):
            text = lines[number].lstrip("\t") if dash else lines[number]
            number += 1
            if text == end:
                break
            body.append(text)
        else:
            return  # cut off: what is missing is not known
        source = "\n".join(body) + "\n"
        if bare and "\\" not in opened.group():
            if _EXPANDS.search(source):
                continue
            source = re.sub(r"\\([\\$`\n])", _unescaped, source)
        # Looked at once at most, for the first of them.
        alone = not any(plain) and not seen and not "".join(lines[number:]).strip()
        seen = True
        yield from _of_document(line, source, alone=alone)
    yield from _dash_c("\n".join(plain))


def _of_document(line: str, source: str, *, alone: bool) -> Iterator[Inline]:
    target = _TARGET.search(line)
    if target is not None:
        yield Inline(source=source, file=target[1] or target[2])
    elif _PYTHON.search(line.partition("<<")[0]) and ">>" not in line:
        rest = _HEREDOC.sub("", line)
        simple = re.fullmatch(r"\s*python[\d.]{0,6}\s*-?\s*", rest) is not None
        yield Inline(source=source, alone=alone and simple)


def _dash_c(text: str) -> Iterator[Inline]:
    begin = 0
    while (found := _DASH_C.search(text, begin)) is not None:
        quote, at = found[1], found.end()
        end = at
        while end < len(text) and text[end] != quote:
            end += 2 if quote == '"' and text[end] == "\\" else 1
        if end >= len(text):
            return
        source, begin = text[at:end], end + 1
        if quote == '"':
            if _EXPANDS.search(source):
                continue
            source = _ESCAPED.sub(_unescaped, source)
        alone = re.fullmatch(r"\s*python[\d.]{0,6}\s+-c\s+", text[: at - 1]) is not None
        yield Inline(source=source, alone=alone and not text[begin:].strip())


def _unescaped(found: re.Match[str]) -> str:
    return "" if found[1] == "\n" else found[1]
