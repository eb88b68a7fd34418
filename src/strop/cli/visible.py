"""Text and code written out, so that nothing is hidden from whoever is to approve it.

Two ways for characters to lie: to show as nothing or turn the direction of what is shown, so that
code reads otherwise than it runs (N. Boucher and R. Anderson, "Trojan Source", 2021); and to look
like another, so that two names look like one. What the text means is not looked at.

Next file: `cli/tools.py`.
"""

import io
import re
import tokenize
from itertools import accumulate

__all__ = ["visible", "visible_code"]

# What prints as nothing or as a blank though Python calls it printable: fillers, selectors of
# variants and others of Unicode's Default_Ignorable_Code_Point, the empty Braille pattern.
_BLANK = re.compile(
    r"[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    r"\U00016fe4\U0001d159\U000e0100-\U000e01ef]"
)
_FORMATTED = re.compile(r"[a-z]*[ft]", re.IGNORECASE)  # prefixes of strings that hold code


def visible(given: str) -> str:
    """One line of text in which every character shows; others are written as escapes."""
    return "".join(c if _shows(c) else _escaped(c) for c in given)


def visible_code(source: str) -> str:
    """Python code in which every character shows, and no two names look the same.

    Outside comments and plain strings all that is not ASCII is written as escapes; so it is in
    f-strings, which hold code, and everywhere where the code does not parse. Lines end where Python
    ends them.
    """
    source = re.sub("\r\n?", "\n", source)
    quoted = _quoted(source)
    out = []
    for c, inside in zip(source, quoted, strict=True):
        keeps = c in "\n\t" or ((inside or c.isascii()) and _shows(c))
        out.append(c if keeps else _escaped(c))
    return "".join(out)


def _shows(c: str) -> bool:
    return c.isprintable() and not _BLANK.match(c)


def _escaped(c: str) -> str:
    return c.encode("unicode_escape").decode()


def _quoted(source: str) -> bytearray:
    """For each character, whether it is inside a comment or a plain string."""
    found = bytearray(len(source))
    if source.isascii():
        return found
    begins = [0, *accumulate(len(line) + 1 for line in source.split("\n"))]
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT or (
                token.type == tokenize.STRING and not _FORMATTED.match(token.string)
            ):
                (row, start), (last, end) = token.start, token.end
                begin, stop = begins[row - 1] + start, begins[last - 1] + end
                found[begin:stop] = b"\1" * (stop - begin)
    except (tokenize.TokenError, SyntaxError, ValueError):  # half a character is a ValueError
        return bytearray(len(source))
    return found
