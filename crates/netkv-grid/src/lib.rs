//! netkv-grid
