"""The committed tables of what transfers took in packets and in the kernel's TCP (recorded/), one transfer a line, so that
models can be fitted, judged and drawn without ns-3 and without root. Which versions they are of stands in their first line."""

import csv
import io
from pathlib import Path

from engines import Unavailable

FOLDER = Path(__file__).resolve().parent / "recorded"
FAMILIES, TCP, LEAGUE = "families.csv", "tcp.csv", "league.csv"
COLUMNS = {
    FAMILIES: ["case", "transfer", "seconds"],
    TCP: ["case", "repeat", "transfer", "seconds"],
    LEAGUE: ["seed", "policy", "request", "counted", "rest_s", "fluid_s", "seconds"],
}


def write(name, version, rows):
    """Writes a table anew: `version` of what moved the bytes, rows of the table's columns."""
    FOLDER.mkdir(exist_ok=True)
    text = io.StringIO()
    text.write(f"# {version}\n")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS[name])
    writer.writerows(rows)
    (FOLDER / name).write_text(text.getvalue(), encoding="utf-8")


def read(name):
    """The version and the rows of a table, a dictionary each."""
    try:
        lines = (FOLDER / name).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise Unavailable(f"{FOLDER / name}: {error.strerror}; study.py --record and league.py --record write it") from error
    rows = list(csv.DictReader(lines[1:]))
    if not lines[0].startswith("# ") or not rows or list(rows[0]) != COLUMNS[name]:
        raise Unavailable(f"{FOLDER / name}: columns are not {', '.join(COLUMNS[name])} after a line with the version")
    return lines[0][2:], rows


def by_case(name):
    """By case, the seconds of its transfers in order; of several repeats one after the other."""
    cases = {}
    for row in read(name)[1]:
        cases.setdefault(row["case"], []).append(float(row["seconds"]))
    return cases
