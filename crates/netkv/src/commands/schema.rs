//! `netkv schema`: the columns of the result tables.

use crate::args::SchemaArgs;
use crate::failure::{Ending, Failure};
use crate::output::print;
use netkv_frames::{TableKind, schema as columns};

/// The page about results, with a place for the columns of each table.
const PAGE: &str = include_str!("results.md");

/// Prints every column of every table.
pub fn schema(args: &SchemaArgs) -> Result<Ending, Failure> {
    let text = match (args.json, args.markdown) {
        (true, _) => json(),
        (false, true) => page(),
        (false, false) => words(),
    };
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

/// The page about results: `docs/results.md`.
fn page() -> String {
    TableKind::ALL.into_iter().fold(PAGE.to_owned(), |page, kind| {
        let mut rows = "| column | type | unit | meaning |\n|---|---|---|---|".to_owned();
        for column in columns().into_iter().filter(|column| column.table == kind.name()) {
            let (name, kind, unit, meaning) = (column.name, column.kind, column.unit, column.meaning);
            rows.push_str(&format!("\n| `{name}` | {kind} | {unit} | {meaning} |"));
        }
        page.replace(&format!("{{{{{}}}}}", kind.name()), &rows)
    })
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
