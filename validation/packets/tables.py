"""Tables that read well on a terminal and are Markdown too, and what is said of errors."""

import math

import engines


def table(rows):
    """A table that reads well on a terminal and is Markdown too."""
    widths = [max(len(line[column]) for line in rows) for column in range(len(rows[0]))]

    def line(cells):
        padded = [cells[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:]))]
        return "| " + " | ".join(padded) + " |"

    rulers = ["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])]
    return "\n".join([line(rows[0]), "|" + "|".join(rulers) + "|", *map(line, rows[1:])])


def summary(found):
    """Median with its sign, the 95th percentile and the largest of the sizes."""
    sizes = [abs(error) for error in found]
    worst = max(sizes)
    shown = [engines.median(found), engines.quantile(sizes, 0.95), worst]
    return [f"{shown[0]:+.2f}", *("never" if math.isinf(value) else f"{value:.2f}" for value in shown[1:])]
