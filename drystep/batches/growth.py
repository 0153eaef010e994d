"""How whole numbers of a step grow with its size: by which polynomial, in exact arithmetic."""

import functools
from collections.abc import Sequence
from fractions import Fraction

Size = tuple[int, ...]
"""What a step is made for: (batch size,), or (height, width) of its images."""
Term = tuple[int, ...]
"""Exponents of the parts of a size: (1, 1) is height times width."""
Form = tuple[Term, ...]
"""The terms of a polynomial."""
FORMS: dict[int, tuple[Form, ...]] = {
    1: (((0,),), ((0,), (1,)), ((0,), (1,), (2,))),
    2: (
        ((0, 0),),
        ((0, 0), (1, 1)),
        ((0, 0), (1, 0)),
        ((0, 0), (0, 1)),
        ((0, 0), (1, 1), (2, 2)),
        ((0, 0), (1, 0), (1, 1)),
        ((0, 0), (1, 0), (0, 1), (1, 1)),
    ),
}
"""Number of parts of a size -> polynomials, simple ones first. Over batch sizes a number is constant, grows with the
batch, or with its square (each image against each). Over images it may grow with the pixels, a side, the square of the
pixels (each token against each), or with sides and pixels (tables of relative positions)."""


class Growth:
    """Tells numbers at any size from those at some sizes.

    A number follows the simplest polynomial of `FORMS` that gives all that is known of it. With as many sizes as the
    polynomial has terms any numbers do, so further sizes must show whether it is right.
    """

    def __init__(self, sizes: Sequence[Size]) -> None:
        self._sizes = tuple(sizes)
        solved = ((form, _weights(form, self._sizes)) for form in FORMS[len(self._sizes[0])])
        self._forms = [(form, weights) for form, weights in solved if weights is not None]
        self._polynomial = functools.cache(self._find)

    def at(self, size: Size, known: Sequence[int]) -> int:
        """The number at a size, given those at the known sizes. Raises `ValueError` where none is whole."""
        first = known[0]
        if all(each == first for each in known):
            return first
        found = self._polynomial(tuple(known))
        value = None if found is None else _value(*found, size)
        if value is None or value.denominator != 1:
            raise ValueError(f"no polynomial gives a whole number at {size} for {known} at {self._sizes}")
        return int(value)

    def _find(self, known: tuple[int, ...]) -> tuple[Form, tuple[Fraction, ...]] | None:
        for form, weights in self._forms:
            factors = tuple(sum((w * y for w, y in zip(row, known, strict=False)), Fraction(0)) for row in weights)
            if all(_value(form, factors, size) == number for size, number in zip(self._sizes, known, strict=True)):
                return form, factors
        return None


def _power(term: Term, size: Size) -> int:
    product = 1
    for side, exponent in zip(size, term, strict=True):
        product *= side**exponent
    return product


def _value(form: Form, factors: Sequence[Fraction], size: Size) -> Fraction:
    return sum((f * _power(term, size) for f, term in zip(factors, form, strict=True)), Fraction(0))


def _weights(form: Form, sizes: Sequence[Size]) -> list[list[Fraction]] | None:
    """The matrix that gives a polynomial's factors for its numbers at the first sizes; None if they do not fix it."""
    count = len(form)
    if len(sizes) < count:
        return None
    rows = [
        [Fraction(_power(term, size)) for term in form] + [Fraction(int(at == other)) for other in range(count)]
        for at, size in enumerate(sizes[:count])
    ]
    for at in range(count):  # Gauss and Jordan's elimination
        pivot = next((row for row in range(at, count) if rows[row][at]), None)
        if pivot is None:
            return None
        rows[at], rows[pivot] = rows[pivot], rows[at]
        rows[at] = [each / rows[at][at] for each in rows[at]]
        for row in range(count):
            if row != at:
                rows[row] = [a - rows[row][at] * b for a, b in zip(rows[row], rows[at], strict=True)]
    return [row[count:] for row in rows]
