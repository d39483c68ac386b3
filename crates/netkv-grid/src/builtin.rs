//! Experiment files that are part of the program, so that `extends = "builtin:base"` works wherever netkv is installed.

use std::path::{Path, PathBuf};

/// What a name of such a file begins with.
const PREFIX: &str = "builtin:";

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        /// Names, as in the project's folder of experiments, and texts.
        const FILES: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../../experiments/", $name)))),*];
    };
}

files![
    "base.toml",
    "profiles/deepseek-v3-fp8-h200-tp8.toml",
    "profiles/llama-2-70b-fp16-h100-tp4.toml",
    "profiles/llama-3.1-70b-bf16-h100-tp4.toml",
    "profiles/llama-3.1-70b-bf16-h100-tp8.toml",
    "profiles/llama-3.1-70b-fp8-h100-tp4.toml",
    "profiles/llama-3.1-70b-fp8-h100-tp8.toml",
    "profiles/llama-3.1-8b-bf16-h100-tp1.toml",
    "regimes/apart.toml",
    "regimes/base.toml",
    "regimes/congested.toml",
    "regimes/null.toml",
    "regimes/unequal.toml",
];

/// The path of a file that is named so ("builtin:base", "builtin:regimes/null.toml"); none of another name.
pub(crate) fn path(name: &str) -> Option<PathBuf> {
    let name = name.strip_prefix(PREFIX)?;
    let file = if name.ends_with(".toml") { name.to_owned() } else { format!("{name}.toml") };
    Some(Path::new(PREFIX).join(file))
}

/// The text of a file with such a path: none if the path is another one; an error names those there are.
pub(crate) fn text(path: &Path) -> Option<Result<String, String>> {
    let name = path.strip_prefix(PREFIX).ok()?;
    let found = FILES.iter().find(|(known, _)| Path::new(known) == name);
    Some(found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| {
        let names = FILES.iter().map(|(known, _)| known.trim_end_matches(".toml"));
        let names: Vec<String> = names.map(|name| format!("{PREFIX}{name}")).collect();
        format!("there is no such file in netkv; there are {}", names.join(", "))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builtin_files_have_paths_that_others_are_found_beside() {
        assert_eq!(path("builtin:base"), Some(PathBuf::from("builtin:/base.toml")));
        assert_eq!(path("builtin:regimes/null.toml"), Some(PathBuf::from("builtin:/regimes/null.toml")));
        assert_eq!(path("base.toml"), None);
        assert!(text(Path::new("builtin:/base.toml")).expect("it is one").is_ok_and(|text| text.contains("[cluster]")));
        let error = text(Path::new("builtin:/bse.toml")).expect("it would be one").expect_err("there is none");
        assert!(error.contains("builtin:base, ") && error.contains("builtin:regimes/null"), "{error}");
        assert_eq!(text(Path::new("base.toml")), None);
    }
}
