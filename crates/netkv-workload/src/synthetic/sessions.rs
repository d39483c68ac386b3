//! The trace that its authors call synthetic: a fixed multiset of sessions, whose turns come at the times of one Poisson
//! process. Each arrival picks a session that still has requests, which alone makes the hit rate drift upwards.

use super::conversation::{Continuation, event};
use super::emit::{Event, Session};
use super::parameters::{Parameters, bucket};
use super::random::{ARRIVALS_STREAM, SplitMix64, stratified};
use crate::trace::BLOCK_TOKENS;

const BLOCK: i64 = BLOCK_TOKENS as i64;

/// Sessions take the streams from this number on.
const FIRST_SESSION_STREAM: u64 = 100;

/// A turn without its time.
struct Turn {
    input: i64,
    output: i64,
    shared: Option<i64>,
}

/// All requests, in order of arrival.
pub(super) fn events(parameters: &Parameters, seed: u64, length_factor: u32) -> Vec<Event> {
    let model = &parameters.synthetic;
    let sizes: Vec<u32> = model
        .session_sizes
        .iter()
        .flat_map(|&(size, count)| std::iter::repeat_n(size, count as usize * length_factor as usize))
        .collect();
    let n_requests: usize = sizes.iter().map(|&size| size as usize).sum();
    assert_eq!(n_requests, model.n * length_factor as usize, "the session sizes add up to the number of requests");
    let first_input_u = first_input_uniforms(parameters, &sizes, seed);
    let sessions: Vec<Vec<Turn>> = sizes
        .iter()
        .zip(first_input_u)
        .zip(FIRST_SESSION_STREAM..)
        .map(|((&size, u), stream)| turns(parameters, size, u, SplitMix64::stream(seed, stream)))
        .collect();

    let mut random = SplitMix64::stream(seed, ARRIVALS_STREAM);
    let duration_s = model.duration_s * f64::from(length_factor);
    let mut times_s: Vec<f64> = (0..n_requests).map(|_| random.unit() * duration_s).collect();
    times_s.sort_by(f64::total_cmp);
    let mut picker = Picker::new(&sizes);
    let next_event = |at_s| {
        let (session, turn) = picker.pick(model.mix, &mut random);
        let Turn { input, output, shared } = &sessions[session][turn as usize];
        let session = u32::try_from(session).expect("a trace has fewer than 2^32 sessions");
        event(at_s, Session::Main(session), turn, *input, *output, *shared)
    };
    times_s.into_iter().map(next_event).collect()
}

/// The class of a session size: longer sessions begin with other lengths.
fn size_class(parameters: &Parameters, size: u32) -> usize {
    parameters.synthetic.size_class_edges.partition_point(|&edge| size > edge)
}

/// For each session the uniform of its first input, stratified within its size class.
fn first_input_uniforms(parameters: &Parameters, sizes: &[u32], seed: u64) -> Vec<f64> {
    let mut uniforms = vec![0.0; sizes.len()];
    for class in 0..parameters.synthetic.first_il.len() {
        let members: Vec<usize> = (0..sizes.len()).filter(|&idx| size_class(parameters, sizes[idx]) == class).collect();
        let strata = stratified(seed.wrapping_add(class as u64 + 1), members.len());
        for (member, u) in members.into_iter().zip(strata) {
            uniforms[member] = u;
        }
    }
    uniforms
}

/// The turns of one session.
fn turns(parameters: &Parameters, size: u32, first_input_u: f64, mut random: SplitMix64) -> Vec<Turn> {
    let model = &parameters.synthetic;
    let mut input = parameters.length_quantile(&model.first_il[size_class(parameters, size)], first_input_u);
    let mut output_u = random.unit();
    let output_tables = &model.ol[usize::from(size > 1)];
    let mut shared = None;
    let mut turns = Vec::with_capacity(size as usize);
    for _ in 0..size {
        let output = parameters.length_quantile(&output_tables[bucket(&model.ol_edges, input)], output_u);
        turns.push(Turn { input, output, shared });
        let kind = next_kind(parameters, input, &mut random);
        let full_blocks = input / BLOCK;
        let next_shared = match kind {
            Continuation::Append => {
                let table = &model.delta_tables[bucket(&model.delta_edges, input)];
                input = (input + parameters.draw_whole(table, &mut random)).max(BLOCK * full_blocks + 1);
                full_blocks
            }
            Continuation::Exact => (input + BLOCK - 1) / BLOCK,
            Continuation::Branch => {
                let dropped = parameters.draw_whole(&model.branch_drop, &mut random).max(1);
                let kept = (full_blocks - dropped).max(1);
                input = (input + parameters.draw_whole(&model.branch_inc, &mut random)).max(BLOCK * kept + 1);
                kept
            }
        };
        shared = Some(next_shared);
        output_u = random.keep_or_redraw(output_u, model.rho_ol[kind as usize]);
    }
    turns
}

/// How the next turn follows; a prompt too short to branch is appended to, and one shorter than a block repeated.
fn next_kind(parameters: &Parameters, input: i64, random: &mut SplitMix64) -> Continuation {
    let model = &parameters.synthetic;
    let full_blocks = input / BLOCK;
    match Continuation::draw(&model.kind_probs[bucket(&model.kind_il_edges, input)], random) {
        Continuation::Append if full_blocks < 1 => Continuation::Exact,
        Continuation::Branch if full_blocks < 1 => Continuation::Exact,
        Continuation::Branch if full_blocks < 2 => Continuation::Append,
        kind @ (Continuation::Append | Continuation::Exact | Continuation::Branch) => kind,
    }
}

/// Picks the session of each arrival.
struct Picker<'a> {
    sizes: &'a [u32],
    /// How many requests of each session have come.
    taken: Vec<u32>,
    /// Sessions with requests left, and each session's place among them.
    alive: Vec<usize>,
    alive_idx: Vec<usize>,
    /// Each session, as many times as it has requests.
    slots: Vec<usize>,
}

impl<'a> Picker<'a> {
    fn new(sizes: &'a [u32]) -> Self {
        let slots = sizes.iter().enumerate().flat_map(|(idx, &size)| std::iter::repeat_n(idx, size as usize)).collect();
        let everyone: Vec<usize> = (0..sizes.len()).collect();
        Self { sizes, taken: vec![0; sizes.len()], alive_idx: everyone.clone(), alive: everyone, slots }
    }

    /// The next session and turn: a live session picked uniformly, or, with probability `mix`, in proportion to its
    /// remaining requests.
    fn pick(&mut self, mix: f64, random: &mut SplitMix64) -> (usize, u32) {
        let session = if random.unit() < mix {
            self.pick_by_remaining(random)
        } else {
            self.alive[random.below(self.alive.len())]
        };
        let turn = self.taken[session];
        self.taken[session] += 1;
        if self.taken[session] == self.sizes[session] {
            let hole = self.alive_idx[session];
            self.alive.swap_remove(hole);
            if let Some(&moved) = self.alive.get(hole) {
                self.alive_idx[moved] = hole;
            }
        }
        (session, turn)
    }

    /// By rejection. Some session is alive, so a try succeeds with probability at least 1 / number of requests.
    fn pick_by_remaining(&self, random: &mut SplitMix64) -> usize {
        assert!(!self.alive.is_empty(), "a session has requests left");
        loop {
            let session = self.slots[random.below(self.slots.len())];
            let (size, taken) = (self.sizes[session], self.taken[session]);
            if taken < size && random.unit() * f64::from(size) < f64::from(size - taken) {
                return session;
            }
        }
    }
}
