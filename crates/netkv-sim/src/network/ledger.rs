//! The scheduler's ledger: its own transfers in flight, by where they leave and where they arrive.

use netkv_units::Tier;

/// Transfers that have begun and not ended.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    /// By prefill instance: those out of it, by tier.
    sending: Vec<[u32; 4]>,
    /// By decode instance: those into it, by the kind of interface that they take.
    receiving: Vec<[u32; 2]>,
    in_flight: u32,
    most_in_flight: u32,
}

/// The kinds of interface: NVLink inside a node, NICs elsewhere.
const fn interface(tier: Tier) -> usize {
    match tier {
        Tier::Node => 0,
        Tier::Rack | Tier::Pod | Tier::Core => 1,
    }
}

impl Ledger {
    /// None, between so many instances.
    pub(crate) fn new(n_prefill: usize, n_decode: usize) -> Self {
        Self { sending: vec![[0; 4]; n_prefill], receiving: vec![[0; 2]; n_decode], in_flight: 0, most_in_flight: 0 }
    }

    /// A transfer begins.
    pub(crate) fn begin(&mut self, prefill: usize, decode: usize, tier: Tier) {
        self.sending[prefill][tier.index()] += 1;
        self.receiving[decode][interface(tier)] += 1;
        self.in_flight += 1;
        self.most_in_flight = self.most_in_flight.max(self.in_flight);
    }

    /// It ends.
    pub(crate) fn end(&mut self, prefill: usize, decode: usize, tier: Tier) {
        self.sending[prefill][tier.index()] -= 1;
        self.receiving[decode][interface(tier)] -= 1;
        self.in_flight -= 1;
    }

    /// Transfers in flight that would share an interface with one between these instances over this tier, the larger of
    /// those out of the prefill instance and of those into the decode instance; and those from the former over the same
    /// tier. While it is still to be chosen, those into the decode instance and none.
    pub(crate) fn sharing(&self, prefill: Option<usize>, decode: usize, tier: impl Fn(usize) -> Tier) -> (u32, u32) {
        let receiving = self.receiving[decode];
        let Some(prefill) = prefill else { return (receiving.iter().sum(), 0) };
        let tier = tier(prefill);
        let [node, rack, pod, core] = self.sending[prefill];
        let sending = [node, rack + pod + core][interface(tier)];
        (receiving[interface(tier)].max(sending), self.sending[prefill][tier.index()])
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
