"""Sentences for LaTeX: everything LaTeX would act on is made harmless, simple mathematics is set.

Mathematics between dollar signs is passed through only if every command in it is on a list of
plain mathematical ones; anything else is printed as the text it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau "
    "upsilon phi chi psi omega varpi varepsilon varphi Gamma Delta Theta Lambda Xi Pi Sigma "
    "Upsilon Phi Psi Omega"
).split()
_GREEK = {name: rf"\{name}" for name in GREEK} | {"lam": r"\lambda"}

_COMMANDS = frozenset(
    (
        *GREEK,
        *"""frac tfrac dfrac sqrt overline underline hat bar tilde vec dot ddot mathrm mathbf mathbb
        mathcal mathsf mathit rm bf text operatorname left right big Big bigl bigr Bigl Bigr sum
        prod int oint partial nabla infty top bot dagger star ast prime ell hbar Re Im log ln exp
        sin cos tan arctan min max sup inf lim det tr dim ker arg deg le leq ge geq ne neq ll gg
        sim simeq approx equiv propto to longrightarrow rightarrow leftarrow mapsto in notin subset
        cup cap times otimes oplus odot cdot cdots ldots dots circ pm mp mid vert Vert langle rangle
        lfloor rfloor lceil rceil quad qquad displaystyle textstyle limits nolimits binom boxplus
        boxtimes succ succeq prec preceq forall exists begin end""".split(),
    )
)
_ENVIRONMENTS = frozenset(("cases", "matrix", "pmatrix", "bmatrix", "array", "aligned"))

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    "$": r"\$",
    '"': "''",
    "`": r"\textasciigrave{}",
    "|": r"$|$",
    "\n": " ",
    "\t": " ",
    "\u2013": "--",
    "\u2014": "---",
    "\u2019": "'",
}


def is_plain_mathematics(text: str) -> bool:
    r"""Tell whether mathematics in LaTeX consists of plain mathematical commands only.

    Parameters
    ----------
    text : str
        Without dollar signs.

    Returns
    -------
    bool
        False if anything in it could act outside the formula.

    Examples
    --------
    >>> is_plain_mathematics(r"\frac{d}{\ell}\sum_i x_i"), is_plain_mathematics(r"\input{secret}")
    (True, False)
    """
    if len(text) > 4000 or re.search(r"[%#~$\x00-\x1f\x7f-\uffff]|\^\^", text):
        return False
    if not set(re.findall(r"\\([A-Za-z]+)", text)) <= _COMMANDS:
        return False
    if not set(re.findall(r"\\(?:begin|end)\{?([^}]*)\}?", text)) <= _ENVIRONMENTS:
        return False
    if "&" in text and r"\begin" not in text:
        return False
    if re.search(r"\\[^A-Za-z,;:! {}|\\&_]", text) or text.endswith("\\"):
        return False
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", text):
        depth += 1 if brace == "{" else -1
        if depth < 0:
            return False
    return depth == 0


def escape(text: str) -> str:
    r"""Return text that LaTeX prints character by character.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    str
        Safe to typeset; letters outside Latin alphabets are named by their code.

    Examples
    --------
    >>> print(escape(r"50% of \input{secret}"))
    50\% of \textbackslash{}input\{secret\}
    """
    out = []
    for c in text:
        if c in _SPECIAL:
            out.append(_SPECIAL[c])
        elif " " <= c < "\x7f" or "\u00c0" <= c < "\u0180":
            out.append(c)
        else:
            out.append(f"U+{ord(c):04X}")
    return "".join(out)


def sentence(text: str, names: Mapping[str, str] | None = None) -> str:
    r"""Return a sentence for LaTeX with its simple mathematics set as mathematics.

    Parameters
    ----------
    text : str
        Prose; ``$...$`` passes if it is plain. Greek names, single letters, subscripts, powers,
        arrows and ``oo`` in the prose are recognised.
    names : mapping of str to str, optional
        LaTeX of letters by name.

    Returns
    -------
    str
        Safe to typeset.

    Examples
    --------
    >>> print(sentence("d, k -> oo with k/d -> kappa, 50% of $x_i$"))
    $d$, $k$ $\to$ $\infty$ with $k/d$ $\to$ $\kappa$, 50\% of $x_i$
    >>> print(sentence(r"an \input{secret} of n/d^2", {"n": "n"}))
    an \textbackslash{}input\{secret\} of $n/d^{2}$
    """
    known = dict(names or {})
    out = []
    for part in re.split(r"(\$[^$]*\$)", text):
        if len(part) > 2 and part[0] == part[-1] == "$" and is_plain_mathematics(part[1:-1]):
            out.append(part)
        else:
            out.append(_prose(part, known))
    return "".join(out)


# An identifier with subscript, primes and power; products and quotients of such stay together.
_ATOM = r"[A-Za-z]+(?:_[A-Za-z0-9]{1,8})?'{0,2}(?:\^(?:-?\d+|[A-Z]))?"
_TOKEN = re.compile(
    r"(?P<id>\b(?:[a-z]+\d{4}|classics)\.[a-z][a-z0-9_]*\b)"
    r"|(?P<arrow><=>|->|<=|>=|!=)"
    r"|(?P<power>(?<=[)\]])\^(?:-?\d+|[A-Z])(?![A-Za-z0-9]))"
    rf"|(?P<math>(?<![A-Za-z0-9_\\.'])(?:\d+(?=[a-z]\b))?{_ATOM}(?:[*/](?:{_ATOM}|\d+))*(?![A-Za-z0-9_]))"
)
_ARROWS = {"->": r"\to", "<=": r"\le", ">=": r"\ge", "!=": r"\ne", "<=>": r"\Leftrightarrow"}


def _prose(text: str, names: Mapping[str, str]) -> str:
    out, at = [], 0
    for match in _TOKEN.finditer(text):
        shown = None
        if match["id"]:
            shown = r"\texttt{" + escape(match["id"]) + "}"
        elif match["arrow"]:
            shown = f"${_ARROWS[match['arrow']]}$"
        elif match["power"]:
            shown = f"$^{{{match['power'][1:]}}}$"
        elif not _is_abbreviation(text, match):
            shown = _mathematics(match["math"], names)
        if shown is not None:
            out += [escape(text[at : match.start()]), shown]
            at = match.end()
    out.append(escape(text[at:]))
    return "".join(out)


def _is_abbreviation(text: str, match: re.Match[str]) -> bool:
    """Initials and "e.g." are words: one letter, a full stop, and the text goes on."""
    return len(match[0]) == 1 and bool(re.match(r"\.\s*[A-Za-z]", text[match.end() :]))


def _mathematics(token: str, names: Mapping[str, str]) -> str | None:
    """Return a recognised token as mathematics, or None if it is a word."""
    parts = re.split(r"([*/])", token)
    shown = []
    for part in parts:
        if part in "*/":
            shown.append(r"\," if part == "*" else "/")
            continue
        one = part if part.isdigit() else _atom(part, names)
        if one is None:
            return None
        shown.append(one)
    return "$" + "".join(shown) + "$"


def _atom(token: str, names: Mapping[str, str]) -> str | None:
    match = re.fullmatch(r"(\d*)([A-Za-z]+)(?:_([A-Za-z0-9]+))?('{0,2})(?:\^(-?\d+|[A-Z]))?", token)
    if match is None:
        return None
    number, base, below, primes, power = match.groups()
    if base == "oo" and not below:
        return r"\infty"
    whole = f"{base}_{below}" if below else base
    decorated = below or power or primes
    if len(base) == 1:
        if base in "aAI" and not decorated and whole not in names:
            return None
        if base in "aAI" and not decorated:
            return None  # an article or a pronoun far more often than a letter
    elif base not in _GREEK and not (whole in names and decorated):
        return None
    if whole in names and is_plain_mathematics(names[whole]):
        shown = names[whole]
    else:
        shown = _GREEK.get(base, base)
        if below:
            inner = _GREEK.get(below, below)
            shown += (
                f"_{{{inner}}}"
                if len(below) <= 2 or below in _GREEK
                else (rf"_{{\mathrm{{{inner}}}}}")
            )
    if power:
        shown = ("{" + shown + "}" if "^" in shown or "_" in shown else shown) + f"^{{{power}}}"
    return f"{number}{shown}{primes}"
