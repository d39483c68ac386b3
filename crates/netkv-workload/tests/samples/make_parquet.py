"""Writes the parquet samples beside it: `python make_parquet.py`, with pyarrow. What is in them is counted by hand in the tests."""

import csv
import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).parent

# Six requests: the third has no prompt, the fifth is out of order. Nested columns stand before and between the others.
SIX = pa.table(
    {
        "tags": pa.array([["a", "b"], [], None, ["c"], ["d"], []], pa.list_(pa.string())),
        "at": pa.array([1000, 1250, 1250, 4000, 3000, 9000], pa.int64()),
        "meta": pa.array([{"a": i, "b": [i, i]} for i in range(6)], pa.struct({"a": pa.int64(), "b": pa.list_(pa.int32())})),
        "in": pa.array([100, 200, 0, 400, 500, 600], pa.uint16()),
        "out": pa.array([10.0, 20.0, 30.0, 40.0, 50.0, 60.0], pa.float64()),
    }
)

WAYS = {
    "six_snappy": dict(compression="snappy", row_group_size=4),
    "six_zstd_v2": dict(compression="zstd", data_page_version="2.0", row_group_size=4),
    "six_gzip_plain": dict(compression="gzip", use_dictionary=False),
    "six_gzip_plain_v2": dict(compression="gzip", use_dictionary=False, data_page_version="2.0"),
    "six_plain": dict(compression="none", use_dictionary=False),
    "six_required": dict(compression="snappy"),
    "six_lz4": dict(compression="lz4"),
}


def cells() -> pa.Table:
    """One column of each type that is read, with two rows that mean the same in all, and some that are refused."""
    when = [datetime.datetime(2024, 5, 10, 0, 0, 1, 500000), datetime.datetime(2024, 5, 10, 0, 0, 3)]
    at = [1_715_299_201_500, 1_715_299_203_000]
    columns = {
        "ms": pa.array(when, pa.timestamp("ms")),
        "us_utc": pa.array(when, pa.timestamp("us", "UTC")),
        "ns": pa.array(when, pa.timestamp("ns")),
        "us_paris": pa.array(when, pa.timestamp("us", "Europe/Paris")),
        "texts": [str(time) for time in when],
        "day": pa.array([time.date() for time in when], pa.date32()),
        "int_ms": pa.array(at, pa.int64()),
        "float_s": [ms / 1000 for ms in at],
        "text_ms": [f" {ms}" for ms in at],
    }
    for name in ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64"]:
        columns[name] = pa.array([3, 100], getattr(pa, name)())
    columns["text"] = ["3", "100.0"]
    columns["null"] = pa.array([3, None], pa.int64())
    columns["nan"] = [3.0, float("nan")]
    columns["half"] = [3.0, 2.5]
    columns["negative"] = pa.array([-3, 100], pa.int32())
    columns["huge"] = pa.array([3, 2**64 - 1], pa.uint64())
    columns["many"] = pa.array([3, 10_000_001], pa.uint32())
    columns["bool"] = [True, False]
    columns["decimal"] = pa.array([3, 100], pa.decimal128(9, 2))
    columns["nat"] = pa.array([when[0], None], pa.timestamp("us"))
    return pa.table(columns)


def thousand() -> pa.Table:
    rows = range(1000)
    return pa.table(
        {
            "at": pa.array([37 * i + i % 7 for i in rows], pa.int64()),
            "in": pa.array([1 + i * 7919 % 500 for i in rows], pa.int32()),
            "out": pa.array([1 + i // 100 for i in rows], pa.int64()),
        }
    )


def azure() -> pa.Table:
    with open(HERE / "azure_2023.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    whole = [int(datetime.datetime.fromisoformat(row["TIMESTAMP"][:19] + "+00:00").timestamp()) for row in rows]
    ns = [10**9 * s + 100 * int(row["TIMESTAMP"][20:]) for s, row in zip(whole, rows)]
    tokens = {name: pa.array([int(row[name]) for row in rows]) for name in ["ContextTokens", "GeneratedTokens"]}
    return pa.table({"TIMESTAMP": pa.array(ns, pa.timestamp("ns")), **tokens})


def write(name: str, table: pa.Table, **how) -> None:
    pq.write_table(table, HERE / f"{name}.parquet", store_schema=False, **how)


for name, how in WAYS.items():
    table = SIX
    if name == "six_required":
        table = table.cast(pa.schema([field.with_nullable(False) if field.name in ("at", "in", "out") else field for field in table.schema]))
    write(name, table, **how)
write("cells", cells())
small = dict(data_page_size=512, write_batch_size=100, row_group_size=400)
write("thousand_dictionary", thousand(), compression="zstd", **small)
deltas = dict.fromkeys(["at", "in", "out"], "DELTA_BINARY_PACKED")
write("thousand_deltas", thousand(), use_dictionary=False, column_encoding=deltas, data_page_version="2.0", **small)
split = dict.fromkeys(["at", "in", "out"], "BYTE_STREAM_SPLIT")
write("thousand_split", thousand(), use_dictionary=False, column_encoding=split, compression="gzip", **small)
write("azure_2023", azure())
write("old_stamps", cells().select(["us_utc", "int32", "int64"]), use_deprecated_int96_timestamps=True)
