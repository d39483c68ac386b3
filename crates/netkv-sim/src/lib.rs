//! netkv-sim
