//! netkv-workload
#[derive(Debug)]
pub struct Workload;
