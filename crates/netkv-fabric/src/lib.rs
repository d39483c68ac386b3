//! netkv-fabric
