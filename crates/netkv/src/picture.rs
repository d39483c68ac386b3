//! Pictures, of the kind that their file's name asks for.

use crate::failure::{Blame, Failure};
use crate::output::write_file;
use netkv_figures::png;
use std::ffi::OsStr;
use std::path::Path;

/// Kinds of pictures.
enum Picture {
    Svg,
    Png,
}

/// Refuses a file that `option` names if its name asks for no kind of picture.
pub fn check_picture(option: &str, path: &Path) -> Result<(), Failure> {
    kind(option, path).map(|_| ())
}

/// Writes a picture to the file that `option` names.
pub fn write_picture(option: &str, path: &Path, svg: &str) -> Result<(), Failure> {
    match kind(option, path)? {
        Picture::Svg => write_file(path, svg.as_bytes()),
        // What was drawn can be read back: if not, that is a bug.
        Picture::Png => write_file(path, &png(svg).map_err(|error| Failure::new(Blame::Bug, error))?),
    }
}

fn kind(option: &str, path: &Path) -> Result<Picture, Failure> {
    match path.extension().and_then(OsStr::to_str) {
        Some("svg") => Ok(Picture::Svg),
        Some("png") => Ok(Picture::Png),
        Some(_) | None => Err(Failure::usage(format_args!("{option} {} must end in .png or .svg", path.display()))),
    }
}
