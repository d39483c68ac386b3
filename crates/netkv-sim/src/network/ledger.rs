//! The scheduler's ledger: its own transfers in flight, by where they leave and where they arrive.

use super::cluster::Cluster;
use netkv_units::{InstanceId, Tier};

/// Transfers that have begun and not ended.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    /// By prefill instance, by decode instance: its NICs, which other instances may have as well.
    out_of: Vec<u32>,
    into: Vec<u32>,
    /// By prefill instance: those out of it, by tier.
    sending: Vec<[u32; 4]>,
    /// By decode instance: those into it inside its node.
    inside: Vec<u32>,
    /// By NICs: those out of them and into them.
    leaving: Vec<u32>,
    arriving: Vec<u32>,
    in_flight: u32,
    most_in_flight: u32,
}

impl Ledger {
    /// None, between the instances of a cluster.
    pub(crate) fn new(cluster: &Cluster) -> Self {
        let interfaces = |pool: &[InstanceId]| pool.iter().map(|&one| cluster.interface(one)).collect::<Vec<_>>();
        let (out_of, into) = (interfaces(cluster.prefill()), interfaces(cluster.decode()));
        let n_interfaces = out_of.iter().chain(&into).max().map_or(0, |&last| last as usize + 1);
        Self {
            sending: vec![[0; 4]; out_of.len()],
            inside: vec![0; into.len()],
            leaving: vec![0; n_interfaces],
            arriving: vec![0; n_interfaces],
            out_of,
            into,
            in_flight: 0,
            most_in_flight: 0,
        }
    }

    /// The counts of the interfaces that a transfer takes: NVLink inside a node, NICs elsewhere.
    fn interfaces(&mut self, prefill: usize, decode: usize, tier: Tier) -> [&mut u32; 2] {
        match tier {
            Tier::Node => [&mut self.sending[prefill][0], &mut self.inside[decode]],
            Tier::Rack | Tier::Pod | Tier::Core => {
                let (out_of, into) = (self.out_of[prefill] as usize, self.into[decode] as usize);
                [&mut self.leaving[out_of], &mut self.arriving[into]]
            }
        }
    }

    /// A transfer begins.
    pub(crate) fn begin(&mut self, prefill: usize, decode: usize, tier: Tier) {
        self.interfaces(prefill, decode, tier).into_iter().for_each(|count| *count += 1);
        if tier > Tier::Node {
            self.sending[prefill][tier.index()] += 1;
        }
        self.in_flight += 1;
        self.most_in_flight = self.most_in_flight.max(self.in_flight);
    }

    /// It ends.
    pub(crate) fn end(&mut self, prefill: usize, decode: usize, tier: Tier) {
        self.interfaces(prefill, decode, tier).into_iter().for_each(|count| *count -= 1);
        if tier > Tier::Node {
            self.sending[prefill][tier.index()] -= 1;
        }
        self.in_flight -= 1;
    }

    /// Transfers in flight that would share an interface with one between these instances over this tier, the larger of
    /// those out of the prefill instance's and of those into the decode instance's, whichever instances they are of; and
    /// those from the former over the same tier. While it is still to be chosen, those into the decode instance's and none.
    pub(crate) fn sharing(&self, prefill: Option<usize>, decode: usize, tier: impl Fn(usize) -> Tier) -> (u32, u32) {
        let (inside, arriving) = (self.inside[decode], self.arriving[self.into[decode] as usize]);
        let Some(prefill) = prefill else { return (inside + arriving, 0) };
        let tier = tier(prefill);
        let from_here = self.sending[prefill][tier.index()];
        let sharing = match tier {
            Tier::Node => inside.max(from_here),
            Tier::Rack | Tier::Pod | Tier::Core => arriving.max(self.leaving[self.out_of[prefill] as usize]),
        };
        (sharing, from_here)
    }

    /// All of them.
    pub(super) const fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// The most that there ever were.
    pub(super) const fn most_in_flight(&self) -> u32 {
        self.most_in_flight
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::cluster::Cluster;
    use crate::network::examples::{cluster, fabric};
    use crate::network::reshard::Reshard;
    use netkv_fabric::{FabricConfig, FabricShape, FatTree};

    /// Two instances of a GPU on each node, with a NIC each or one for both; the first of each node prefills.
    fn ledger(nics_per_node: u32) -> Ledger {
        let fabric = fabric();
        let tree = FatTree::new(FabricConfig { shape: FabricShape { nics_per_node, ..fabric.shape }, ..fabric });
        let config = cluster(10);
        Ledger::new(&Cluster::new(&config, &tree, Reshard::new(&config), 1))
    }

    /// Prefill instances 0 and 1 are on one node, decode instances 0 and 1 on another.
    #[test]
    fn transfers_of_instances_on_one_nic_share_it() {
        let sharing = |nics_per_node, begun: (usize, usize)| {
            let mut ledger = ledger(nics_per_node);
            ledger.begin(begun.0, begun.1, Tier::Core);
            let seen = [(0, 4), (2, 1)].map(|(prefill, decode)| ledger.sharing(Some(prefill), decode, |_| Tier::Core));
            ledger.end(begun.0, begun.1, Tier::Core);
            assert_eq!(ledger.sharing(Some(0), 0, |_| Tier::Core), (0, 0));
            seen
        };
        assert_eq!(sharing(1, (1, 0)), [(1, 0), (1, 0)], "out of the same NIC, into the same NIC");
        assert_eq!(sharing(2, (1, 0)), [(0, 0), (0, 0)], "a NIC each");
        assert_eq!(sharing(2, (0, 1)), [(1, 1), (1, 0)]);
        assert_eq!(sharing(1, (0, 1)), [(1, 1), (1, 0)]);
    }

    #[test]
    fn what_stays_in_a_node_is_not_on_its_nic() {
        let mut ledger = ledger(1);
        ledger.begin(0, 0, Tier::Node);
        assert_eq!(ledger.sharing(Some(0), 0, |_| Tier::Node), (1, 1));
        assert_eq!(ledger.sharing(Some(0), 0, |_| Tier::Core), (0, 0));
        assert_eq!(ledger.sharing(None, 0, |_| Tier::Core), (1, 0));
    }
}
