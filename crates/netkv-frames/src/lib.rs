//! Result tables: one row per cell, per grid point and metric, per request, and per link and
//! window of time; statistics over seeds; parquet.
//!
//! The only crate that knows polars, and it keeps polars to itself: others see a [`Table`]. Statistics are computed
//! here, in a fixed order, and polars only stores tables, so that results do not depend on its version or threads.

mod cells;
mod checked;
mod cost;
mod csv;
mod estimate;
mod frame;
mod links;
mod parquet;
mod place;
mod requests;
mod schema;
mod student;
mod summary;
mod table;
mod transfers;
mod words;

pub use cells::{AxisValue, CellRow, CellStatus, cell_statuses, cells_table};
pub use checked::{MANIFEST, NEXT_MANIFEST};
pub use cost::{priced_cells, priced_summary};
pub use csv::write_csv;
pub use estimate::{Estimate, log_ratios, two_sided_quantile};
pub use links::links_tables;
pub use parquet::{Metadata, Written, merge_tables, read_columns, read_table, read_written, table_of, write_table};
pub use place::CellPlace;
pub use requests::{request_columns, requests_table};
pub use schema::{ColumnDoc, TableKind, schema};
pub use student::{student_t_quantile, two_sided_p};
pub use summary::{SummaryOptions, summary_table};
pub use table::{Column, ColumnData, Table};
pub use transfers::transfers_table;
pub use words::{distinct, same};

/// Version of the tables' layout: a change of columns raises it.
pub const RESULTS_FORMAT: u32 = 2;
