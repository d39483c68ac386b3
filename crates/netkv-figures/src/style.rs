//! Colours, markers and names: one look per policy, the same in every figure.
//!
//! The first colours are those of Okabe and Ito, which the colour-blind can tell apart; shapes say the same again.

pub(crate) use crate::colour::Colour;
use crate::colour::mixed;

pub(crate) const WHITE: Colour = Colour::both([255, 255, 255], [22, 24, 28]);
/// Titles.
pub(crate) const INK: Colour = Colour::both([28, 31, 36], [231, 233, 236]);
/// Tick labels, captions.
pub(crate) const MUTED: Colour = Colour::both([92, 99, 110], [160, 167, 178]);
/// Axes.
pub(crate) const AXIS: Colour = Colour::both([160, 166, 176], [96, 103, 114]);
/// Grid lines.
pub(crate) const GRID: Colour = Colour::both([232, 234, 238], [45, 49, 56]);

const BLACK: Colour = Colour::both([0, 0, 0], [245, 246, 248]);
const ORANGE: Colour = Colour::mark(230, 159, 0);
const SKY: Colour = Colour::mark(86, 180, 233);
const GREEN: Colour = Colour::mark(0, 158, 115);
const YELLOW: Colour = Colour::mark(240, 228, 66);
const BLUE: Colour = Colour::mark(0, 114, 178);
const VERMILLION: Colour = Colour::mark(213, 94, 0);
/// Of what balances load alone.
const SILVER: Colour = Colour::mark(150, 156, 166);
const SLATE: Colour = Colour::mark(60, 66, 76);
const RASPBERRY: Colour = Colour::mark(190, 24, 93);
const PURPLE: Colour = Colour::mark(204, 121, 167);

/// The shape of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marker {
    Disc,
    Square,
    Diamond,
    Up,
    Down,
    Plus,
    Star,
}

impl Marker {
    /// Its corners, for a radius of 1; a disc has none.
    pub(crate) const fn outline(self) -> Option<&'static [(f64, f64)]> {
        match self {
            Self::Disc => None,
            Self::Square => Some(&[(-0.88, -0.88), (0.88, -0.88), (0.88, 0.88), (-0.88, 0.88)]),
            Self::Diamond => Some(&[(0.0, -1.25), (1.25, 0.0), (0.0, 1.25), (-1.25, 0.0)]),
            Self::Up => Some(&[(0.0, -1.2), (1.15, 0.85), (-1.15, 0.85)]),
            Self::Down => Some(&[(0.0, 1.2), (1.15, -0.85), (-1.15, -0.85)]),
            Self::Plus => Some(&[
                (-0.42, -1.2),
                (0.42, -1.2),
                (0.42, -0.42),
                (1.2, -0.42),
                (1.2, 0.42),
                (0.42, 0.42),
                (0.42, 1.2),
                (-0.42, 1.2),
                (-0.42, 0.42),
                (-1.2, 0.42),
                (-1.2, -0.42),
                (-0.42, -0.42),
            ]),
            // A five-pointed star: outer radius 1.35, inner radius 0.56.
            Self::Star => Some(&[
                (0.0, -1.35),
                (0.33, -0.45),
                (1.28, -0.42),
                (0.53, 0.17),
                (0.79, 1.09),
                (0.0, 0.56),
                (-0.79, 1.09),
                (-0.53, 0.17),
                (-1.28, -0.42),
                (-0.33, -0.45),
            ]),
        }
    }
}

/// How a policy looks.
#[derive(Clone, Debug)]
pub(crate) struct PolicyStyle {
    pub(crate) label: String,
    pub(crate) colour: Colour,
    pub(crate) marker: Marker,
    /// Width of its line, in pixels.
    pub(crate) width: f64,
    /// A bound rather than a policy that could be run.
    pub(crate) dashed: bool,
}

