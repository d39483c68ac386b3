//! netkv-frames
