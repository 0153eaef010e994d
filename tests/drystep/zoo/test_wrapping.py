"""Long lines of made code."""

import ast

from drystep.zoo.wrapping import LINE_LENGTH, wrapped


def _call(arguments: int, name: str = "argument") -> str:
    return f"    made = call({', '.join(f'{name}{number}={number}' for number in range(arguments))})"


def test_short_lines_stay() -> None:
    assert wrapped(_call(3)) == [_call(3)]


def test_arguments_that_fit_have_one_line() -> None:
    line = _call(10, "argume")
    assert len(line) > LINE_LENGTH
    first, body, last = wrapped(line)
    assert (first, last) == ("    made = call(", "    )")
    assert body == "        " + line[len(first) : -1]


def test_many_arguments_have_a_line_each() -> None:
    lines = wrapped(_call(20))
    assert lines[1] == "        argument0=0,"
    assert len(lines) == 22


def test_brackets_and_texts_within_arguments_stay_together() -> None:
    inner = ", ".join(f'"name, {number}"' for number in range(8))
    lines = wrapped(f"x = call(first=[{inner}], second=(1, 2), third={'c' * 60})")
    assert lines == ["x = call(", f"    first=[{inner}],", "    second=(1, 2),", f"    third={'c' * 60},", ")"]


def test_a_loop_over_a_long_list() -> None:
    names = ", ".join(f'"encoder.layers.{number}"' for number in range(12))
    lines = wrapped(f"for block in [{names}]:")
    assert (lines[0], lines[-1], len(lines)) == ("for block in [", "]:", 14)


def test_nothing_is_lost() -> None:
    long = ", ".join(f'"layer.{number}.with.a.long.path"' for number in range(30))
    line = f'config = Config(rank=8, targets=[{long}], kind={{"a": (1, 2)}})'
    lines = wrapped(line)
    assert max(map(len, lines)) <= LINE_LENGTH
    assert ast.dump(ast.parse("\n".join(lines))) == ast.dump(ast.parse(line))


def test_a_line_that_cannot_be_broken_stays() -> None:
    line = f"{'name' * 40} = 1"
    assert wrapped(line) == [line]
