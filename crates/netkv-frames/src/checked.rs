//! Files of tables, held against the checksums in the manifest beside them: one flipped bit can be another figure.
//!
//! While tables are replaced, the manifest that they will have stands beside the cells; a table of either manifest is
//! whole. A table that no manifest names is taken as it is.

use anyhow::{Result, ensure};
use netkv_units::sha256_hex;
use std::fs;
use std::path::Path;
use toml::{Table, Value};

/// The manifest of a folder of tables.
pub const MANIFEST: &str = "manifest.toml";

/// Where it stands until all of its tables do, as seen from their folder.
pub const NEXT_MANIFEST: &str = "cells/manifest.toml";

/// The bytes of a table.
///
/// # Errors
/// If it cannot be read, or is not what the manifest beside it describes.
pub(crate) fn read_checked(path: &Path) -> Result<Vec<u8>> {
    read_with_sum(path).map(|(bytes, _)| bytes)
}

/// The same with its checksum; none if no manifest has it.
///
/// # Errors
/// As [`read_checked`].
pub(crate) fn read_with_sum(path: &Path) -> Result<(Vec<u8>, Option<String>)> {
    let bytes = fs::read(path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let manifest = path.with_file_name(MANIFEST);
    let sums: Vec<String> = [manifest.clone(), path.with_file_name(NEXT_MANIFEST)]
        .iter()
        .filter_map(|manifest| sum_in(manifest, &name))
        .collect();
    if sums.is_empty() {
        return Ok((bytes, None));
    }
    let sum = sha256_hex(&bytes);
    ensure!(
        sums.contains(&sum),
        "{} is not the table that {} describes: netkv run writes both anew",
        path.display(),
        manifest.display()
    );
    Ok((bytes, Some(sum)))
}

/// What a manifest says of a file.
fn sum_in(manifest: &Path, name: &str) -> Option<String> {
    let manifest: Table = toml::from_str(&fs::read_to_string(manifest).ok()?).ok()?;
    manifest.get("sha256")?.get(name).and_then(Value::as_str).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_one_of_its_manifest_or_of_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cells.parquet");
        let says = |manifest: &str, content: &[u8]| {
            let text = format!("[sha256]\n\"cells.parquet\" = \"{}\"\n", sha256_hex(content));
            fs::write(folder.path().join(manifest), text).unwrap();
        };
        fs::write(&path, b"new").unwrap();
        assert_eq!(read_checked(&path).unwrap(), b"new", "nobody says what it is");
        says(MANIFEST, b"old");
        let error = read_checked(&path).unwrap_err().to_string();
        assert!(error.contains("cells.parquet is not the table that"), "{error}");
        fs::create_dir(folder.path().join("cells")).unwrap();
        says(NEXT_MANIFEST, b"new");
        assert_eq!(read_checked(&path).unwrap(), b"new");
        fs::write(&path, b"nex").unwrap();
        assert!(read_checked(&path).is_err());
    }
}
