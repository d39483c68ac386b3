//! `netkv schema`: the columns of the result tables.

use crate::args::SchemaArgs;
use crate::failure::{Ending, Failure};
use crate::output::print;
use netkv_frames::schema as columns;

/// Prints every column of every table.
pub fn schema(args: &SchemaArgs) -> Result<Ending, Failure> {
    let text = if args.json { json() } else { words() };
    print(&text)?;
    Ok(Ending::Done)
}

fn json() -> String {
    let rows: Vec<_> = columns()
        .into_iter()
        .map(|column| {
            serde_json::json!({
                "table": column.table,
                "name": column.name,
                "type": column.kind,
                "unit": column.unit,
                "meaning": column.meaning,
            })
        })
        .collect();
    format!("{}\n", serde_json::to_string_pretty(&rows).expect("columns have string keys"))
}

fn words() -> String {
    let mut text = String::new();
    let mut table = "";
    for column in columns() {
        if column.table != table {
            table = column.table;
            text.push_str(&format!("{}{table}.parquet\n", if text.is_empty() { "" } else { "\n" }));
        }
        let line = format!("  {:28} {:8} {:14} {}", column.name, column.kind, column.unit, column.meaning);
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
