"""Pictures in one style: curves of a formula, points with error bars, files written whole.

Matplotlib is an extra (``pip install 'icl-derive[plot]'``) and is imported when something is drawn;
no display is needed.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from numerics.errors import ArgumentsError, LoweringError
from numerics.files import whole_file, write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".pdf", ".svg")
STYLE: dict[str, Any] = {
    "font.family": "serif",
    "font.size": 10,
    "mathtext.fontset": "cm",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": "cycler('color', ['#0072B2', '#D55E00', '#009E73', '#CC79A7', '#56B4E9'])",
    "lines.linewidth": 1.4,
    "lines.markersize": 4.5,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "savefig.dpi": 200,
    "svg.hashsalt": "icl-derive",
}


class Evaluable(Protocol):
    """What can be drawn: a named function of named arguments."""

    name: str

    @property
    def args(self) -> tuple[str, ...]:
        """Names of the arguments."""
        ...

    def __call__(self, **values: Any) -> Any:
        """Evaluate with broadcasting."""
        ...


def new_figure(rows: int = 1, columns: int = 1, *, width: float = 5.2, height: float = 3.6) -> Any:
    """Return a figure in the house style, and its axes.

    Parameters
    ----------
    rows, columns : int
        Number of panels.
    width, height : float
        Of one panel, in inches.

    Returns
    -------
    tuple of Figure and ndarray of Axes, shape (rows, columns)
        Not attached to a display.

    Raises
    ------
    LoweringError
        If matplotlib is not installed.
    """
    with house_style():
        from matplotlib.figure import Figure

        drawing = Figure(figsize=(width * columns, height * rows), layout="constrained")
        return drawing, drawing.subplots(rows, columns, squeeze=False)


@contextmanager
def house_style() -> Iterator[None]:
    """Draw what the block draws in the house style; legends and texts made later need it too."""
    with _matplotlib().rc_context(STYLE):
        yield


def logarithmic(panel: Axes, *, x: bool = False, y: bool = False) -> None:
    """Make axes logarithmic, with ticks at 1, 2 and 5 that read 0.5 and not 5 x 10^-1."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    for wanted, axis, set_scale in (
        (x, panel.xaxis, panel.set_xscale),
        (y, panel.yaxis, panel.set_yscale),
    ):
        if wanted:
            set_scale("log")
            axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axis.set_minor_locator(NullLocator())
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def curve(formula: Evaluable, parameters: Mapping[str, Any]) -> Figure:
    """Draw a formula against its one free argument.

    Parameters
    ----------
    formula : Formula
        What to draw.
    parameters : mapping of str to float or array
        All arguments; exactly one is an array and becomes the horizontal axis.

    Returns
    -------
    matplotlib.figure.Figure
        Call ``savefig`` or :func:`save` on it.

    Raises
    ------
    ArgumentsError
        Unless exactly one argument is a one-dimensional array.
    """
    free = [n for n, v in parameters.items() if np.ndim(v) == 1]
    if len(free) != 1 or any(np.ndim(v) > 1 for v in parameters.values()):
        raise ArgumentsError(
            f"plot({', '.join(f'{n}=...' for n in parameters)})",
            f"{len(free)} arguments are one-dimensional arrays",
            "exactly one argument is the horizontal axis; the others are numbers",
            f"plot({formula.args[0]}=numpy.linspace(0.1, 3, 300), "
            + ", ".join(f"{a}=..." for a in formula.args[1:])
            + ")",
        )
    (axis,) = free
    drawing, panels = new_figure()
    panel = panels[0, 0]
    values = formula(**parameters)
    panel.plot(np.asarray(parameters[axis]), values)
    _fit_scales(panel, np.asarray(parameters[axis]), values)
    fixed = ", ".join(f"{n} = {float(v):g}" for n, v in parameters.items() if n != axis)
    panel.set_xlabel(axis)
    panel.set_ylabel(formula.name)
    panel.set_title(fixed, fontsize=9)
    return drawing


def points(
    panel: Axes,
    x: Sequence[float],
    mean: Sequence[float],
    standard_error: Sequence[float],
    *,
    color: Any = None,
    marker: str = "o",
    label: str | None = None,
) -> None:
    """Draw simulated means with bars of one standard error."""
    panel.errorbar(
        x,
        mean,
        yerr=standard_error,
        linestyle="none",
        marker=marker,
        color=color,
        markerfacecolor="white",
        capsize=2,
        elinewidth=1,
        label=label,
    )


def check_picture(path: str | Path) -> Path:
    """Return the path if its suffix is that of a picture.

    Raises
    ------
    ArgumentsError
        For any other suffix.

    Examples
    --------
    >>> check_picture("errors.pdf").name
    'errors.pdf'
    """
    target = Path(path)
    if target.suffix not in SUFFIXES:
        raise ArgumentsError(
            f"save({str(path)!r})",
            f"the suffix {target.suffix!r} is not known",
            f"pictures are written as {', '.join(SUFFIXES)}",
            f"save({str(target.with_suffix('.png'))!r})",
        )
    return target


def save(drawing: Figure, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write a picture, whole or not at all; the same drawing gives the same bytes.

    Parameters
    ----------
    drawing : Figure
        What to write.
    path : str or Path
        Ends in .png, .pdf or .svg.
    overwrite : bool
        Whether a file that is there may be replaced.

    Returns
    -------
    Path
        The file.
    """
    target = check_picture(path)
    # a date in the file would make two runs differ
    metadata = {
        ".png": {"Software": "icl-derive"},
        ".pdf": {"CreationDate": None},
        ".svg": {"Date": None},
    }[target.suffix]
    with house_style(), whole_file(target, overwrite=overwrite) as file:
        drawing.savefig(file, format=target.suffix[1:], metadata=metadata)
    return target


def write_columns(
    columns: Mapping[str, Sequence[float | str]], path: str | Path, *, overwrite: bool = False
) -> Path:
    """Write the numbers of a picture as CSV; floats in full, so they read back exactly.

    Parameters
    ----------
    columns : mapping of str to sequence
        All of the same length.
    path : str or Path
        Where to write.
    overwrite : bool
        Whether a file that is there may be replaced.

    Returns
    -------
    Path
        The file.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in zip(*columns.values(), strict=True):
        writer.writerow([c if isinstance(c, str) else repr(float(c)) for c in row])
    return write_whole(path, text.getvalue(), overwrite=overwrite)


def _fit_scales(panel: Axes, x: np.ndarray, y: np.ndarray) -> None:
    """Use logarithms where a linear axis would hide most of the curve."""
    wide = []
    for values in (x, y):
        finite = values[np.isfinite(values)]
        wide.append(bool(finite.size and finite.min() > 0 and finite.max() / finite.min() > 30))
    if any(wide):
        with house_style():
            for chosen, set_scale in zip(wide, (panel.set_xscale, panel.set_yscale), strict=True):
                if chosen:
                    set_scale("log")


def _matplotlib() -> Any:
    try:
        import matplotlib
    except ImportError:
        raise LoweringError(
            "plot(...)",
            "matplotlib is not installed",
            "drawing is an extra of the package",
            "pip install 'icl-derive[plot]'",
        ) from None
    return matplotlib
