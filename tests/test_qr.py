from __future__ import annotations

from splatcam.door.qr import BLACK_ON_WHITE, PLAIN, draw, qr_code

LINK = "https://192.168.100.101:8000/?token=abcdefghijklmnopqrstuv"


def bare(drawing: str) -> list[str]:
    return [line.removeprefix(BLACK_ON_WHITE).removesuffix(PLAIN) for line in drawing.split("\n")]


def test_two_rows_of_modules_are_one_line() -> None:
    assert bare(draw([[0, 1, 0, 1], [0, 0, 1, 1], [1, 0, 0, 1]])) == [" ▀▄█", "▀  ▀"]


def test_every_line_says_black_on_white_itself_whatever_the_terminals_colours() -> None:
    lines = qr_code(LINK).split("\n")
    assert all(line.startswith(BLACK_ON_WHITE) and line.endswith(PLAIN) for line in lines)


def test_the_code_of_a_long_link_fits_a_terminal_and_has_its_white_border() -> None:
    lines = bare(qr_code(LINK))
    assert len(lines) <= 23 and {len(line) for line in lines} == {len(lines[0])} and len(lines[0]) <= 80
    assert lines[0] == lines[1] == " " * len(lines[0])
    assert all(line.startswith("    ") and line.endswith("    ") for line in lines)
