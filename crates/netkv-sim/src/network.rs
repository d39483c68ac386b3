//! What moves: the cluster on its fabric, KV caches on their way, the traffic of others.

pub(crate) mod cluster;
pub(crate) mod layerwise;
pub(crate) mod others;
pub(crate) mod transfers;
pub(crate) mod zones;
