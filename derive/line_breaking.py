"""Long equations cut into lines where a person would cut them: before a sign, outside first.

Works on LaTeX text as a printer writes it. Widths are estimates in points for an 11pt document;
what is still too wide for a line after all cuts is left to the document to shrink.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LINE = 430.0  # points that a displayed line may take
INDENT = 20.0

_RELATIONS = {"=", "<", ">", r"\geq", r"\leq", r"\le", r"\ge", r"\longrightarrow", r"\simeq"}
_SIGNS = {"+", "-", r"\pm"}
_WIDE = {r"\sum": 16.0, r"\int": 11.0, r"\overline": 0.0, r"\quad": 11.0, r"\qquad": 22.0}
_WIDE |= {
    r"\longrightarrow": 22.0,
    r"\infty": 11.0,
    r"\,": 2.0,
    r"\;": 3.0,
    r"\!": -2.0,
    r"\:": 2.5,
}
_WIDE |= {r"\Bigl": 2.0, r"\Bigr": 2.0, r"\Big": 2.0}
_WIDE |= {r"\displaystyle": 0.0, r"\mathrm": 0.0, r"\text": 0.0, r"\rm": 0.0, r"\mathcal": 0.0}
_SMALL = 0.72  # subscripts and superscripts


@dataclass(frozen=True)
class Piece:
    """A stretch of LaTeX that stays on one line.

    Parameters
    ----------
    text : str
        What is printed.
    width : float
        Estimated, in points.
    kind : str
        ``sign`` or ``relation`` where a line may begin, ``open`` and ``close`` for delimiters,
        ``fraction``, or ``plain``.
    parts : tuple of str
        Numerator and denominator of a fraction.
    """

    text: str
    width: float
    kind: str = "plain"
    parts: tuple[str, ...] = ()


_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|[{}^_]|\s+|.", re.S)


def pieces(latex: str) -> list[Piece]:
    r"""Read LaTeX into pieces with widths; braces and environments stay whole.

    Parameters
    ----------
    latex : str
        Balanced LaTeX mathematics.

    Returns
    -------
    list of Piece

    Examples
    --------
    >>> [p.text for p in pieces(r"a + \frac{b}{c}")]
    ['a', ' + ', '\\frac{b}{c}']
    """
    tokens = _TOKEN.findall(latex)
    found: list[Piece] = []
    i = 0
    while i < len(tokens):
        token = tokens[i]
        if token.isspace():
            i += 1
        elif token in (r"\frac", r"\tfrac", r"\dfrac"):
            top, i = _group(tokens, i + 1)
            bottom, i = _group(tokens, i)
            width = max(_width(top), _width(bottom)) + 3
            found.append(Piece(f"{token}{{{top}}}{{{bottom}}}", width, "fraction", (top, bottom)))
        elif token == r"\begin":
            text, rows, i = _environment(tokens, i)
            found.append(Piece(text, max(_width(row) for row in rows) + 12))
        elif token in ("^", "_"):
            text, i = _group(tokens, i + 1)
            _append(found, f"{token}{{{text}}}", _SMALL * _width(text))
        elif token in (r"\left", r"\right"):
            after = tokens[i + 1]
            found.append(Piece(token + after, 6.0, "open" if token == r"\left" else "close"))
            i += 2
        elif token == r"\sqrt":
            text, i = _group(tokens, i + 1)
            found.append(Piece(rf"\sqrt{{{text}}}", _width(text) + 9))
        elif token == "{":
            text, i = _group(tokens, i)
            _append(found, f"{{{text}}}", _width(text))
        elif token in _SIGNS and found and found[-1].kind not in ("sign", "relation", "open"):
            found.append(Piece(f" {token} ", 12.0, "sign"))
            i += 1
        elif token in _RELATIONS:
            found.append(Piece(f" {token} ", 24.0 if len(token) > 5 else 14.0, "relation"))
            i += 1
        else:
            space = " " if re.fullmatch(r"\\[A-Za-z]+", token) else ""
            found.append(Piece(token + space, _glyph(token)))
            i += 1
    return _joined(found)


def lines(latex: str, limit: float = LINE) -> list[str]:
    r"""Cut an equation into lines no wider than a limit, as far as that can be done.

    Parameters
    ----------
    latex : str
        Balanced LaTeX mathematics.
    limit : float
        In points.

    Returns
    -------
    list of str
        One line if it fits.

    Examples
    --------
    >>> lines("a + b")
    ['a + b']
    >>> lines(" + ".join(["abcde"] * 4), 110)
    ['abcde + abcde', '+ abcde + abcde']
    """
    whole = pieces(latex)
    if sum(p.width for p in whole) <= limit:
        return [latex]
    out: list[str] = []
    text, width = "", 0.0
    for segment in _balanced(_segments(_opened(whole, limit), limit)):
        size = sum(p.width for p in segment)
        # both sides of a long relation begin a line, unless the left side is short
        turn = segment[0].kind == "relation" and (bool(out) or width > 0.3 * limit)
        if text and (turn or width + size > limit - (INDENT if out else 0)):
            out.append(text.strip())
            text, width = "", 0.0
        text += "".join(p.text for p in segment)
        width += size
    out.append(text.strip())
    return out


def width(latex: str) -> float:
    """Return the estimated width of LaTeX mathematics in points."""
    return _width(latex)


def _opened(whole: list[Piece], limit: float) -> list[Piece]:
    """Open groups and fractions of terms that are wider than a line, so that they can be cut."""
    out: list[Piece] = []
    for term in _terms(whole):
        size = sum(p.width for p in term)
        out += _opened_term(term, limit, 0.35 * limit) if size > limit - INDENT else term
    return out


def _balanced(segments: list[list[Piece]]) -> list[list[Piece]]:
    """Give groups that end on another line delimiters of one size: TeX wants the others paired."""
    out = [list(segment) for segment in segments]
    opened: list[tuple[int, int]] = []
    for i, segment in enumerate(segments):
        for j, piece in enumerate(segment):
            if piece.kind == "open":
                opened.append((i, j))
            elif piece.kind == "close" and opened:
                k, start = opened.pop()
                if k != i:
                    out[k][start] = _delimiter(segments[k][start], r"\Bigl")
                    out[i][j] = _delimiter(piece, r"\Bigr")
    return out


def _terms(whole: list[Piece]) -> list[list[Piece]]:
    """Split at the signs outside all groups."""
    terms: list[list[Piece]] = [[]]
    level = 0
    for piece in whole:
        level -= piece.kind == "close"
        if level == 0 and piece.kind in ("sign", "relation") and terms[-1]:
            terms.append([])
        terms[-1].append(piece)
        level += piece.kind == "open"
    return terms


def _opened_term(whole: list[Piece], limit: float, threshold: float) -> list[Piece]:
    out: list[Piece] = []
    i = 0
    while i < len(whole):
        piece = whole[i]
        if piece.kind == "open":
            end = _matching(whole, i)
            inside = whole[i + 1 : end]
            size = sum(p.width for p in inside)
            if size > threshold:
                out.append(_delimiter(piece, r"\Bigl"))
                out += _opened(inside, limit)
                out.append(_delimiter(whole[end], r"\Bigr"))
            else:
                text = "".join(p.text for p in whole[i : end + 1])
                out.append(Piece(text, size + 12))
            i = end + 1
            continue
        if piece.kind == "fraction" and piece.width > 0.8 * limit:
            out += _flat(piece, limit)
        else:
            out.append(piece)
        i += 1
    return out


def _flat(fraction: Piece, limit: float) -> list[Piece]:
    """Write a fraction that is too wide as a product with one over the denominator."""
    top, bottom = fraction.parts
    inside = _opened(pieces(top), limit)
    bracket = [Piece(r"\Bigl[", 6.0, "open"), *inside, Piece(r"\Bigr]", 6.0, "close")]
    if _width(bottom) <= limit * 0.6:
        return [Piece(rf"\frac{{1}}{{{bottom}}}", _width(bottom) + 3), *bracket]
    below = _opened(pieces(bottom), limit)
    return [
        *bracket,
        Piece(r"\Big/", 8.0, "sign"),
        Piece(r"\Bigl[", 6.0, "open"),
        *below,
        Piece(r"\Bigr]", 6.0, "close"),
    ]


def _delimiter(piece: Piece, size: str) -> Piece:
    return Piece(re.sub(r"\\(left|right)", lambda _: size, piece.text), piece.width, piece.kind)


def _segments(whole: list[Piece], limit: float) -> list[list[Piece]]:
    """Group pieces into stretches that begin at a sign, at the outermost depth that suffices."""
    marked, level = [], 0
    for piece in whole:
        level -= piece.kind == "close"
        marked.append((piece, level))
        level += piece.kind == "open"
    return _cut(marked, limit, 0, max(level for _, level in marked))


def _cut(
    marked: list[tuple[Piece, int]], limit: float, depth: int, deepest: int
) -> list[list[Piece]]:
    stretches: list[list[tuple[Piece, int]]] = [[]]
    for piece, level in marked:
        if level == depth and piece.kind in ("sign", "relation") and stretches[-1]:
            stretches.append([])
        stretches[-1].append((piece, level))
    out: list[list[Piece]] = []
    for stretch in stretches:
        if depth < deepest and sum(p.width for p, _ in stretch) > limit - INDENT:
            out += _cut(stretch, limit, depth + 1, deepest)
        else:
            out.append([p for p, _ in stretch])
    return out


def _matching(whole: list[Piece], start: int) -> int:
    level = 0
    for i in range(start, len(whole)):
        level += (whole[i].kind == "open") - (whole[i].kind == "close")
        if level == 0:
            return i
    return len(whole) - 1


def _group(tokens: list[str], i: int) -> tuple[str, int]:
    while i < len(tokens) and tokens[i].isspace():
        i += 1
    if i >= len(tokens):
        return "", i
    if tokens[i] != "{":
        return tokens[i], i + 1
    depth, start = 0, i
    while i < len(tokens):
        depth += (tokens[i] == "{") - (tokens[i] == "}")
        i += 1
        if depth == 0:
            break
    return "".join(tokens[start + 1 : i - 1]), i


def _environment(tokens: list[str], i: int) -> tuple[str, list[str], int]:
    """Return an environment, its own rows without those of environments in it, and its end."""
    start = i
    _, i = _group(tokens, i + 1)
    rows, depth = [""], 1
    while i < len(tokens):
        depth += (tokens[i] == r"\begin") - (tokens[i] == r"\end")
        if depth == 0:
            _, i = _group(tokens, i + 1)
            break
        if depth == 1 and tokens[i] == r"\\":
            rows.append("")
        else:
            rows[-1] += tokens[i]
        i += 1
    return "".join(tokens[start:i]), rows, i


def _width(latex: str) -> float:
    return sum(p.width for p in pieces(latex))


def _glyph(token: str) -> float:
    if token in _WIDE:
        return _WIDE[token]
    if token in "(),.;:|!'[]" or token in (r"\{", r"\}", r"\_"):
        return 4.0
    if token.isdigit():
        return 5.5
    if token in _SIGNS:
        return 8.5
    return 7.5 if token.isupper() else 6.2


def _append(found: list[Piece], text: str, width: float) -> None:
    """Attach a script or a group to what it belongs to."""
    if found and found[-1].kind in ("plain", "fraction"):
        last = found.pop()
        found.append(Piece(last.text.rstrip() + text, last.width + width))
    elif found and found[-1].kind == "close":
        last = found.pop()
        found.append(Piece(last.text + text, last.width + width, "close"))
    else:
        found.append(Piece(text, width))


def _joined(found: list[Piece]) -> list[Piece]:
    """Put neighbouring plain pieces together."""
    out: list[Piece] = []
    for piece in found:
        if piece.kind == "plain" and out and out[-1].kind == "plain":
            last = out.pop()
            out.append(Piece(last.text + piece.text, last.width + piece.width))
        else:
            out.append(piece)
    return out
