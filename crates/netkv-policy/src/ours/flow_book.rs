//! A router's own book of its transfers in flight, by what they cross.
//!
//! Instances are put into racks and pods by how near the oracle says they are. Each instance has its interfaces, which it may
//! share with others (a NIC for several GPUs), each rack and each pod its links upwards and downwards, taken together: these are
//! the ways that transfers share. Of every transfer in flight the book knows its size, its ways and when it began, and plays the
//! rest forward: each goes at the least of its ways' even shares, of what others leave, and of what one transfer from there gets
//! alone. (Max-min fair rates are no lower than the shares; what is left to a transfer by slower ones is given to nobody here.)
//! When a transfer ends, the ratio of what it moved to what was played of it is remembered for its pair of racks, and forgotten
//! with time: so the book learns of links that others fill, that are degraded, or that hashes share out badly, of which a figure
//! for each tier does not tell.

use crate::candidate::Candidate;
use crate::oracle::CostOracle;
use crate::policy::{TransferEvent, TransferStep};
use netkv_units::{Bytes, InstanceId, SimTime, Tier};

/// Ways that a transfer crosses at most: interface, rack and pod at either end.
const MOST_WAYS: usize = 6;
/// The first ways are interfaces; others take a share of the switched ones after them.
const INTERFACES: usize = 2;
/// Share of a transfer that counts as left when it should be over and is not. Chosen by us.
const LEAST_LEFT: f64 = 0.02;
/// How far a ratio that is learned can be from 1. Chosen by us.
const LEARNED: std::ops::RangeInclusive<f64> = 0.1..=2.0;
/// The largest share of a way that others are believed to take. Chosen by us: what is left is never nothing.
const MOST_OTHERS: f64 = 0.95;

/// How much the book learns, and for how long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Learning {
    /// Weight of the latest transfer, in [0, 1].
    pub(super) gain: f64,
    /// Seconds after which half of what was learned is left.
    pub(super) memory_s: f64,
}

/// Where an instance is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// The first of two ways: out of its network interfaces, and into them. Instances that share these share the ways.
    interfaces: u32,
    /// The same inside its node.
    inside: u32,
    rack: u32,
    pod: u32,
    /// By tier: seconds that a transfer from it takes at least for each byte.
    alone_s_per_byte: [f64; 4],
}

/// What a transfer crosses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    ways: [u32; MOST_WAYS],
    n: u8,
    tier: Tier,
    alone_s_per_byte: f64,
    racks: (u32, u32),
}

/// Links that transfers share, taken together, in one direction.
#[derive(Clone, Copy, Debug)]
struct Way {
    bytes_per_sec: f64,
    s_per_byte: f64,
    /// Transfers in flight over it, and what is left of them in bytes.
    n: u32,
    left: f64,
}

impl Way {
    /// Seconds that a transfer of so many bytes needs here.
    #[inline]
    fn shared_s(&self, bytes: f64) -> f64 {
        // What is left can be a rounding error below nothing.
        let all = f64::from(self.n) * bytes;
        let met = larger(if self.left < all { self.left } else { all }, 0.0);
        (bytes + met) * self.s_per_byte
    }
}

/// The larger of two numbers that are none of them missing, in one instruction.
#[inline]
const fn larger(one: f64, other: f64) -> f64 {
    if one > other { one } else { other }
}

/// The ways out of a place: of the instance, inside its node, of its rack and of its pod.
pub(super) struct Leaving<'a> {
    out: Way,
    inside: Way,
    rack: Way,
    pod: Way,
    alone_s_per_byte: [f64; 4],
    /// By destination rack.
    learned: &'a [Learned],
    /// Bytes of a whole prompt, which most candidates lack, and what it needs on these ways, by tier.
    whole: (Bytes, [OutOf; 4]),
}

/// Seconds that a transfer needs on the ways out of a place, or to itself: interfaces, and switched ways.
#[derive(Clone, Copy)]
struct OutOf {
    interface_s: f64,
    switched_s: f64,
}

