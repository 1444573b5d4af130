"""The command ``derive``: the verbs of the library in a shell.

Exit codes: 0, done; 1, a step or a check failed; 2, bad input, said in one message; 130, Ctrl-C.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from derivations.shell.auditing import accuracy, audit
from derivations.shell.bench import bench
from derivations.shell.caching import cache
from derivations.shell.checking import check
from derivations.shell.drawing import figure
from derivations.shell.evaluating import evaluate
from derivations.shell.exporting import export
from derivations.shell.listing import catalogue
from derivations.shell.printing import latex
from derivations.shell.showing import show
from derivations.shell.simulating import simulate
from derivations.shell.studying import study
from derivations.shell.sweeping import sweep
from numerics.errors import DeriveError

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130

app = typer.Typer(
    name="derive",
    help="Results of the theory of in-context learning: derived, checked, printed, evaluated, "
    "simulated.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
# names that are not options of a command are arguments of the formula
OPEN = {"allow_extra_args": True, "ignore_unknown_options": True}


def _say_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"icl-derive {version('icl-derive')}")
        raise typer.Exit()


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    pass


app.command("list")(catalogue)
app.command("show")(show)
app.command("check")(check)
app.command("latex")(latex)
app.command("eval", context_settings=OPEN)(evaluate)
app.command("sweep", context_settings=OPEN)(sweep)
app.command("audit", context_settings=OPEN)(audit)
app.command("accuracy")(accuracy)
app.command("export")(export)
app.command("simulate", context_settings=OPEN)(simulate)
app.command("study", context_settings=OPEN)(study)
app.command("figure")(figure)
app.command("bench")(bench)
app.add_typer(cache, name="cache")


def main() -> None:
    """Run the command line and exit with its code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run the command line and return its exit code; errors are one message without a traceback.

    Parameters
    ----------
    arguments : list of str
        What was typed after ``derive``.

    Returns
    -------
    int
        0, 1, 2 or 130.

    Examples
    --------
    >>> run(["cache", "list", "--help"]) # doctest: +ELLIPSIS
    <BLANKLINE>
    ...
    0
    """
    command = typer.main.get_command(app)
    try:
        code = command.main(args=arguments, prog_name="derive", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except DeriveError as error:
        from derive.errors import RefutedError

        _complain(str(error))
        return FAILED if isinstance(error, RefutedError) else BAD_INPUT
    except BrokenPipeError:
        # the reader went away (`derive list | head`); do not complain again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except MemoryError:
        _complain("not enough memory: fewer points, or a smaller --size")
        return BAD_INPUT
    except Exception as error:
        if hasattr(error, "show") and hasattr(error, "exit_code"):  # a usage error of the parser
            error.show()
            return BAD_INPUT
        raise
    if code == INTERRUPTED:  # some versions of the parser turn Ctrl-C into this code themselves
        _complain("interrupted; nothing half-written is left")
    return code if isinstance(code, int) else 0


def _complain(message: str) -> None:
    sys.stderr.write(f"derive: {message}\n")


if __name__ == "__main__":
    main()
