r"""Row-wise Kronecker (Khatri-Rao) features, used without ever being formed.

The feature row of prompt :math:`\mu` is :math:`\mathrm{vec}(x_\mu h_\mu^\top) = x_\mu\otimes h_\mu`
(row-major), of length ``d m``; the matrix of all rows would take ``n d m`` numbers, the two
factors take ``n (d + m)``, and every product needed is two matrix multiplications.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from numerics.errors import ArgumentsError
from numerics.sampling import FloatArray

# Rows per block.  OpenBLAS multiplies matrices below a million operations without packing them
# first, which is a fifth faster for d of order 100; and the workspace stays in the cache.
_MOST_ROWS, _FEWEST_ROWS, _UNPACKED = 512, 96, 10**6


@dataclass(frozen=True, eq=False)
class KhatriRaoFeatures:
    r"""The ``n`` feature matrices :math:`H_\mu = x_\mu h_\mu^\top` of a linear-attention model.

    Parameters
    ----------
    queries : ndarray, shape (n, d)
        Rows :math:`x_\mu`.
    contexts : ndarray, shape (n, m)
        Rows :math:`h_\mu`; ``m = d + 1`` for reduced linear attention.

    Raises
    ------
    ArgumentsError
        If the factors are not two matrices of real numbers with as many rows.

    References
    ----------
    C. G. Khatri and C. R. Rao, Sankhya A 30, 167 (1968); arXiv:2405.11751 for the features.

    Examples
    --------
    >>> features = KhatriRaoFeatures(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0, 5.0]]))
    >>> features.predictions(np.ones((2, 3)))
    array([36.])
    """

    queries: FloatArray
    contexts: FloatArray

    def __post_init__(self) -> None:
        queries = np.ascontiguousarray(self.queries, dtype=np.float64)
        contexts = np.ascontiguousarray(self.contexts, dtype=np.float64)
        shapes = f"{queries.shape} and {contexts.shape}"
        if (
            queries.ndim != 2
            or contexts.ndim != 2
            or queries.shape[0] != contexts.shape[0]
            or not queries.size
            or not contexts.size
        ):
            raise ArgumentsError(
                "KhatriRaoFeatures(queries, contexts)",
                f"the shapes {shapes} are not (n, d) and (n, m)",
                "row mu of one is multiplied with row mu of the other",
                "KhatriRaoFeatures(prompts.queries, prompts.contexts)",
            )
        if not (np.isfinite(queries).all() and np.isfinite(contexts).all()):
            raise ArgumentsError(
                "KhatriRaoFeatures(queries, contexts)",
                f"an entry of the arrays of shapes {shapes} is not finite",
                "a least-squares problem has real coefficients",
                "KhatriRaoFeatures(prompts.queries, prompts.contexts)",
            )
        object.__setattr__(self, "queries", queries)
        object.__setattr__(self, "contexts", contexts)

    def __len__(self) -> int:
        return self.queries.shape[0]

    def __repr__(self) -> str:
        d, m = self.shape
        return f"KhatriRaoFeatures(n = {len(self)}, d = {d}, m = {m})"

    @property
    def shape(self) -> tuple[int, int]:
        """Shape ``(d, m)`` of one feature matrix, hence of the weights."""
        return self.queries.shape[1], self.contexts.shape[1]

    @property
    def count(self) -> int:
        """Number of features ``p = d m``."""
        return self.queries.shape[1] * self.contexts.shape[1]

    @property
    def _rows(self) -> int:
        return min(_MOST_ROWS, max(_FEWEST_ROWS, _UNPACKED // self.count // 32 * 32))

    def _blocks(self) -> Iterator[tuple[slice, FloatArray, FloatArray]]:
        rows = self._rows
        for start in range(0, len(self), rows):
            block = slice(start, start + rows)
            yield block, self.queries[block], self.contexts[block]

    def predictions(self, gamma: FloatArray) -> FloatArray:
        r"""Return :math:`\langle\Gamma, H_\mu\rangle` for every prompt.

        Parameters
        ----------
        gamma : ndarray, shape (d, m)

        Returns
        -------
        ndarray, shape (n,)
        """
        out = np.empty(len(self))
        for block, x, h in self._blocks():
            np.einsum("ij,ij->i", x @ gamma, h, out=out[block])
        return out

    def weighted_sum(self, weights: FloatArray) -> FloatArray:
        r"""Return :math:`\sum_\mu\psi_\mu H_\mu`, the adjoint of :meth:`predictions`.

        Parameters
        ----------
        weights : ndarray, shape (n,)
            :math:`\psi`.

        Returns
        -------
        ndarray, shape (d, m)
        """
        out = np.zeros(self.shape)
        for block, x, h in self._blocks():
            out += x.T @ (h * weights[block, None])
        return out

    def normal_product(self, gamma: FloatArray) -> FloatArray:
        r"""Return :math:`\sum_\mu\langle\Gamma, H_\mu\rangle H_\mu` in ``4 n d m`` operations.

        Parameters
        ----------
        gamma : ndarray, shape (d, m)

        Returns
        -------
        ndarray, shape (d, m)
            The normal matrix of the features applied to ``gamma``; two matrix products a block
            and one workspace of at most ``512 m`` numbers.

        Examples
        --------
        >>> features = KhatriRaoFeatures(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]]))
        >>> features.normal_product(np.ones((2, 2)))
        array([[ 63.,  84.],
               [126., 168.]])
        """
        d, m = self.shape
        out, part = np.zeros((d, m)), np.empty((d, m))
        work, fit = np.empty((self._rows, m)), np.empty(self._rows)
        for _, x, h in self._blocks():
            rows = x.shape[0]
            np.matmul(x, gamma, out=work[:rows])
            np.einsum("ij,ij->i", work[:rows], h, out=fit[:rows])
            np.multiply(h, fit[:rows, None], out=work[:rows])
            np.matmul(x.T, work[:rows], out=part)
            out += part
        return out

    def gram_matrix(self) -> FloatArray:
        r"""Return the kernel :math:`K = (X X^\top)\odot(H H^\top)` of all pairs of prompts.

        Returns
        -------
        ndarray, shape (n, n)
        """
        kernel = self.queries @ self.queries.T
        for block, _, h in self._blocks():
            kernel[block] *= h @ self.contexts.T
        return kernel

    def feature_rows(self, block: slice) -> FloatArray:
        r"""Return the rows :math:`x_\mu\otimes h_\mu` themselves, for a block of prompts.

        Parameters
        ----------
        block : slice
            Which prompts.

        Returns
        -------
        ndarray, shape (rows, d m)
            Row-major: ``feature_rows(b) @ gamma.ravel() == predictions(gamma)[b]``.
        """
        x, h = self.queries[block], self.contexts[block]
        return np.einsum("ij,ik->ijk", x, h).reshape(x.shape[0], self.count)