impl Leaving<'_> {
    /// Seconds that the transfer to a candidate of that tier takes at least, whatever was learned; 0 if only a part of the prompt
    /// is to be moved.
    #[inline]
    pub(super) fn at_least_s(&self, tier: Tier, candidate: &Candidate) -> f64 {
        let (whole, out_of) = &self.whole;
        let OutOf { interface_s, switched_s } = out_of[tier.index()];
        if candidate.transfer_bytes == *whole { larger(interface_s, switched_s) / LEARNED.end() } else { 0.0 }
    }

    #[inline]
    fn out_of(&self, tier: Tier, bytes: f64) -> OutOf {
        let alone_s = bytes * self.alone_s_per_byte[tier.index()];
        let up_s = |way: &Way| larger(alone_s, way.shared_s(bytes));
        match tier {
            Tier::Node => OutOf { interface_s: up_s(&self.inside), switched_s: 0.0 },
            Tier::Rack => OutOf { interface_s: up_s(&self.out), switched_s: 0.0 },
            Tier::Pod => OutOf { interface_s: self.out.shared_s(bytes), switched_s: up_s(&self.rack) },
            Tier::Core => OutOf {
                interface_s: self.out.shared_s(bytes),
                switched_s: larger(up_s(&self.rack), self.pod.shared_s(bytes)),
            },
        }
    }
}

/// A rack or a pod: an instance of it, and the first of its two ways: up, and down.
#[derive(Clone, Copy, Debug)]
struct Group {
    member: InstanceId,
    first_way: u32,
}

/// A transfer in flight.
#[derive(Clone, Copy, Debug)]
struct Flight {
    source: InstanceId,
    destination: InstanceId,
    bytes: f64,
    left: f64,
    /// Bytes that would have been moved if nothing had been learned.
    played: f64,
    /// Bytes a second, as learned, and if nothing had been.
    rate: f64,
    plain_rate: f64,
    route: Route,
}

/// What was learned of a pair of racks.
#[derive(Clone, Copy, Debug)]
struct Learned {
    ratio: f64,
    at: SimTime,
}

/// What this router sent over switched links, by level: racks, and pods; each direction counts.
#[derive(Clone, Copy, Debug)]
struct Own {
    /// Bytes, until now and until the last sample that the oracle tells of.
    moved: [f64; 2],
    moved_before: [f64; 2],
    sampled: SimTime,
    /// By tier: the largest share of a way's capacity that it took between the last two samples, and 1 over what that leaves.
    by_tier: [(f64, f64); 4],
}

impl Own {
    /// Nothing yet.
    const NONE: Self =
        Self { moved: [0.0; 2], moved_before: [0.0; 2], sampled: SimTime::ZERO, by_tier: [(0.0, 1.0); 4] };
}

/// The book.
#[derive(Debug)]
pub(super) struct FlowBook {
    learning: Learning,
    now: SimTime,
    /// By instance.
    places: Vec<Option<Place>>,
    racks: Vec<Group>,
    pods: Vec<Group>,
    ways: Vec<Way>,
    flights: Vec<Flight>,
    /// By source rack, then destination rack.
    learned: Vec<Vec<Learned>>,
    /// By tier: the share of the switched ways that others take, as it was last told.
    others: [f64; 4],
    own: Own,
}

impl Route {
    /// Whether it crosses more than interfaces.
    fn is_switched(&self) -> bool {
        usize::from(self.n) > INTERFACES
    }

    fn ways(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let Self { ways, n, .. } = *self;
        ways.into_iter().take(usize::from(n)).map(|way| way as usize).enumerate()
    }
}

impl FlowBook {
    /// An empty one.
    pub(super) fn new(learning: Learning) -> Self {
        Self {
            learning,
            now: SimTime::ZERO,
            places: Vec::new(),
            racks: Vec::new(),
            pods: Vec::new(),
            ways: Vec::new(),
            flights: Vec::new(),
            learned: Vec::new(),
            others: [0.0; 4],
            own: Own::NONE,
        }
    }

    /// Where an instance is, if it was seen.
    #[inline]
    pub(super) fn place(&self, instance: InstanceId) -> Option<Place> {
        self.places.get(instance.index()).copied().flatten()
    }

