//! Chat sessions: start times on a slow trend, then turns until the session ends or the trace does.

use super::emit::{Event, Session};
use super::parameters::{Conversation, Parameters, bucket, round};
use super::random::{STARTS_STREAM, SplitMix64, stratified};
use crate::trace::BLOCK_TOKENS;

const BLOCK: i64 = BLOCK_TOKENS as i64;

/// When sessions start, and how readily they go on.
pub(super) struct Schedule {
    n_sessions: u32,
    pub(super) warm_s: f64,
    pub(super) duration_s: f64,
    slope: f64,
    /// What the odds of going on are multiplied by, after each turn.
    pub(super) continue_odds: f64,
}

impl Schedule {
    /// The schedule of the conversation trace, made longer.
    pub(super) fn of_conversation(conversation: &Conversation, length_factor: u32) -> Self {
        Self::new(conversation, conversation.n_sessions, conversation.slope, length_factor)
    }

    /// `n_sessions` sessions over the warm-up and a trace of the usual length; a longer trace has more of them, so many
    /// that the rate stays.
    pub(super) fn new(conversation: &Conversation, n_sessions: u32, slope: f64, length_factor: u32) -> Self {
        let (warm_s, duration_s) = (conversation.warm_s, conversation.duration_s);
        let once = Self { n_sessions, warm_s, duration_s, slope, continue_odds: 1.0 };
        let duration_s = once.duration_s * f64::from(length_factor);
        let longer = Self { duration_s, ..once };
        let (warm, trace) = longer.masses();
        let once_trace = trace / f64::from(length_factor);
        let n_sessions = round(f64::from(n_sessions) * ((warm + trace) / (warm + once_trace)));
        Self { n_sessions: u32::try_from(n_sessions).expect("a trace has fewer than 2^32 sessions"), ..longer }
    }

    /// Session density before the trace, relative to its mean.
    fn warm_density(&self) -> f64 {
        1.0 - self.slope / 2.0
    }

    /// Integrals of the density over the warm-up and over the trace.
    fn masses(&self) -> (f64, f64) {
        let end = self.duration_s;
        let warm = self.warm_s * self.warm_density();
        (warm, end * self.warm_density() + self.slope * end * end / (2.0 * self.duration_s))
    }

    /// Sorted start times with density 1 + slope (t / T - 1/2), flat before 0, by its inverse distribution function.
    fn starts(&self, seed: u64) -> Vec<f64> {
        let mut random = SplitMix64::stream(seed, STARTS_STREAM);
        let density = self.warm_density();
        let (warm, trace) = self.masses();
        let curvature = self.slope / (2.0 * self.duration_s);
        let mut starts: Vec<f64> = (0..self.n_sessions)
            .map(|_| {
                let mass = random.unit() * (warm + trace);
                if mass < warm {
                    return -self.warm_s + mass / density;
                }
                let mass = mass - warm;
                if curvature == 0.0 {
                    return mass / density;
                }
                (-density + (density * density + 4.0 * curvature * mass).sqrt()) / (2.0 * curvature)
            })
            .collect();
        starts.sort_by(f64::total_cmp);
        starts
    }
}

/// All turns of all sessions, session by session.
pub(super) fn events(parameters: &Parameters, schedule: &Schedule, seed: u64) -> Vec<Event> {
    let starts = schedule.starts(seed);
    let first_inputs = stratified(seed, starts.len());
    let mut events = Vec::with_capacity(2 * starts.len());
    for ((session, start_s), first_input_u) in (0..).zip(starts).zip(first_inputs) {
        let random = SplitMix64::stream(seed, u64::from(session) + 1);
        let (session, end_s) = (Session::Main(session), schedule.duration_s);
        let writer = SessionWriter { parameters, random, session, end_s, continue_odds: schedule.continue_odds };
        writer.write(start_s, first_input_u, &mut events);
    }
    events
}

/// How a turn follows from the one before. Positions in `kind_probs` and `rho_ol`.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Continuation {
    /// The answer and a new question are appended.
    Append,
    /// The same prompt again.
    Exact,
    /// An earlier point of the conversation is taken up again.
    Branch,
}

impl Continuation {
    pub(super) fn draw(probabilities: &[f64; 3], random: &mut SplitMix64) -> Self {
        let u = random.unit();
        if u < probabilities[0] {
            Self::Append
        } else if u < probabilities[0] + probabilities[1] {
            Self::Exact
        } else {
            Self::Branch
        }
    }
}

/// Writes the turns of one session.
pub(super) struct SessionWriter<'a> {
    pub(super) parameters: &'a Parameters,
    pub(super) random: SplitMix64,
    pub(super) session: Session,
    /// No turn comes after this.
    pub(super) end_s: f64,
    /// What the odds of going on are multiplied by.
    pub(super) continue_odds: f64,
}