/// Key, label, colour and marker of each policy, in the order of legends; NetKV is drawn last but one. Every
/// policy has a colour of its own, which tells its family: what balances load is grey, Dynamo's are greens, SGLang's teal,
/// llm-d's blue, LMetric brown, those that choose pairs purple, the paper's NetKV and its parts vermillion, the guarded rule and its parts
/// orange, the joint one raspberry. Metrics that are drawn beside each other have a look as well.
const POLICIES: [(&str, &str, Colour, Marker); 38] = [
    ("round_robin", "Round-robin", PURPLE, Marker::Square),
    ("random", "Random", SILVER, Marker::Plus),
    ("power_of_two", "Power of two choices", MUTED, Marker::Diamond),
    ("jsq", "Shortest queue", SLATE, Marker::Down),
    ("load_aware", "Load-aware", GREEN, Marker::Down),
    ("cache_aware", "Cache-aware", SKY, Marker::Up),
    ("cache_load_aware", "Cache+load-aware (tuned)", BLUE, Marker::Diamond),
    ("dynamo_decode", "Dynamo", Colour::mark(104, 151, 33), Marker::Square),
    ("dynamo_topology_required", "Dynamo, domain required", Colour::mark(72, 112, 20), Marker::Up),
    ("dynamo_topology_preferred", "Dynamo, domain preferred", Colour::mark(150, 190, 80), Marker::Disc),
    ("dynamo_two_tier", "Dynamo two-tier", Colour::mark(190, 214, 30), Marker::Down),
    ("dep9118_static", "Dynamo DEP 9118 (static cost)", Colour::mark(38, 84, 48), Marker::Star),
    ("sglang_cache_aware", "SGLang cache-aware", Colour::mark(35, 190, 200), Marker::Square),
    ("smg_expected_wait", "SMG expected wait", Colour::mark(0, 128, 140), Marker::Disc),
    ("llmd", "llm-d 3:2:2", Colour::mark(70, 86, 190), Marker::Square),
    ("llmd_topology", "llm-d 3:2:2 + topology", Colour::mark(134, 142, 225), Marker::Up),
    ("llmd_affinity", "llm-d affinity + token load", Colour::mark(36, 44, 140), Marker::Disc),
    ("llmd_active", "llm-d P/D guide", Colour::mark(100, 116, 255), Marker::Diamond),
    ("llmd_topology_filter", "llm-d P/D guide + topology filter", Colour::mark(168, 172, 240), Marker::Star),
    ("lmetric", "LMetric", Colour::mark(120, 90, 60), Marker::Square),
    ("aibrix_pd", "AIBrix pd", Colour::mark(140, 68, 156), Marker::Up),
    ("mooncake_ttft", "Mooncake TTFT", Colour::mark(178, 120, 205), Marker::Disc),
    ("netkv_guarded_static", "NetKV guarded, static", Colour::mark(176, 128, 20), Marker::Plus),
    ("netkv_guarded_no_ledger", "Guarded, without ledger", Colour::mark(245, 200, 90), Marker::Square),
    ("netkv_guarded_no_cache", "Guarded, without cache term", Colour::mark(140, 100, 20), Marker::Up),
    ("netkv_guarded_no_load", "Guarded, without load term", Colour::mark(205, 170, 70), Marker::Down),
    ("netkv_flow", "NetKV flow (ours)", Colour::mark(96, 12, 44), Marker::Diamond),
    ("netkv_joint", "NetKV joint (ours)", RASPBERRY, Marker::Star),
    ("netkv_guarded", "NetKV guarded (ours)", ORANGE, Marker::Disc),
    ("netkv_topo_only", "NetKV, tiers alone", Colour::mark(150, 70, 10), Marker::Up),
    ("netkv_static", "NetKV static", Colour::mark(240, 140, 80), Marker::Plus),
    ("netkv", "NetKV", VERMILLION, Marker::Disc),
    ("script", "Your script", Colour::mark(90, 60, 40), Marker::Diamond),
    ("external", "External router", Colour::mark(60, 60, 60), Marker::Square),
    ("clairvoyant", "Clairvoyant (look-ahead)", BLACK, Marker::Star),
    ("rank_inversion_ratio", "Another way is first at present", VERMILLION, Marker::Diamond),
    ("rank_drift_ratio", "Bound: drift reaches the margin", BLACK, Marker::Square),
    ("choice_change_ratio", "NetKV would choose otherwise", BLUE, Marker::Down),
];

/// Rank of a policy in legends; unknown ones come last.
pub(crate) fn policy_rank(key: &str) -> usize {
    POLICIES.iter().position(|policy| policy.0 == key).unwrap_or(POLICIES.len())
}

/// Whether a policy is what its experiment is about: the paper's rule, or ours in its place.
pub(crate) fn is_netkv(key: &str) -> bool {
    ["netkv", "netkv_guarded"].contains(&key)
}

/// Whether a policy is the paper's rule or one of ours that stands in its place.
pub(crate) fn is_ours(key: &str) -> bool {
    is_netkv(key) || ["netkv_joint", "netkv_flow"].contains(&key)
}

/// The look of a policy; one that is not known is grey and called by its key.
pub(crate) fn policy(key: &str) -> PolicyStyle {
    let (label, colour, marker) = POLICIES
        .iter()
        .find(|policy| policy.0 == key)
        .map_or((key, MUTED, Marker::Square), |policy| (policy.1, policy.2, policy.3));
    PolicyStyle {
        label: label.to_owned(),
        colour,
        marker,
        width: if is_netkv(key) { 3.0 } else { 1.8 },
        dashed: ["clairvoyant", "rank_drift_ratio"].contains(&key),
    }
}

/// The looks of marks that stand beside each other in one row.
pub(crate) const MARKS: [(Marker, Colour); 6] = [
    (Marker::Disc, BLUE),
    (Marker::Diamond, VERMILLION),
    (Marker::Up, GREEN),
    (Marker::Square, MUTED),
    (Marker::Down, PURPLE),
    (Marker::Star, ORANGE),
];

