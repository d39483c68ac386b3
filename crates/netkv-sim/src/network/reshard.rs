//! How a transfer is cut into flows between the ranks of two instances.
//!
//! With tensor parallelism the GPUs of an instance share out the KV heads: with t ranks and c copies of each head, rank r
//! holds part r / c (rounded down) of t / c equal parts. Each decode rank reads its part from the prefill ranks that hold it.
//! Where the prefill side has as many parts or fewer, that is one rank, of which a share is read; where it has more, as many
//! ranks as its parts are finer. Of ranks that hold copies of one part, decode ranks with copies of it are spread over
//! these; one that has no copy reads from the first. So with t_p and t_d ranks and p_p and p_d parts there are
//!
//! flows = t_d max(1, p_p / p_d),
//!
//! each with an even share of the bytes, which are those that all decode ranks hold together. Equal sides give rank i to
//! rank i. Source: vLLM's NIXL connector (`TpKVTopology.get_target_remote_ranks`: decode rank j reads from rank
//! j / (t_d / t_p), or from the ranks j t_p / t_d and those after it, without those that repeat a head).

use crate::scenario::{ClusterConfig, KvParts};

/// The flows of every transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reshard {
    /// By flow: the ranks at its ends.
    ranks: Vec<(u32, u32)>,
}

impl Reshard {
    /// Those between the ranks of a cluster's instances.
    ///
    /// # Panics
    /// If the parts of neither side are a multiple of the other's, or do not fill its ranks: the experiment reader refuses
    /// those.
    pub(crate) fn new(config: &ClusterConfig) -> Self {
        let KvParts { prefill, decode } = config.parts;
        let (per_part, read_copies) = (config.tp / prefill, config.decode_tp / decode);
        assert_eq!((per_part * prefill, read_copies * decode), (config.tp, config.decode_tp), "{config:?}");
        assert!(prefill.is_multiple_of(decode) || decode.is_multiple_of(prefill), "{config:?}");
        let reads = (prefill / decode).max(1);
        let of_rank = |rank: u32| {
            let (part, copy) = (rank / read_copies, rank % read_copies);
            (0..reads).map(move |read| {
                let source_part = (part * prefill).checked_div(decode).unwrap_or(0) + read;
                (source_part * per_part + copy * per_part / read_copies, rank)
            })
        };
        Self { ranks: (0..config.decode_tp).flat_map(of_rank).collect() }
    }

    /// So many flows between pooled interfaces, as if an instance were one large GPU.
    pub(crate) fn pooled(flows: u32) -> Self {
        Self { ranks: vec![(0, 0); flows as usize] }
    }

    /// How many there are.
    pub(crate) const fn flows(&self) -> u32 {
        self.ranks.len() as u32
    }

    /// The ranks at the ends of one.
    pub(crate) fn ranks(&self, flow: u32) -> (u32, u32) {
        self.ranks[flow as usize]
    }

    /// How many interfaces' rate they get together out of the source if nobody else sends, its interfaces alone hold them and
    /// so many ranks share one there: all of them over the most that cross one. Pooled ones are held to one interface.
    pub(crate) fn lanes_out(&self, ranks_share: u32) -> f64 {
        self.lanes(|ranks| ranks.0 / ranks_share)
    }

    /// The same into the destination.
    pub(crate) fn lanes_in(&self, ranks_share: u32) -> f64 {
        self.lanes(|ranks| ranks.1 / ranks_share)
    }

    fn lanes(&self, interface: impl Fn(&(u32, u32)) -> u32) -> f64 {
        let on = |one: u32| self.ranks.iter().filter(|ranks| interface(ranks) == one).count();
        let busiest = self.ranks.iter().map(|ranks| on(interface(ranks))).max().expect("a transfer has a flow");
        self.ranks.len() as f64 / busiest as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Placement;

    /// The flows between t_p ranks with p_p parts and t_d ranks with p_d parts.
    fn reshard((tp, prefill): (u32, u32), (decode_tp, decode): (u32, u32)) -> Reshard {
        Reshard::new(&ClusterConfig {
            tp,
            decode_tp,
            parts: KvParts { prefill, decode },
            prefill_instances: 1,
            decode_instances: None,
            unused_gpus_per_node: 0,
            events: Vec::new(),
            placement: Placement::PerPod,
        })
    }

    #[test]
    fn equal_sides_send_rank_to_rank() {
        let ranks = [(0, 0), (1, 1), (2, 2), (3, 3)];
        assert_eq!(reshard((4, 4), (4, 4)).ranks, ranks);
        assert_eq!(reshard((4, 1), (4, 1)).ranks, ranks, "copies as well");
        assert_eq!(reshard((4, 2), (4, 2)).ranks, ranks);
    }

    #[test]
    fn more_decode_ranks_read_shares_of_a_rank() {
        assert_eq!(reshard((2, 2), (4, 4)).ranks, [(0, 0), (0, 1), (1, 2), (1, 3)]);
        // 2 heads: two decode ranks hold each of them.
        assert_eq!(reshard((2, 2), (4, 2)).ranks, [(0, 0), (0, 1), (1, 2), (1, 3)]);
        assert_eq!(reshard((1, 1), (4, 4)).ranks, [(0, 0), (0, 1), (0, 2), (0, 3)]);
    }

    #[test]
    fn fewer_decode_ranks_read_from_several() {
        assert_eq!(reshard((4, 4), (2, 2)).ranks, [(0, 0), (1, 0), (2, 1), (3, 1)]);
        assert_eq!(reshard((4, 4), (1, 1)).ranks, [(0, 0), (1, 0), (2, 0), (3, 0)]);
        // 2 heads on 4 ranks: the second copy is not read.
        assert_eq!(reshard((4, 2), (2, 2)).ranks, [(0, 0), (2, 1)]);
        assert_eq!(reshard((4, 2), (1, 1)).ranks, [(0, 0), (2, 0)]);
    }

    /// A latent that every rank holds whole.
    #[test]
    fn copies_are_read_from_different_ranks() {
        assert_eq!(reshard((8, 1), (4, 1)).ranks, [(0, 0), (2, 1), (4, 2), (6, 3)]);
        assert_eq!(reshard((4, 1), (8, 1)).ranks[..4], [(0, 0), (0, 1), (1, 2), (1, 3)]);
        // 4 heads: 2 copies on 8 ranks, 4 on 16.
        assert_eq!(reshard((8, 4), (16, 4)).ranks[..5], [(0, 0), (0, 1), (1, 2), (1, 3), (2, 4)]);
    }

    #[test]
    fn the_busiest_interface_of_a_side_holds_a_transfer() {
        let lanes = |reshard: &Reshard, share: u32| (reshard.lanes_out(share), reshard.lanes_in(share));
        let own = |one, other| lanes(&reshard(one, other), 1);
        let seen = [own((4, 4), (4, 4)), own((2, 2), (4, 4)), own((4, 4), (2, 2))];
        assert_eq!(seen, [(4.0, 4.0), (2.0, 4.0), (4.0, 2.0)]);
        assert_eq!([own((8, 1), (4, 1)), own((4, 2), (1, 1))], [(4.0, 4.0), (2.0, 1.0)]);
        assert_eq!(lanes(&reshard((8, 8), (8, 8)), 4), (2.0, 2.0), "two NICs for eight GPUs");
        assert_eq!(lanes(&reshard((2, 2), (2, 2)), 4), (1.0, 1.0), "a NIC that others share as well");
        assert_eq!(lanes(&Reshard::pooled(4), 1), (1.0, 1.0));
    }
}
