//! A cluster in parts: pods of racks of nodes of servers.

use crate::fault::{Fault, listed};

/// A node of the fabric: the servers that NVLink joins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Names.
    pub servers: Vec<String>,
    /// By server: whether it prefills, if that is told.
    pub prefill: Vec<Option<bool>>,
    /// By server: its GPUs.
    pub gpus: Vec<u32>,
}

/// A rack: the nodes on one leaf switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rack {
    /// Its switch.
    pub name: String,
    /// Its nodes.
    pub units: Vec<Unit>,
}

/// A pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Its switch; none if all of the cluster is one pod.
    pub name: Option<String>,
    /// Its racks.
    pub racks: Vec<Rack>,
}

/// A cluster of equal pods, racks and nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// The pods.
    pub pods: Vec<Pod>,
    /// Kind of GPU, if there is one.
    pub product: Option<String>,
    /// What was decided, to be told.
    pub notes: Vec<String>,
}

impl Cluster {
    /// Pods, racks of a pod, nodes of a rack, GPUs of a node.
    pub fn shape(&self) -> [u32; 4] {
        let rack = &self.pods[0].racks[0];
        let gpus = rack.units[0].gpus.iter().sum();
        [self.pods.len() as u32, self.pods[0].racks.len() as u32, rack.units.len() as u32, gpus]
    }

    /// Whether roles are told.
    pub fn has_roles(&self) -> bool {
        self.units().any(|unit| unit.prefill.iter().any(Option::is_some))
    }

    /// The numbers of the instances of `tp` GPUs that prefill.
    ///
    /// # Errors
    /// Instances across servers of both roles.
    pub fn prefill_instances(&self, tp: u32) -> Result<Vec<u32>, Fault> {
        let mut instances = Vec::new();
        let mut number = 0;
        for unit in self.units() {
            let roles: Vec<bool> = unit
                .prefill
                .iter()
                .zip(&unit.gpus)
                .flat_map(|(role, gpus)| std::iter::repeat_n(*role == Some(true), *gpus as usize))
                .collect();
            for own in roles.chunks(tp.max(1) as usize) {
                if own.iter().any(|role| *role != own[0]) {
                    let shown = listed(unit.servers.iter().map(String::as_str));
                    let message = format!("an instance of {tp} GPUs would be on servers of both roles, of {shown}");
                    return Err(Fault::whole(format!("{message}; a smaller cluster.tp, or --nvlink node")));
                }
                if own[0] {
                    instances.push(number);
                }
                number += 1;
            }
        }
        Ok(instances)
    }

    fn units(&self) -> impl Iterator<Item = &Unit> {
        self.pods.iter().flat_map(|pod| pod.racks.iter().flat_map(|rack| &rack.units))
    }
}
