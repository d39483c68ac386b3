"""That the libraries people use can use the tables: read, filter, sort, group, join, write as CSV.

    python -m unittest discover -s notebooks

Reads every results/*/*.parquet, and results/quick/*/*.parquet where that is."""

import contextlib
import functools
import io
import os
import re
import unittest
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.dataset
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parent.parent
KINDS = ("cells", "summary", "requests", "links", "provenance")
FORMAT = b"2"
# The columns that a table of cells has beside its axes and before its metrics.
BEFORE_AXES, AFTER_AXES = "seed", "trace_origin"


def tables(*kinds):
    """The tables of these kinds, committed ones and those of a reduced run."""
    found = [path for folder in ("results", "results/quick") for path in sorted((ROOT / folder).glob("*/*.parquet"))]
    return [path for path in found if path.stem in kinds]


def axes(cells):
    """The axes of a table of cells."""
    names = cells.schema.names
    return names[names.index(BEFORE_AXES) + 1 : names.index(AFTER_AXES)]


def words(table):
    """The columns of words."""
    return [field.name for field in table.schema if pa.types.is_string(field.type)]


def for_each(*kinds):
    """Makes a test of one table a test of all tables of these kinds."""

    def of_all(test):
        @functools.wraps(test)
        def run(self):
            found = tables(*kinds)
            self.assertTrue(found, "there are tables")
            for path in found:
                with self.subTest(path=str(path.relative_to(ROOT))):
                    test(self, path)

        return run

    return of_all


class Tables(unittest.TestCase):
    @for_each(*KINDS)
    def test_the_schema_is_plain_and_says_what_columns_are(self, path):
        schema = pq.read_schema(path)
        for field in schema:
            self.assertIn(field.type, (pa.string(), pa.int64(), pa.float64(), pa.bool_()), field)
            self.assertTrue(field.metadata[b"unit"] and field.metadata[b"meaning"], field)
        if path.stem != "provenance":
            self.assertEqual(schema.metadata[b"results_format"], FORMAT)
            self.assertIn(AFTER_AXES, schema.names)
        if path.stem == "cells":
            about = {b"unit": b"ns", b"meaning": b"time to first token, mean"}
            self.assertEqual(schema.field("ttft_mean_ns").metadata, about)

    @for_each(*KINDS)
    def test_all_read_the_same(self, path):
        arrow = pq.read_table(path)
        self.assertEqual(pd.read_parquet(path).shape, arrow.shape)
        self.assertEqual(duckdb.read_parquet(str(path)).shape, arrow.shape)
        self.assertTrue(pl.read_parquet(path).equals(pl.from_arrow(arrow)))

    @for_each("cells", "summary", "requests", "links")
    def test_pandas_filters_groups_and_writes_csv(self, path):
        everything = pd.read_parquet(path)
        for column in words(pq.read_table(path)):
            for value in everything[column].dropna().unique()[:3]:
                kept = pd.read_parquet(path, filters=[(column, "==", value)])
                self.assertEqual(len(kept), (everything[column] == value).sum())
                among = pd.read_parquet(path, filters=[(column, "in", [value])], dtype_backend="pyarrow")
                self.assertEqual(len(among), len(kept))
                self.assertEqual((among[column] == value).sum(), len(kept))
        counted = everything.groupby(AFTER_AXES).size()
        self.assertEqual(counted.sum(), len(everything))
        back = pd.read_csv(io.StringIO(everything.to_csv(index=False)), keep_default_na=False, na_values=[""])
        self.assertEqual((list(back.columns), len(back)), (list(everything.columns), len(everything)))

    @for_each("cells", "summary", "requests", "links")
    def test_pyarrow_filters_sorts_groups_and_writes_csv(self, path):
        table = pq.read_table(path)
        for column in words(table):
            for value in table[column].drop_null().unique().to_pylist()[:3]:
                kept = table.filter(pc.field(column) == value)
                self.assertEqual(set(kept[column].to_pylist()), {value})
                self.assertEqual(table.filter(pc.is_in(table[column], pa.array([value]))), kept)
                pushed_down = pyarrow.dataset.dataset(path).to_table(filter=pc.field(column).isin([value]))
                self.assertEqual(pushed_down, kept)
            ordered = table.sort_by(column)[column].drop_null().to_pylist()
            self.assertEqual(ordered, sorted(ordered))
            groups = table.group_by(column).aggregate([(table.schema.names[0], "count")])
            self.assertEqual(groups.num_rows, len(table[column].unique()))
        text = io.BytesIO()
        pyarrow.csv.write_csv(table, text)
        # A message of a failed cell may have line breaks.
        self.assertGreaterEqual(text.getvalue().count(b"\n"), table.num_rows + 1)

    @for_each("cells")
    def test_cells_join_their_summary_everywhere(self, path):
        cells, summary = pq.read_table(path), pq.read_table(path.with_name("summary.parquet"))
        keys = axes(cells) + [AFTER_AXES]
        done = cells.filter(pc.field("ttft_mean_ns").is_valid())
        mean = summary.filter((pc.field("metric") == "ttft_mean_ns") & pc.field("mean").is_valid())
        joined = done.select(keys + ["ttft_mean_ns"]).join(mean.select(keys + ["mean", "n"]), keys=keys)
        self.assertEqual((joined.num_rows, joined["mean"].null_count), (done.num_rows, 0))
        points = joined.group_by(keys).aggregate([("ttft_mean_ns", "mean"), ("mean", "min"), ("n", "min")])
        self.assertEqual(points.num_rows, mean.num_rows)
        for ours, theirs in zip(points["ttft_mean_ns_mean"].to_pylist(), points["mean_min"].to_pylist()):
            self.assertAlmostEqual(ours / theirs, 1, places=9)

        on = ", ".join(f'"{key}"' for key in keys)
        (count, worst), = duckdb.sql(f"""
            SELECT count(*), max(abs(own / mean - 1)) FROM (
                SELECT {on}, avg(ttft_mean_ns) AS own FROM '{path}' WHERE status = 'done' GROUP BY {on})
            JOIN '{path.with_name("summary.parquet")}' USING ({on}) WHERE metric = 'ttft_mean_ns' AND n > 0
        """).fetchall()
        self.assertEqual(count, mean.num_rows)
        self.assertLess(worst, 1e-9)

        own = pl.scan_parquet(path).filter(status="done").group_by(keys).agg(pl.col("ttft_mean_ns").mean().alias("own"))
        theirs = pl.scan_parquet(path.with_name("summary.parquet")).filter(pl.col("n") > 0, metric="ttft_mean_ns")
        both = own.join(theirs, on=keys).select(off=(pl.col("own") / pl.col("mean") - 1).abs()).collect()
        self.assertEqual(both.height, mean.num_rows)
        self.assertLess(both["off"].max(), 1e-9)

        frames = pd.read_parquet(path, columns=keys).merge(mean.select(keys + ["mean"]).to_pandas(), on=keys)
        self.assertGreaterEqual(len(frames), done.num_rows)

    def test_the_page_about_results_runs(self):
        page = (ROOT / "docs/results.md").read_text()
        blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
        self.assertEqual(len(blocks), 4)
        before = os.getcwd()
        os.chdir(ROOT)
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                for block in blocks:
                    exec(compile(block, "docs/results.md", "exec"), {})
        finally:
            os.chdir(before)


if __name__ == "__main__":
    unittest.main()
