//! Whether tables are those that their manifest describes.

use anyhow::{Context, Result, ensure};
use netkv_units::sha256_hex;
use std::fs;
use std::path::Path;
use toml::{Table, Value};

/// Holds the tables in a folder of results against the checksums in its manifest; one that is not there is left to whoever
/// needs it.
///
/// # Errors
/// If one has another checksum.
pub(crate) fn check(folder: &Path, manifest: &Table) -> Result<()> {
    for (name, sum) in manifest.get("sha256").and_then(Value::as_table).into_iter().flatten() {
        let path = folder.join(name);
        if !path.is_file() {
            continue;
        }
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        ensure!(
            sum.as_str() == Some(&*sha256_hex(&bytes)),
            "{} is not the table that {} describes: netkv run writes both anew",
            path.display(),
            folder.join("manifest.toml").display()
        );
    }
    Ok(())
}
