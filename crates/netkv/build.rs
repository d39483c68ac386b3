//! Tells the binary from which commit and with which compiler it was built. Both go to provenance, never to a result.

use std::process::Command;

/// The first line that a command prints, or "unknown".
fn ask(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().ok().filter(|output| output.status.success());
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.unwrap_or_else(|| "unknown".to_owned())
}

fn main() {
    let compiler = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    println!("cargo:rustc-env=NETKV_RUSTC={}", ask(&compiler, &["--version"]));
    println!("cargo:rustc-env=NETKV_COMMIT={}", ask("git", &["rev-parse", "--short=12", "HEAD"]));
    println!("cargo:rerun-if-changed=build.rs");
    // The index changes with every commit and every checkout.
    for path in ["HEAD", "index"].map(|name| ask("git", &["rev-parse", "--git-path", name])) {
        if path != "unknown" {
            println!("cargo:rerun-if-changed={path}");
        }
    }
}
