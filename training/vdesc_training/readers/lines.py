"""Reading text: lines, rows of CSV, JSON; plain or gzipped, with or without a BOM. A bad line never stops the rest."""

import csv
import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from vdesc.errors import InputError

from ..report import Report

T = TypeVar("T")
BOM, WIDE = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")
DELIMITERS = ",;|\t"
MALFORMED = "malformed row"


def lines(path: Path, report: Report) -> Iterator[str]:
    """The lines of a UTF-8 text, with their ends; one that is not UTF-8 is rejected. Raises `InputError`."""
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    try:
        with opened(path, "rb") as file:
            for number, line in enumerate(file, 1):
                if number == 1 and line.startswith(WIDE):
                    raise InputError(f"{path} is UTF-16: save it as UTF-8")
                try:
                    yield (line.removeprefix(BOM) if number == 1 else line).decode()
                except UnicodeDecodeError:
                    report.reject("not UTF-8", f"{path.name}:{number}")
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"cannot read {path}: {error}; get the whole file") from error


def read_json(path: Path) -> Any:
    """What a JSON file holds. Raises `InputError`."""
    try:
        data = path.read_bytes()
        return json.loads((gzip.decompress(data) if path.suffix.lower() == ".gz" else data).decode("utf-8-sig"))
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise InputError(f"{path} is no JSON or is damaged: {error}") from error


def rows(path: Path, report: Report, *wanted: tuple[str, ...]) -> Iterator[tuple[str, dict[str, str]]]:
    """Each row's place (`file:line`) and its cells by column name, in lower case and stripped.

    The delimiter is whichever of comma, semicolon, bar and tab divides the first line into columns of which there is
    one of each set of `wanted` names. Quotes mean something only with commas and semicolons (Flickr30k's bars and
    tabs stand between bare words).

    Raises:
        InputError: no delimiter does; the sentence names the columns that there are.
    """
    text = lines(path, report)
    delimiter, columns = _header(path, next(text, ""), wanted)
    quoted = delimiter in ",;"
    reader = (
        csv.reader(text, delimiter=delimiter, strict=True)
        if quoted
        else csv.reader(text, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    )
    while True:
        try:
            cells, fault = next(reader), False
        except StopIteration:
            return
        except csv.Error:
            cells, fault = [], True
        place = f"{path.name}:{reader.line_num + 1}"
        if fault or (cells and len(cells) != len(columns)):
            report.reject(MALFORMED, place)
        elif cells:
            yield place, dict(zip(columns, map(str.strip, cells), strict=True))


def _header(path: Path, line: str, wanted: tuple[tuple[str, ...], ...]) -> tuple[str, list[str]]:
    most: list[str] = []
    for delimiter in DELIMITERS:
        columns = [column.strip().strip('"').lower() for column in line.split(delimiter)]
        if all(set(names) & set(columns) for names in wanted):
            return delimiter, columns
        most = max(most, columns, key=len)
    needs = " and ".join(" / ".join(names) for names in wanted)
    raise InputError(
        f"{path} has the columns {', '.join(map(repr, most))}: it needs {needs} in its first line, "
        "divided by commas, semicolons, bars or tabs"
    )


def parsed(records: Iterable[Any], parse: Callable[[Any], T], report: Report, what: str) -> Iterator[T]:
    """What `parse` makes of each record; one that it cannot read is rejected, with its number counted from 1."""
    for number, record in enumerate(records, 1):
        try:
            yield parse(record)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError):
            report.reject(MALFORMED, f"{what}:{number}")
