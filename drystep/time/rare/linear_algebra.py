"""Decompositions of matrices and solutions of linear systems, by the standard counts of their operations.

G. H. Golub and C. F. Van Loan, "Matrix Computations" (for eigenvalues, singular values and least squares), and LAPACK
Working Note 41 (for the rest). They count a multiplication and an addition as two. cuSOLVER and MAGMA use blocked
forms of the same algorithms. Iterations to convergence are counted as in the book.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from drystep.operators import Kind, Work, WorkRule
from drystep.time.rare.operands import bytes_in, first_of, name_of, named, operators

PANEL = 64
"""Columns that are eliminated together (LAPACK's `ilaenv` for LU and Cholesky)."""
KERNELS_PER_PANEL = 3
"""The panel is decomposed, a triangular system solved, and the rest of the matrix updated by a product."""
COMPLEX_OPERATIONS = 4
"""Real operations for each complex one: a multiplication and an addition are 8 instead of 2."""
LOOPED = frozenset({"geqrf", "linalg_qr", "linalg_householder_product", "ormqr", "_linalg_eigh", "linalg_eig",
                    "_linalg_eigvals", "_linalg_svd"})  # fmt: skip
"""Operators whose library calls are made for one matrix of a batch after the other
(`cuda/linalg/BatchLinearAlgebraLib.cpp`)."""

Given = Mapping[str, Any]
Count = Callable[[int, int, Given], float]
"""(rows, columns, arguments) -> operations for one matrix."""


def lu_operations(rows: int, columns: int) -> float:
    """Operations of LU with partial pivoting: 2/3 n^3 of a square matrix."""
    least = min(rows, columns)
    return 2 * rows * columns * least - (rows + columns) * least**2 + 2 * least**3 / 3


def qr_operations(rows: int, columns: int) -> float:
    """Operations of QR by Householder's reflections: 2 n^2 (m - n / 3) for m >= n. The reflections are kept as such."""
    return 2 * lu_operations(rows, columns)


def form_q_operations(rows: int, columns: int, reflections: int) -> float:
    """Operations to form the first columns of Q from reflections."""
    both = rows + columns
    return 4 * rows * columns * reflections - 2 * both * reflections**2 + 4 * reflections**3 / 3


def _right_sides(given: Given, of: str, left: bool = True) -> int:
    """Number of systems that are solved with one matrix."""
    sides: Tensor = given[of]
    matrix: Tensor = next(given[name] for name in ("A", "LU", "LD", "input2", "self") if name in given and name != of)
    if sides.dim() == 1 or sides.shape == matrix.shape[:-1]:
        return 1
    return sides.shape[-1] if left else sides.shape[-2]


def _solve(of: str, per_side: int) -> Count:
    """Solutions with a matrix that is decomposed already: n^2 operations for each triangle and right side."""
    return lambda rows, _, given: per_side * rows**2 * _right_sides(given, of, given.get("left", True))


def _solve_ex(rows: int, columns: int, given: Given) -> float:
    return lu_operations(rows, columns) + 2 * rows**2 * _right_sides(given, "B", given["left"])


def _qr(rows: int, columns: int, given: Given) -> float:
    least = min(rows, columns)
    formed = {"r": 0, "reduced": least, "complete": rows}[given["mode"]]
    return qr_operations(rows, columns) + (form_q_operations(rows, formed, least) if formed else 0)


def _formed(rows: int, columns: int, given: Given) -> float:
    return form_q_operations(rows, columns, given["tau"].shape[-1])


def _applied(_rows: int, _columns: int, given: Given) -> float:
    """Reflections applied to a matrix of m x n from one side: 4 m n k - 2 n k^2 from the left."""
    m, n = given["input3"].shape[-2:]
    reflections = given["input2"].shape[-1]
    return 4 * m * n * reflections - 2 * (n if given["left"] else m) * reflections**2


def _svd(rows: int, columns: int, given: Given) -> float:
    """The algorithm of Golub and Reinsch for m >= n: 4 m n^2 - 4/3 n^3 for the values alone, and more with vectors."""
    m, n = max(rows, columns), min(rows, columns)
    if not given["compute_uv"]:
        return 4 * m * n**2 - 4 * n**3 / 3
    return 4 * m**2 * n + 8 * m * n**2 + 9 * n**3 if given["full_matrices"] else 14 * m * n**2 + 8 * n**3


def _pinv(rows: int, columns: int, given: Given) -> float:
    """Singular vectors, and a product of them (`linalg_pinv` in `LinearAlgebra.cpp`)."""
    m, n = max(rows, columns), min(rows, columns)
    return 14 * m * n**2 + 8 * n**3 + 2 * m * n**2


def _eigh(rows: int, _: int, given: Given) -> float:
    """The symmetric QR algorithm: 9 n^3 with vectors, 4/3 n^3 without."""
    return 9 * rows**3 if given["compute_v"] else 4 * rows**3 / 3


def _lstsq(rows: int, columns: int, given: Given) -> float:
    """QR, Q^T applied to each right side, and a triangular solution (`gels`)."""
    sides = _right_sides(given, "b")
    least = min(rows, columns)
    return qr_operations(rows, columns) + sides * (4 * rows * least - 2 * least**2 + least**2)


COUNTS: dict[str, Count] = {
    "linalg_cholesky_ex": lambda n, _, __: n**3 / 3,
    "cholesky": lambda n, _, __: n**3 / 3,
    "cholesky_solve": _solve("self", 2),
    "_cholesky_solve_helper": _solve("self", 2),
    "cholesky_inverse": lambda n, _, __: 2 * n**3,  # a solution for the identity
    "linalg_lu_factor_ex": lambda m, n, _: lu_operations(m, n),
    "linalg_lu": lambda m, n, _: lu_operations(m, n),
    "_linalg_det": lambda m, n, _: lu_operations(m, n),
    "_linalg_slogdet": lambda m, n, _: lu_operations(m, n),
    "linalg_lu_solve": _solve("B", 2),
    "_linalg_solve_ex": _solve_ex,
    "linalg_inv_ex": lambda m, n, _: lu_operations(m, n) + 2 * n**3,  # a solution for the identity
    "linalg_ldl_factor_ex": lambda n, _, __: n**3 / 3,
    "linalg_ldl_solve": _solve("B", 2),
    "triangular_solve": _solve("self", 1),
    "linalg_solve_triangular": _solve("B", 1),
    "geqrf": lambda m, n, _: qr_operations(m, n),
    "linalg_qr": _qr,
    "linalg_householder_product": _formed,
    "ormqr": _applied,
    "linalg_lstsq": _lstsq,
    "_linalg_eigh": _eigh,
    "linalg_eig": lambda n, _, __: 25 * n**3,
    "_linalg_eigvals": lambda n, _, __: 10 * n**3,
    "_linalg_svd": _svd,
    "linalg_pinv": _pinv,
    "linalg_matrix_exp": lambda n, _, __: 5 * 2 * n**3,  # products of the polynomial of degree 18, before squarings
}


def _decomposed(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Work:
    """Operations by the standard counts. Inputs are copied, and decomposed where the copy lies.

    So the arguments are read once and the results are written twice and read once. Columns are eliminated one after
    the other, matrices beside each other: the items are the columns of all, a block for each matrix.
    """
    name, given = name_of(func), named(func, args, kwargs)
    decomposed = given["A"] if "A" in given else first_of(args)
    if name in ("cholesky_solve", "_cholesky_solve_helper"):
        decomposed = args[1]
    *batch, rows, columns = decomposed.shape
    matrices, least = math.prod(batch), min(rows, columns)
    operations = matrices * COUNTS[name](rows, columns, given) * (COMPLEX_OPERATIONS if decomposed.is_complex() else 1)
    panels = KERNELS_PER_PANEL * max(1, math.ceil(least / PANEL))
    kernels = panels * (max(1, matrices) if name in LOOPED else 1)
    kind: Kind = "linear" if matrices == 1 else "bmm"
    moved = bytes_in(args) + 3 * bytes_in(result)
    dtype = decomposed.dtype.to_real() if decomposed.is_complex() else decomposed.dtype
    width = max(1, min(PANEL, least))
    return Work(
        kind, round(operations), moved, kernels, dtype, width, width, group="linalg", items=matrices * least,
        blocks=matrices,
    )  # fmt: skip


RULES: dict[WorkRule, frozenset[Any]] = {_decomposed: operators(" ".join(COUNTS))}
