"""The command in this process: its arguments from keywords, its ends as exceptions, its tables as frames."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sys
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, Union

from . import _netkv

PathLike = Union[str, "os.PathLike[str]"]
Value = Union[str, int, float, bool, "list[Any]"]


class Error(Exception):
    """A command did not do what it was asked for. ``code`` is the exit code that the program would have ended with."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class UsageError(Error, ValueError):
    """The arguments make no sense (exit code 64)."""


class InputError(Error, ValueError):
    """An experiment file, a trace or a result makes no sense (65): every error, with file, line and key."""


class Bug(Error, RuntimeError):
    """netkv is wrong, not its user (70)."""


class MachineError(Error, OSError):
    """The machine refused (73, 75): no permission, a full disk, no thread."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message, code)

    def __str__(self) -> str:
        return str(self.args[0])


class CommandFailed(Error):
    """The command did what it could, and it came out badly: cells are missing (3), or came out otherwise (4)."""


class CellsFailed(UserWarning):
    """Some cells of a run failed. Their rows in the table of cells say why, in the column ``error``."""


_KINDS: dict[int, type[Error]] = {64: UsageError, 65: InputError, 70: Bug, 73: MachineError, 75: MachineError}


def _hear(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _silence(_: str) -> None:
    pass


def _call(arguments: list[str], quiet: bool) -> tuple[int, str, list[str]]:
    code, error, output, folders = _netkv.call(arguments, _silence if quiet else _hear)
    if error is not None:
        raise _KINDS.get(code, Error)(error, code)
    return code, output, [os.fspath(folder) for folder in folders]


def command(*arguments: PathLike | int | float, quiet: bool = False) -> str:
    """Run any netkv command in this process, and return what it prints.

    ``netkv.command("plan", "load.toml", "--json")`` is ``netkv plan load.toml --json``; ``netkv.command("--help")`` lists all.
    Messages go to ``sys.stderr`` unless ``quiet``.

    Raises ``UsageError``, ``InputError``, ``MachineError`` or ``Bug`` with the program's own words; ``CommandFailed`` if cells
    are missing or came out otherwise; ``KeyboardInterrupt`` on Ctrl-C, after cells under way have ended. Failed cells warn
    (``CellsFailed``).
    """
    code, output, _ = _call([os.fspath(one) if not isinstance(one, (int, float)) else str(one) for one in arguments], quiet)
    _check(code, output)
    return output


def _check(code: int, output: str) -> None:
    if code == 1:
        warnings.warn("some cells failed: the column error of cells.parquet says why", CellsFailed, stacklevel=3)
    elif code == 130:
        raise KeyboardInterrupt
    elif code != 0:
        raise CommandFailed(output.strip() or f"the command ended with exit code {code}", code)


#: A string that the command takes for one without quotes, as people write it.
_WORD = re.compile(r"(?!(true|false|inf|nan)$)[A-Za-z_][A-Za-z0-9_./:-]*")


def _toml(value: Value) -> str:
    """A value as TOML has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, (int, float)):
        return repr(value)
    raise UsageError(f"{value!r} is no string, number, truth value or list of them", 64)


def _setting(value: Value) -> str:
    """The same as people give it to the command: a word stands without quotes."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else _toml(value)


def _settings(pairs: Mapping[str, Value] | None) -> list[tuple[str, str]]:
    return [(key, _setting(value)) for key, value in (pairs or {}).items()]


def _filters(pairs: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    filters: list[tuple[str, str]] = []
    for key, value in (pairs or {}).items():
        values = [value] if isinstance(value, (str, bool, int, float)) else list(value)
        filters += [(key, one if isinstance(one, str) else _toml(one)) for one in values]
    return filters


def run(
    experiment: PathLike,
    *,
    seeds: int | None = None,
    set: Mapping[str, Value] | None = None,
    filter: Mapping[str, Value | Iterable[Value]] | None = None,
    quick: bool = False,
    out: PathLike | None = None,
    jobs: int | None = None,
    max_cell_s: float | None = None,
    stand_in: bool = False,
    quiet: bool = False,
    answer: bool = False,
    table: Literal["cells", "summary", "requests", "provenance"] = "cells",
    frame: Literal["auto", "polars", "pandas", "path"] = "auto",
) -> Any:
    """Run the cells of an experiment that are missing or failed, and return a table of its results.

    experiment
        The experiment file. Results go to a folder of its name in ``out``, as those of the command do; the same call twice
        runs nothing the second time.
    seeds, set, filter, quick, out, jobs, max_cell_s, stand_in
        The options of ``netkv run``: ``set={"fabric.nic_gbps": 200}``, ``filter={"policy.name": ["netkv", "round_robin"]}``.
    quiet
        No messages on ``sys.stderr``.
    answer
        Print the answer (what pays where) as the command does.
    table
        Which table: a row for each cell, or for each grid point and metric (``summary``), or each request.
    frame
        ``"polars"``, ``"pandas"``, or ``"path"`` for the path of the parquet file; ``"auto"`` is polars where that is
        installed, else pandas, else the path.

    Raises ``InputError`` and others as ``command`` does. Ctrl-C loses no finished cell: the same call goes on from there.
    """
    if frame not in ("auto", "polars", "pandas", "path"):
        raise UsageError(f"frame is {frame!r}: expected auto, polars, pandas or path", 64)
    tables = ("cells", "summary", "requests", "provenance")
    if table not in tables:
        raise UsageError(f"table is {table!r}: expected {', '.join(tables)}", 64)
    frame = _available(frame)
    arguments = ["run"]
    arguments += [f"--set={key}={value}" for key, value in _settings(set)]
    arguments += [f"--filter={key}={value}" for key, value in _filters(filter)]
    options = [("--seeds", seeds), ("--out", out), ("--jobs", jobs), ("--max-cell-s", max_cell_s)]
    for option, value in options:
        if value is not None:
            arguments.append(f"{option}={os.fspath(value) if not isinstance(value, (int, float)) else value}")
    arguments += [name for name, is_on in (("--quick", quick), ("--stand-in", stand_in), ("--quiet", quiet)) if is_on]
    code, output, folders = _call([*arguments, "--", os.fspath(experiment)], quiet)
    _check(code, output)
    if answer:
        print(output, end="")
    path = Path(folders[0]) / f"{table}.parquet"
    if not path.exists():
        hint = ': it is written if the experiment has measure.record = "requests"' if table == "requests" else ""
        raise UsageError(f"{path} is not there{hint}", 64)
    return _read(path, frame)


def _available(frame: str) -> str:
    """Which frame there will be: known before hours of simulation."""
    has = {name: importlib.util.find_spec(name) is not None for name in ("polars", "pandas", "pyarrow")}
    if frame == "auto":
        return "polars" if has["polars"] else "pandas" if has["pandas"] and has["pyarrow"] else "path"
    needed = {"polars": ["polars"], "pandas": ["pandas", "pyarrow"], "path": []}[frame]
    missing = [name for name in needed if not has[name]]
    if missing:
        raise UsageError(f"frame={frame!r} needs {' and '.join(missing)}: pip install 'netkv[{frame}]'", 64)
    return frame


def _read(path: Path, frame: str) -> Any:
    if frame == "polars":
        import polars

        return polars.read_parquet(path)
    if frame == "pandas":
        import pandas

        return pandas.read_parquet(path)
    return path


def _main() -> None:
    """The program ``netkv``."""
    sys.exit(_netkv.main(["netkv", *sys.argv[1:]]))