/// What grows, and what falls.
pub(crate) const RISE: Colour = BLUE;
pub(crate) const FALL: Colour = VERMILLION;
/// What pays, and what harms: blue and orange are told apart by every eye.
pub(crate) const GOOD: Colour = BLUE;
pub(crate) const BAD: Colour = VERMILLION;

/// The look of a line that is no policy's, by its position.
pub(crate) fn one_of_many(position: usize, label: String) -> PolicyStyle {
    let (marker, colour) = MARKS[position % MARKS.len()];
    PolicyStyle { label, colour, marker, width: 1.8, dashed: (position / MARKS.len()) % 2 == 1 }
}

/// A part of a stacked bar: metric, label, colour.
type Part = (&'static str, &'static str, Colour);

/// The parts of the time to first token, in order of time, of which those that the network causes are warm; and the
/// distances of transfers, from near (light) to far (dark).
const PARTS: [Part; 11] = [
    ("ttft_prefill_queue_ns", "Prefill queue", Colour::mark(176, 183, 194)),
    ("ttft_prefill_compute_ns", "Prefill", BLUE),
    ("ttft_selection_ns", "Selection", YELLOW),
    ("ttft_admission_wait_ns", "Admission wait", PURPLE),
    ("ttft_transfer_ns", "KV transfer", VERMILLION),
    ("ttft_decode_wait_ns", "Decode wait", SKY),
    ("ttft_first_iteration_ns", "First iteration", GREEN),
    ("tier_node_ratio", "Same node", Colour::mark(205, 224, 240)),
    ("tier_rack_ratio", "Same rack", Colour::mark(122, 178, 216)),
    ("tier_pod_ratio", "Same pod", Colour::mark(36, 113, 176)),
    ("tier_core_ratio", "Between pods", Colour::mark(10, 48, 98)),
];

/// The metrics that tell how far transfers go, from near to far.
pub(crate) const TIERS: [&str; 4] = ["tier_node_ratio", "tier_rack_ratio", "tier_pod_ratio", "tier_core_ratio"];

/// Label and colour of a part of a bar; one that is not known is called by its key and coloured by its position.
pub(crate) fn part(metric: &str, position: usize) -> (String, Colour) {
    let known = PARTS.iter().find(|part| part.0 == metric).map(|part| (part.1.to_owned(), part.2));
    known.unwrap_or_else(|| (metric.to_owned(), MARKS[position % MARKS.len()].1))
}

/// Colours of a share, from none (white) to all (dark): matplotlib's magma reversed (CC0), its light end made white. Its
/// lightness falls evenly, so that it can be read without colours too.
const SHADES: [Colour; 10] = [
    WHITE,
    Colour::both([254, 202, 141], [48, 17, 84]),
    Colour::both([253, 150, 104], [81, 18, 124]),
    Colour::both([241, 96, 93], [121, 34, 130]),
    Colour::both([205, 64, 113], [161, 48, 126]),
    Colour::both([158, 47, 127], [205, 64, 113]),
    Colour::both([114, 31, 129], [241, 96, 93]),
    Colour::both([68, 15, 118], [253, 150, 104]),
    Colour::both([24, 15, 61], [254, 202, 141]),
    Colour::both([0, 0, 4], [252, 253, 191]),
];

/// The colour of a share between 0 and 1; what lies outside has that of the end.
pub(crate) fn shade(ratio: f64) -> Colour {
    let place = ratio.clamp(0.0, 1.0) * (SHADES.len() - 1) as f64;
    let lower = (place as usize).min(SHADES.len() - 2);
    let (from, to, share) = (SHADES[lower], SHADES[lower + 1], place - lower as f64);
    mixed(from, to, share)
}

/// Black or white, whichever is read more easily on `colour`.
pub(crate) fn readable_on(colour: Colour) -> Colour {
    colour.contrast(INK, WHITE)
}

/// The same for what matters less.
pub(crate) fn muted_on(colour: Colour) -> Colour {
    colour.contrast(mixed(INK, colour, 0.25), mixed(WHITE, colour, 0.2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use netkv_policy::PolicyConfig;

    #[test]
    fn every_policy_has_a_look_of_its_own() {
        for name in PolicyConfig::NAMES {
            assert!(policy_rank(name) < POLICIES.len(), "{name} has no style");
        }
        for (index, (key, label, colour, marker)) in POLICIES.iter().enumerate() {
            let same =
                POLICIES[..index].iter().find(|other| (other.2, other.3) == (*colour, *marker) || other.1 == *label);
            assert!(same.is_none(), "{key} looks like {same:?}");
            let is_policy = |key: &str| PolicyConfig::NAMES.contains(&key);
            let twin = POLICIES[..index].iter().find(|other| is_policy(other.0) && other.2 == *colour);
            assert!(!is_policy(key) || twin.is_none(), "{key} has the colour of {twin:?}");
        }
    }
}
