//! The links of a scenario as the relaxed problem sees them: their capacities over time, and the flows of a transfer.
//!
//! Others' shares of the links are known for the whole run (`steady`, `modulated`), so capacities are exact. Flows of
//! others (`flows`) and degradations are left out: links carry more here than they will. Where routes are not fixed by
//! the hash alone, all links of a switch in one direction count as one that carries what they carry together.

use crate::relaxed::{Flow, Links, Pieces};
use netkv_fabric::{Background, BackgroundConfig, FabricConfig, FatTree, LinkKind, LinkPlace, RouteChoice, ecmp_hash};
use netkv_sim::{Scenario, TransferGranularity};
use netkv_units::{BytesPerSec, GpuId, InstanceId, LinkId, RequestId, SimTime, Tier};
use std::collections::BTreeMap;

/// Length of a piece of time in which prices stay, in seconds; shorter ones make the bound sharper and the search longer.
const PIECE_S: f64 = 0.05;

/// Pieces of that length at most; beyond them they are longer.
const MAX_PIECES: f64 = 1500.0;

/// The fabric as the flows see it.
#[derive(Clone, Debug)]
pub struct Fabric {
    tree: FatTree,
    seed: u64,
    /// GPUs of an instance; one large one where interfaces are pooled.
    tp: u32,
    flows: u32,
    /// By link: its number here.
    number: Vec<u32>,
    links: Links,
}

/// What the flows see: with pooled interfaces, one large GPU for each instance.
fn flow_view(scenario: &Scenario) -> (FabricConfig, u32, u32) {
    let (mut fabric, tp) = (scenario.fabric, scenario.cluster.tp);
    match scenario.transfer.granularity {
        TransferGranularity::Rank => (fabric, tp, tp),
        TransferGranularity::Instance { flows } => {
            let pooled = |rate: BytesPerSec| BytesPerSec::new(rate.get() * u64::from(tp));
            (fabric.nic, fabric.nvlink) = (pooled(fabric.nic), pooled(fabric.nvlink));
            fabric.shape.gpus_per_node /= tp;
            fabric.shape.nics_per_node = fabric.shape.gpus_per_node;
            (fabric, 1, flows)
        }
    }
}

/// By link: the shares that others take of it, and from when on, in order of time up to `horizon`.
fn others(scenario: &Scenario, tree: &FatTree, horizon: f64) -> Vec<Vec<(f64, f64)>> {
    let mut shares = vec![Vec::new(); tree.n_links()];
    match &scenario.background {
        BackgroundConfig::None | BackgroundConfig::Flows(_) => {}
        BackgroundConfig::Steady { ratio } => {
            let kinds = [LinkKind::Nic, LinkKind::Rack, LinkKind::Pod];
            let links = kinds.into_iter().flat_map(|kind| tree.links_of(kind));
            links.for_each(|link| shares[link.index()].push((0.0, *ratio)));
        }
        BackgroundConfig::Modulated(_) | BackgroundConfig::Recorded(_) => {
            let changing = Background::new(&scenario.background, tree, scenario.seed);
            let (mut background, initial) = changing.expect("its shares change");
            initial.iter().for_each(|change| shares[change.link.index()].push((0.0, change.ratio)));
            while background.next_change().since(SimTime::ZERO).as_secs_f64() < horizon {
                let now = background.next_change();
                let change = background.advance(now);
                shares[change.link.index()].push((now.since(SimTime::ZERO).as_secs_f64(), change.ratio));
            }
        }
    }
    shares
}

/// By link: its number here, and how many there are.
fn numbers(scenario: &Scenario, tree: &FatTree) -> (Vec<u32>, usize) {
    let is_fixed = scenario.fabric.route == RouteChoice::Ecmp && scenario.degraded.is_empty();
    let mut groups: BTreeMap<(LinkKind, LinkPlaceKey), u32> = BTreeMap::new();
    let mut number = Vec::with_capacity(tree.n_links());
    for link in (0..tree.n_links()).map(LinkId::from_index) {
        let place = tree.place(link);
        let next = groups.len() as u32;
        let key = key(&place, is_fixed);
        number.push(*groups.entry((place.kind, key)).or_insert(next));
    }
    let n = groups.len();
    (number, n)
}

/// What tells links apart: whether it is a down link, pod, rack, switch, GPU.
type LinkPlaceKey = (bool, u32, Option<u32>, Option<u32>, Option<u32>);

fn key(place: &LinkPlace, is_fixed: bool) -> LinkPlaceKey {
    let is_down = place.direction == netkv_fabric::Direction::Down;
    (is_down, place.pod, place.rack, place.switch.filter(|_| is_fixed), place.gpu)
}

impl Fabric {
    /// That of a scenario, with what others do on it until `horizon`, in seconds; after that nobody else does anything.
    pub fn new(scenario: &Scenario, horizon: f64) -> Self {
        let (config, tp, flows) = flow_view(scenario);
        let tree = FatTree::new(config);
        let shares = others(scenario, &tree, horizon);
        let length = PIECE_S.max(horizon / MAX_PIECES);
        let steps = (horizon / length).ceil() as u32 + 1;
        let mut starts: Vec<f64> = (0..steps).map(|step| f64::from(step) * length).collect();
        starts.extend(shares.iter().flatten().map(|&(from, _)| from));
        starts.sort_by(f64::total_cmp);
        starts.dedup();
        let (number, n) = numbers(scenario, &tree);
        let mut capacity = vec![vec![0.0; starts.len()]; n];
        for (link, shares) in shares.iter().enumerate() {
            let nominal = tree.capacity(LinkId::from_index(link)).get() as f64;
            let own = &mut capacity[number[link] as usize];
            for (piece, (carried, &start)) in own.iter_mut().zip(&starts).enumerate() {
                let before = shares.partition_point(|&(from, _)| from <= start);
                let last = piece + 1 == starts.len();
                let share = if last || before == 0 { 0.0 } else { shares[before - 1].1 };
                // The simulator gives whole bytes a second: others lose the fraction.
                *carried += (nominal * (1.0 - share) + 1.0).min(nominal);
            }
        }
        let links = Links { pieces: Pieces::new(starts), capacity };
        Self { tree, seed: scenario.seed, tp, flows, number, links }
    }

    /// The links over time.
    pub const fn links(&self) -> &Links {
        &self.links
    }

    /// The tier of a way.
    pub fn tier(&self, from: InstanceId, to: InstanceId) -> Tier {
        self.tree.tier(self.gpu(from, 0), self.gpu(to, 0))
    }

    /// Time of the first byte of a way, in seconds.
    pub fn latency(&self, from: InstanceId, to: InstanceId) -> f64 {
        self.tree.config().latency[self.tier(from, to).index()].as_secs_f64()
    }

    fn gpu(&self, instance: InstanceId, rank: u32) -> GpuId {
        GpuId::new(instance.get() * self.tp + rank % self.tp)
    }

    /// The flows of a transfer of so many bytes, on the ways that the hash gives them.
    pub fn transfer(&self, request: RequestId, (from, to): (InstanceId, InstanceId), bytes: u64) -> Vec<Flow> {
        let flow = |rank: u32| {
            let hash = ecmp_hash(self.seed, u64::from(request.get()), u64::from(rank));
            let path = self.tree.path(self.gpu(from, rank), self.gpu(to, rank), hash);
            let links = path.links().iter().map(|link| self.number[link.index()]).collect();
            Flow { links, fastest: f64::INFINITY, amount: (bytes / u64::from(self.flows)) as f64 }
        };
        (0..self.flows).map(flow).collect()
    }
}