    /// Puts an instance into its rack and pod, if it was not seen before.
    pub(super) fn see<O: CostOracle + ?Sized>(&mut self, instance: InstanceId, oracle: &O) {
        if self.place(instance).is_some() {
            return;
        }
        let inside = oracle.path(instance, instance).bandwidth_bytes_per_sec;
        let shared = (0..self.places.len()).find(|&other| {
            self.places[other].is_some() && oracle.share_interfaces(InstanceId::from_index(other), instance)
        });
        let interfaces = match shared.and_then(|other| self.places[other]) {
            Some(place) => place.interfaces,
            None => self.add_ways(&[oracle.leaving_from(instance, Tier::Node); 2]),
        };
        let inside = self.add_ways(&[inside; 2]);
        let near =
            |groups: &[Group], tier: Tier| groups.iter().position(|group| oracle.tier(group.member, instance) <= tier);
        let (rack, pod) = (near(&self.racks, Tier::Rack), near(&self.pods, Tier::Pod));
        let rack = rack.unwrap_or_else(|| {
            let first_way = self.add_ways(&[oracle.leaving_from(instance, Tier::Rack); 2]);
            self.racks.push(Group { member: instance, first_way });
            let nothing = Learned { ratio: 1.0, at: SimTime::ZERO };
            self.learned.iter_mut().for_each(|row| row.push(nothing));
            self.learned.push(vec![nothing; self.racks.len()]);
            self.racks.len() - 1
        });
        let pod = pod.unwrap_or_else(|| {
            let first_way = self.add_ways(&[oracle.leaving_from(instance, Tier::Pod); 2]);
            self.pods.push(Group { member: instance, first_way });
            self.pods.len() - 1
        });
        if self.places.len() <= instance.index() {
            self.places.resize(instance.index() + 1, None);
        }
        let alone_s_per_byte = Tier::ALL.map(|tier| 1.0 / oracle.alone_from(instance, tier));
        let (rack, pod) = (rack as u32, pod as u32);
        self.places[instance.index()] = Some(Place { interfaces, inside, rack, pod, alone_s_per_byte });
    }

    fn add_ways(&mut self, capacities: &[f64]) -> u32 {
        let first = self.ways.len() as u32;
        let way = |&bytes_per_sec: &f64| Way { bytes_per_sec, s_per_byte: 1.0 / bytes_per_sec, n: 0, left: 0.0 };
        self.ways.extend(capacities.iter().map(way));
        first
    }

    /// What a transfer between two places crosses.
    pub(super) fn route(&self, from: Place, to: Place, tier: Tier) -> Route {
        let rack_up = self.racks[from.rack as usize].first_way;
        let rack_down = self.racks[to.rack as usize].first_way + 1;
        let pod_up = self.pods[from.pod as usize].first_way;
        let pod_down = self.pods[to.pod as usize].first_way + 1;
        let (out, into) = (from.interfaces, to.interfaces + 1);
        let (ways, n) = match tier {
            Tier::Node => ([from.inside, to.inside + 1, 0, 0, 0, 0], 2),
            Tier::Rack => ([out, into, 0, 0, 0, 0], 2),
            Tier::Pod => ([out, into, rack_up, rack_down, 0, 0], 4),
            Tier::Core => ([out, into, rack_up, rack_down, pod_up, pod_down], 6),
        };
        Route { ways, n, tier, alone_s_per_byte: from.alone_s_per_byte[tier.index()], racks: (from.rack, to.rack) }
    }

    /// The share of the switched ways that others take on the way over a tier, given a congestion that counts this router's
    /// own transfers as well: less what it has sent itself.
    #[inline]
    pub(super) fn without_own(&self, tier: Tier, congestion_ratio: f64) -> f64 {
        let (own_ratio, of_the_rest) = self.own.by_tier[tier.index()];
        larger((congestion_ratio - own_ratio) * of_the_rest, 0.0)
    }

    /// By tier: the share of the switched ways that others take, as it was last heard.
    pub(super) const fn others_ratio(&self) -> [f64; 4] {
        self.others
    }

    /// Others take these shares on the ways over each tier: what is in flight there is played by them from now on.
    pub(super) fn hear(&mut self, others: [f64; 4]) {
        self.others = others.map(|ratio| ratio.min(MOST_OTHERS));
    }

