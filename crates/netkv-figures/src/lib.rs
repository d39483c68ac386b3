//! netkv-figures
