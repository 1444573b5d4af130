"""Numbers: what a numerical analyst would recognise, and nothing of the physics.

Programs (straight-line code with loops for roots) and their printings, which agree:
:mod:`~numerics.lower` writes a program from SymPy, :mod:`~numerics.kernel` compiles it to a NumPy
ufunc in float64 or double-double, :mod:`~numerics.ball` encloses its exact value,
:mod:`~numerics.audit` measures the one against the other. Finite-size sampling:
:mod:`~numerics.prompts`, :mod:`~numerics.ridge`, :mod:`~numerics.monte_carlo`,
:mod:`~numerics.extrapolation`. Files that are whole or absent: :mod:`~numerics.cache`,
:mod:`~numerics.files`.

Nothing here imports ``derive``, and importing this package imports nothing else.
"""