    /// The oracle tells of a sample of the links that was taken then: if it is a new one, notes how much of the links this
    /// router has used itself since the last one.
    pub(super) fn note_sample(&mut self, taken: SimTime) {
        if taken <= self.own.sampled || self.now < taken {
            return;
        }
        let (since_s, window_s) = (self.now.since(taken).as_secs_f64(), taken.since(self.own.sampled).as_secs_f64());
        let rates = self.switched_rates();
        let mut used_ratio = [0.0; 2];
        for (level, groups) in [&self.racks, &self.pods].into_iter().enumerate() {
            let up_and_down = |group: &Group| 2.0 * self.ways[group.first_way as usize].bytes_per_sec;
            let capacity: f64 = groups.iter().map(up_and_down).sum();
            let moved = self.own.moved[level] - rates[level] * since_s;
            let used = (moved - self.own.moved_before[level]) / (capacity * window_s);
            used_ratio[level] = used.clamp(0.0, 1.0);
            self.own.moved_before[level] = moved;
        }
        self.own.sampled = taken;
        let [rack, pod] = used_ratio;
        let with_rest = |own: f64| (own, 1.0 / (1.0 - own).max(1.0 - MOST_OTHERS));
        self.own.by_tier = [0.0, 0.0, rack, rack.max(pod)].map(with_rest);
    }

    /// Bytes a second over the links of racks, and of pods.
    fn switched_rates(&self) -> [f64; 2] {
        let mut rates = [0.0; 2];
        for flight in &self.flights {
            match flight.route.tier {
                Tier::Node | Tier::Rack => {}
                Tier::Pod => rates[0] += 2.0 * flight.rate,
                Tier::Core => rates = rates.map(|rate| rate + 2.0 * flight.rate),
            }
        }
        rates
    }

    /// What is learned of a pair of racks, as far as it is remembered.
    fn learned(&self, (from, to): (u32, u32)) -> f64 {
        self.remembered(self.learned[from as usize][to as usize])
    }

    #[inline]
    fn remembered(&self, Learned { ratio, at }: Learned) -> f64 {
        if ratio == 1.0 {
            return 1.0;
        }
        let memory_s = self.learning.memory_s;
        1.0 + (ratio - 1.0) * memory_s / (memory_s + self.now.since(at).as_secs_f64())
    }

    /// Plays the transfers in flight on until `now`.
    pub(super) fn advance(&mut self, now: SimTime) {
        if now <= self.now {
            return;
        }
        let seconds = now.since(self.now).as_secs_f64();
        self.now = now;
        let rates = self.switched_rates();
        for (moved, rate) in self.own.moved.iter_mut().zip(rates) {
            *moved += rate * seconds;
        }
        for flight in &mut self.flights {
            let left = (flight.left - flight.rate * seconds).max(flight.bytes * LEAST_LEFT);
            let moved = flight.left - left;
            flight.left = left;
            flight.played += flight.plain_rate * seconds;
            for (_, way) in flight.route.ways() {
                self.ways[way].left -= moved;
            }
        }
    }

