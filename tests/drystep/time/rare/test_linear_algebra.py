"""Operations of decompositions, by the formulas that textbooks print for them, and counted in loops."""

from typing import Any

import pytest
import torch

from drystep.time.rare.linear_algebra import form_q_operations, lu_operations, qr_operations

aten = torch.ops.aten


@pytest.mark.parametrize(("rows", "columns"), [(40, 40), (60, 20), (20, 60)])
def test_lu_by_its_loops(rows: int, columns: int) -> None:
    """Each step updates what lies right of and below the pivot, a multiplication and a subtraction per value."""
    loops = sum(2 * (rows - k) * (columns - k) for k in range(1, min(rows, columns) + 1))
    assert lu_operations(rows, columns) == pytest.approx(loops, rel=0.08)  # the formula keeps the leading powers


@pytest.mark.parametrize(("rows", "columns"), [(40, 40), (60, 20)])
def test_qr_by_its_loops(rows: int, columns: int) -> None:
    """A reflection of length m - k is applied to n - k columns by 4 operations per value."""
    loops = sum(4 * (rows - k) * (columns - k) for k in range(columns))
    assert qr_operations(rows, columns) == pytest.approx(2 * columns**2 * (rows - columns / 3))
    assert qr_operations(rows, columns) == pytest.approx(loops, rel=0.08)
    formed = sum(4 * (rows - k) * (columns - k) for k in range(columns))
    assert form_q_operations(rows, columns, columns) == pytest.approx(formed, rel=0.08)


N, CUBE = 30, 30**3
CASES = {
    "cholesky": (aten.linalg_cholesky_ex.default, [(N, N)], {}, CUBE / 3),
    "old_cholesky": (aten.cholesky.default, [(N, N)], {}, CUBE / 3),
    "cholesky_solve": (aten.cholesky_solve.default, [(N, 5), (N, N)], {}, 2 * N**2 * 5),
    "cholesky_inverse": (aten.cholesky_inverse.default, [(N, N)], {}, 2 * CUBE),
    "lu": (aten.linalg_lu_factor_ex.default, [(N, N)], {}, 2 * CUBE / 3),
    "wide_lu": (aten.linalg_lu.default, [(10, N)], {}, 10**2 * N - 10**3 / 3),
    "determinant": (aten._linalg_det.default, [(N, N)], {}, 2 * CUBE / 3),
    "solve": (aten._linalg_solve_ex.default, [(N, N), (N, 5)], {}, 2 * CUBE / 3 + 2 * N**2 * 5),
    "solve_vector": (aten._linalg_solve_ex.default, [(N, N), (N,)], {}, 2 * CUBE / 3 + 2 * N**2),
    "inverse": (aten.linalg_inv_ex.default, [(N, N)], {}, 8 * CUBE / 3),
    "triangular": (aten.linalg_solve_triangular.default, [(N, N), (N, 5)], {"upper": True}, N**2 * 5),
    "from_right": (
        aten.linalg_solve_triangular.default, [(N, N), (5, N)], {"upper": True, "left": False}, N**2 * 5,
    ),
    "old_triangular": (aten.triangular_solve.default, [(N, 5), (N, N)], {}, N**2 * 5),
    "reflections": (aten.linalg_householder_product.default, [(N, 10), (10,)], {}, 2 * N * 100 - 2000 / 3),
    "applied": (aten.ormqr.default, [(N, 10), (10,), (N, 5)], {}, 4 * N * 5 * 10 - 2 * 5 * 100),
    "eigenvalues": (aten._linalg_eigh.default, [(N, N)], {"compute_v": False}, 4 * CUBE / 3),
    "eigenvectors": (aten._linalg_eigh.default, [(N, N)], {}, 9 * CUBE),
    "general_eigenvectors": (aten.linalg_eig.default, [(N, N)], {}, 25 * CUBE),
    "singular_values": (aten._linalg_svd.default, [(N, 10)], {"compute_uv": False}, 4 * N * 100 - 4000 / 3),
    "singular_vectors": (aten._linalg_svd.default, [(10, N)], {}, 14 * N * 100 + 8000),
    "all_singular_vectors": (
        aten._linalg_svd.default, [(N, 10)], {"full_matrices": True}, 4 * N**2 * 10 + 8 * N * 100 + 9000,
    ),
    "pseudo_inverse": (aten.linalg_pinv.atol_rtol_tensor, [(N, 10)], {}, 16 * N * 100 + 8000),
    "exponential": (aten.linalg_matrix_exp.default, [(N, N)], {}, 10 * CUBE),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_operations(case: str, count: Any, meta: Any) -> None:
    func, shapes, options, operations = CASES[case]
    work = count(func, *(meta(*shape) for shape in shapes), **options)
    assert work.flops == round(operations)
    assert (work.kind, work.group) == ("linear", "linalg")


@pytest.mark.parametrize(("mode", "formed"), [("r", 0), ("reduced", 1), ("complete", 2)])
def test_qr_forms_what_it_returns(mode: str, formed: int, count: Any, meta: Any) -> None:
    """30 x 10: R takes 2 n^2 (m - n / 3), n columns of Q as many, all m columns 4 m^2 n - 4 m n^2 + 4/3 n^3."""
    work = count(aten.linalg_qr.default, meta(30, 10), mode)
    of_r = 2 * 100 * (30 - 10 / 3)
    assert work.flops == round(of_r + (0, of_r, 4 * 900 * 10 - 4 * 30 * 100 + 4000 / 3)[formed])


def test_a_batch_shares_launches_only_where_the_library_has_batches(count: Any, meta: Any) -> None:
    """7 matrices of 100 columns: two panels each."""
    lu = count(aten.linalg_lu_factor_ex.default, meta(7, 100, 100))
    assert (lu.kernels, lu.items, lu.blocks, lu.kind) == (6, 700, 7, "bmm")
    assert lu.flops == round(7 * 2 * 100**3 / 3)
    matrix, pivots, info = 4 * 7 * 100 * 100, 4 * 7 * 100, 4 * 7
    assert lu.moved_bytes == matrix + 3 * (matrix + pivots + info)
    assert count(aten._linalg_eigh.default, meta(7, 100, 100)).kernels == 7 * 6


def test_complex_operations_are_four_real_ones(count: Any, meta: Any) -> None:
    work = count(aten.linalg_cholesky_ex.default, meta(30, 30, dtype=torch.complex64))
    assert (work.flops, work.dtype) == (4 * 9000, torch.float32)


def test_operators_without_meta_kernels(count: Any, meta: Any) -> None:
    tall = meta(30, 10)
    assert count(aten.geqrf.default, tall, result=(tall, meta(10))).flops == round(2 * 100 * (30 - 10 / 3))
    results = (meta(10, 4), meta(0), meta(0), meta(0))
    work = count(aten.linalg_lstsq.default, tall, meta(30, 4), result=results)
    assert work.flops == round(2 * 100 * (30 - 10 / 3) + 4 * (4 * 30 * 10 - 100))
