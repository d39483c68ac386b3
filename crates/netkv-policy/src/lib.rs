//! netkv-policy