    /// The ways out of a place, for decisions at this moment about a prompt of so many bytes.
    pub(super) fn leaving(&self, from: Place, whole: Bytes) -> Leaving<'_> {
        let way = |way: u32| self.ways[way as usize];
        let nothing = OutOf { interface_s: 0.0, switched_s: 0.0 };
        let mut leaving = Leaving {
            out: way(from.interfaces),
            inside: way(from.inside),
            rack: way(self.racks[from.rack as usize].first_way),
            pod: way(self.pods[from.pod as usize].first_way),
            alone_s_per_byte: from.alone_s_per_byte,
            learned: &self.learned[from.rack as usize],
            whole: (whole, [nothing; 4]),
        };
        leaving.whole.1 = Tier::ALL.map(|tier| leaving.out_of(tier, whole.get() as f64));
        leaving
    }

    /// Seconds that a transfer of so many bytes takes that begins now, if others take `others` of the switched ways. On a way
    /// that is shared evenly it ends when its own bytes are moved and, of each transfer that it meets, as many or what is
    /// left of that one. Taken together, n of them hold it up by no more than n times its own bytes, and by no more than all
    /// that is left of them. The slowest way counts. What was learned makes switched ways slower, and any of them faster.
    #[inline(always)]
    pub(super) fn moving_s(&self, leaving: &Leaving<'_>, to: Place, tier: Tier, bytes: Bytes, others: f64) -> f64 {
        let (whole, ref out_of) = leaving.whole;
        let is_whole = bytes == whole;
        let bytes = bytes.get() as f64;
        let down_s = |way: u32| self.ways[way as usize].shared_s(bytes);
        let out_of = if is_whole { out_of[tier.index()] } else { leaving.out_of(tier, bytes) };
        let into = if tier == Tier::Node { to.inside } else { to.interfaces } + 1;
        let mut interfaces_s = larger(out_of.interface_s, down_s(into));
        let learned = self.remembered(leaving.learned[to.rack as usize]);
        if learned > 1.0 {
            interfaces_s /= learned;
        }
        if tier < Tier::Pod {
            return interfaces_s;
        }
        let mut switched_s = larger(out_of.switched_s, down_s(self.racks[to.rack as usize].first_way + 1));
        if tier == Tier::Core {
            switched_s = larger(switched_s, down_s(self.pods[to.pod as usize].first_way + 1));
        }
        let left_ratio = larger(1.0 - others, 1.0 - MOST_OTHERS);
        larger(interfaces_s, switched_s / (left_ratio * learned))
    }

    /// A transfer begins or ends. Of one that is heard of late, as those of another router are, or that was cut, nothing is
    /// learned.
    pub(super) fn note(&mut self, event: &TransferEvent) {
        let is_late = event.now < self.now;
        self.advance(event.now);
        match event.step {
            TransferStep::Begun => self.begin(event),
            TransferStep::Ended => self.end(event, !is_late),
            TransferStep::Cut => self.end(event, false),
        }
        self.share_out();
    }

    fn begin(&mut self, event: &TransferEvent) {
        let &TransferEvent { source, destination, tier, .. } = event;
        // It was chosen among instances that were seen.
        let (Some(from), Some(to)) = (self.place(source), self.place(destination)) else { return };
        let (route, bytes) = (self.route(from, to, tier), event.bytes.get() as f64);
        for (_, way) in route.ways() {
            self.ways[way].n += 1;
            self.ways[way].left += bytes;
        }
        let flight = Flight { source, destination, bytes, left: bytes, played: 0.0, rate: 0.0, plain_rate: 0.0, route };
        self.flights.push(flight);
    }

    fn end(&mut self, event: &TransferEvent, teaches: bool) {
        let bytes = event.bytes.get() as f64;
        let is_it = |flight: &Flight| {
            (flight.source, flight.destination, flight.bytes) == (event.source, event.destination, bytes)
        };
        let Some(at) = self.flights.iter().position(is_it) else { return };
        let flight = self.flights.remove(at);
        for (_, way) in flight.route.ways() {
            let way = &mut self.ways[way];
            way.n -= 1;
            way.left = if way.n == 0 { 0.0 } else { way.left - flight.left };
        }
        if flight.played > 0.0 && teaches {
            let (before, (from, to)) = (self.learned(flight.route.racks), flight.route.racks);
            let seen = (bytes / flight.played).clamp(*LEARNED.start(), *LEARNED.end());
            let ratio = before + self.learning.gain * (seen - before);
            self.learned[from as usize][to as usize] = Learned { ratio, at: self.now };
        }
    }

    /// Gives each transfer the least of its ways' even shares.
    fn share_out(&mut self) {
        for at in 0..self.flights.len() {
            let route = self.flights[at].route;
            let others = self.others[route.tier.index()];
            let left = |is_switched: bool| if is_switched { 1.0 - others } else { 1.0 };
            let share = |(hop, way): (usize, usize)| {
                let Way { bytes_per_sec, n, .. } = self.ways[way];
                bytes_per_sec * left(hop >= INTERFACES) / f64::from(n)
            };
            let alone = left(route.is_switched()) / route.alone_s_per_byte;
            let plain_rate = route.ways().map(share).fold(alone, f64::min);
            let rate = plain_rate * self.learned(route.racks);
            let flight = &mut self.flights[at];
            (flight.plain_rate, flight.rate) = (plain_rate, rate);
        }
    }
}

#[cfg(test)]
mod tests;
