"""The commands of ``derive``, one file each; :mod:`derivations.cli` puts them together.

A command is a function with typer annotations. It imports what it needs when it runs, so that
``derive --help`` and ``derive list`` import neither SymPy nor numba.
"""