impl SessionWriter<'_> {
    /// Adds the turns of a session that starts at `start_s` with the quantile `first_input_u` of first prompts.
    pub(super) fn write(mut self, start_s: f64, first_input_u: f64, events: &mut Vec<Event>) {
        let model = &self.parameters.conversation;
        let mut at_s = start_s;
        let mut input = self.parameters.length_quantile(&model.first_il, first_input_u);
        let mut output_u = self.random.unit();
        let mut shared = None;
        // Every turn goes on with probability below 1, so this ends; the bound is far beyond any session seen (43).
        for turn in 0..10_000 {
            let output = self.parameters.length_quantile(&model.ol, output_u);
            events.push(event(at_s, self.session, turn, input, output, shared));
            let probability = continue_probability(model, turn, input);
            if self.random.unit() >= with_odds(probability, self.continue_odds) {
                return;
            }
            let lag = &model.lag_s[bucket(&model.lag_edges, input)];
            at_s += self.parameters.quantile(lag, self.random.unit());
            if at_s > self.end_s {
                return;
            }
            let next = next_prompt(self.parameters, &mut self.random, input, output);
            if next.input > model.il_max {
                return;
            }
            (input, shared) = (next.input, Some(next.shared_blocks));
            output_u = self.random.keep_or_redraw(output_u, model.rho_ol[next.kind as usize]);
        }
        panic!("a session of 10,000 turns: the parameters let sessions go on for ever");
    }
}

/// The prompt of a turn that follows.
pub(super) struct NextPrompt {
    pub kind: Continuation,
    /// Its length in tokens.
    pub input: i64,
    /// Blocks of the prompt before that it begins with.
    pub shared_blocks: i64,
}

/// The prompt that follows one of `input` tokens and its answer of `output`.
pub(super) fn next_prompt(parameters: &Parameters, random: &mut SplitMix64, input: i64, output: i64) -> NextPrompt {
    let model = &parameters.conversation;
    let full_blocks = input / BLOCK;
    let root_blocks = i64::from(model.root_blocks);
    let drawn = Continuation::draw(&model.kind_probs[bucket(&model.kind_il_edges, input)], random);
    let too_short = full_blocks <= root_blocks + 1;
    let kind = if drawn == Continuation::Branch && too_short { Continuation::Append } else { drawn };
    match kind {
        Continuation::Append => {
            let table = &model.delta_tables[bucket(&model.delta_edges, input)];
            let delta = parameters.draw_whole(table, random);
            let longer = (input + output + delta).max(BLOCK * full_blocks + 1);
            NextPrompt { kind, input: longer, shared_blocks: full_blocks }
        }
        Continuation::Exact => NextPrompt { kind, input, shared_blocks: (input + BLOCK - 1) / BLOCK },
        Continuation::Branch => {
            let fraction = parameters.quantile(&model.branch_frac, random.unit());
            let shared_blocks = round(fraction * full_blocks as f64).max(root_blocks + 1).min(full_blocks - 1);
            let table = &model.branch_ratio[bucket(&model.branch_ratio_edges, input)];
            let ratio = parameters.quantile(table, random.unit());
            let other = round(input as f64 * ratio).max(BLOCK * shared_blocks + 1);
            NextPrompt { kind, input: other, shared_blocks }
        }
    }
}

/// The probability that a session goes on after this turn.
pub(super) fn continue_probability(model: &Conversation, turn: u32, input: i64) -> f64 {
    let last = model.p_cont.len() - 1;
    let by_turn = if turn == 0 && input < model.cont_il_min {
        model.p_cont_small
    } else {
        model.p_cont[(turn as usize).min(last)]
    };
    if input >= model.cont_il_long { by_turn * model.p_cont_long_mult } else { by_turn }
}

/// A probability whose odds are multiplied; by 1 it stays the same to the bit.
fn with_odds(probability: f64, factor: f64) -> f64 {
    probability * factor / (1.0 + probability * (factor - 1.0))
}

/// An event from lengths that are whole and positive.
pub(super) fn event(
    at_s: f64,
    session: Session,
    turn: u32,
    input: i64,
    output: i64,
    shared_blocks: Option<i64>,
) -> Event {
    let tokens = |length: i64| u32::try_from(length).expect("lengths lie between 1 and the longest in the tables");
    Event {
        at_s,
        session,
        turn,
        input_tokens: tokens(input),
        output_tokens: tokens(output),
        shared_blocks: shared_blocks.map(tokens),
        begins_as: None,
    }
}
