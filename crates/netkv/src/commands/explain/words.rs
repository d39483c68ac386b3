//! An explanation for people: tables of at most 120 columns, and sentences.

use super::explained::{Explained, after_prefill, foreseen_ms, ms, runner_up};
use netkv_policy::{PolicyConfig, Rating, Term};
use netkv_sim::{Considered, Decision, FirstToken, Outcome, SelectionMoment};
use netkv_units::SimTime;

/// What the columns of the first table are.
const SEEN: &str = "\
tier: how far it is from the prefill instance: same node, same rack, same pod, or over the core to another pod
running, pending: requests in its batch, and sent there but not decoding yet; tokens: KV cache of both together
free tokens: room for KV cache; queued: tokens of requests that wait for that; hit tokens: of this prompt in its cache
to move: KV cache less the hit; transfers: of ours that share a network interface with this one now
";

/// What those of the oracle's are.
const TOLD: &str = "B: bandwidth on the idle network; congestion c: share of it that was taken when it was measured\n";

/// The whole explanation.
pub fn of(explained: &Explained<'_>) -> String {
    let parts = [
        heading(explained),
        seen(explained),
        told(explained),
        reasons(explained),
        verdict(explained),
        hindsight(explained),
        best(explained),
    ];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

fn heading(explained: &Explained<'_>) -> String {
    let decision = &explained.explanation.decision;
    let record = &explained.explanation.outcomes[decision.chosen].record;
    let moment = if picks_both(explained) {
        "with its prefill instance, when it arrived"
    } else {
        match explained.scenario.selection {
            SelectionMoment::Arrival => "when it arrived",
            SelectionMoment::PrefillStart => "when its prefill began",
            SelectionMoment::PrefillDone => "when its prefill was done",
        }
    };
    format!(
        "cell {}: {}\nrequest {}: {} prompt tokens ({:.3} GB of KV cache), {} to answer, prefilled on instance {}\n\
         its decode instance was chosen {moment}, at {:.3} s, {:.1} ms after its arrival\n",
        explained.cell,
        explained.coordinates,
        record.request.get(),
        record.input_tokens,
        decision.prompt.kv_bytes.get() as f64 * 1e-9,
        record.output_tokens,
        decision.source.get(),
        decision.time.as_secs_f64(),
        ms(decision.time.since(record.arrival)),
    )
}

fn picks_both(explained: &Explained<'_>) -> bool {
    !explained.explanation.decision.prefill.is_empty()
}

/// Rows of text under a heading, aligned to the right; the first column marks the choice.
struct Table {
    title: String,
    rows: Vec<Vec<String>>,
}

impl Table {
    fn new(title: impl Into<String>, columns: impl IntoIterator<Item = String>) -> Self {
        Self { title: title.into(), rows: vec![[String::new()].into_iter().chain(columns).collect()] }
    }

    fn push(&mut self, mark: &str, cells: impl IntoIterator<Item = String>) {
        self.rows.push([mark.to_owned()].into_iter().chain(cells).collect());
    }

    fn text(&self) -> String {
        let n_columns = self.rows[0].len();
        let width = |column: usize| self.rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..n_columns).map(width).collect();
        let line = |row: &Vec<String>| {
            let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:>width$}")).collect();
            format!("{}\n", cells.join("  ").trim_end())
        };
        format!("{}\n{}", self.title, self.rows.iter().map(line).collect::<String>())
    }
}

fn columns<const N: usize>(names: [&str; N]) -> [String; N] {
    names.map(str::to_owned)
}

fn place(considered: &Considered) -> [String; 2] {
    [considered.known.instance.get().to_string(), considered.tier.name().to_owned()]
}

fn mark(decision: &Decision, index: usize) -> &'static str {
    if index == decision.chosen { ">" } else { "" }
}

/// What a scheduler knew about the instances.
fn seen(explained: &Explained<'_>) -> String {
    let decision = &explained.explanation.decision;
    let names = ["decode", "tier", "running", "pending", "tokens", "free tokens", "queued", "hit tokens"];
    let names = columns(names).into_iter().chain(columns(["to move GB", "transfers"]));
    let mut table = Table::new("What there was to see (a policy looks at a part of it)", names);
    for (index, considered) in decision.considered.iter().enumerate() {
        let known = &considered.known;
        let figures = [
            known.running.to_string(),
            known.pending.to_string(),
            known.committed_tokens().to_string(),
            known.free_tokens.to_string(),
            known.queued_tokens.to_string(),
            known.hit_tokens.to_string(),
            format!("{:.3}", known.transfer_bytes.get() as f64 * 1e-9),
            known.sharing_transfers.to_string(),
        ];
        table.push(mark(decision, index), place(considered).into_iter().chain(figures));
    }
    let mut text = table.text();
    text.push_str(SEEN);
    if picks_both(explained) {
        let names = columns(["prefill", "requests", "backlog tokens", "hit tokens"]);
        let mut table = Table::new("The prefill instances", names);
        for candidate in &decision.prefill {
            let mark = if candidate.instance == decision.source { ">" } else { "" };
            let figures = [
                candidate.instance.get().to_string(),
                candidate.requests.to_string(),
                candidate.backlog_tokens.to_string(),
                candidate.hit_tokens.to_string(),
            ];
            table.push(mark, figures);
        }
        text = format!("{text}\n{}", table.text());
    }
    text
}

/// What the oracle told of the ways.
fn told(explained: &Explained<'_>) -> String {
    let decision = &explained.explanation.decision;
    if decision.considered.iter().any(|considered| considered.told.is_none()) {
        return String::new();
    }
    let title = format!("What the oracle told of the ways, {:.0} ms old", ms(decision.age));
    let mut table = Table::new(title, columns(["decode", "tier", "B GB/s", "latency us", "congestion c"]));
    for (index, considered) in decision.considered.iter().enumerate() {
        let path = considered.told.expect("all were told");
        let figures = [
            format!("{:.3}", path.bandwidth_bytes_per_sec * 1e-9),
            format!("{:.1}", ms(path.latency) * 1e3),
            format!("{:.4}", path.congestion_ratio),
        ];
        table.push(mark(decision, index), place(considered).into_iter().chain(figures));
    }
    format!("{}{TOLD}", table.text())
}

/// How the policy rated the instances.
fn reasons(explained: &Explained<'_>) -> String {
    let decision = &explained.explanation.decision;
    let Some(first) = decision.considered[0].rating.as_ref() else { return String::new() };
    let header = |name: &str, unit: &str| format!("{name} {unit}").trim_end().to_owned();
    let has_sum = first.terms.len() > 1;
    let terms: Vec<Term> = first.terms.iter().map(shown_term).collect();
    let names = columns(["decode", "tier"]).into_iter();
    let names = names.chain(terms.iter().map(|term| header(term.name, term.unit)));
    let classes = classes(decision);
    let has_class = classes.len() > 1;
    let names = names.chain(has_sum.then(|| header("sum", terms[0].unit)));
    let names = names.chain(has_class.then(|| "class".to_owned()));
    let least = if has_sum { "least sum" } else { "least value" };
    let wins = if has_class { format!("of the best class the {least} wins") } else { format!("the {least} wins") };
    let title = format!("How {} rated them: {wins}", explained.scenario.policy.name());
    let mut table = Table::new(title, names);
    for (index, considered) in decision.considered.iter().enumerate() {
        let Some(rating) = &considered.rating else { continue };
        let values = rating.terms.iter().map(|term| amount(&shown_term(term)));
        let sum = has_sum.then(|| amount(&sum_of(rating)));
        let class = has_class.then(|| rating.standing.to_owned());
        let cells = place(considered).into_iter().chain(values).chain(sum).chain(class);
        table.push(mark(decision, index), cells);
    }
    let mut text = table.text();
    match classes[..] {
        [] | [""] => {}
        [all] => text.push_str(&format!("all of one class: {all}\n")),
        _ => text.push_str(&format!("class: compared before the sum, the best first: {}\n", classes.join("; "))),
    }
    text
}

/// The classes that a rule puts instances into before it compares their sums, the best first.
fn classes(decision: &Decision) -> Vec<&'static str> {
    let ratings = decision.considered.iter().filter_map(|considered| considered.rating.as_ref());
    let mut classes: Vec<(u8, &str)> = ratings.map(|rating| (rating.rank, rating.standing)).collect();
    classes.sort_unstable();
    classes.dedup();
    classes.into_iter().map(|(_, class)| class).collect()
}

/// A rating's sum, as its terms are shown.
fn sum_of(rating: &Rating) -> Term {
    shown_term(&Term::new("sum", rating.terms[0].unit, rating.cost()))
}

/// The amount of a term; what is counted in whole numbers as such.
fn amount(term: &Term) -> String {
    // Without the sign of a zero.
    let value = term.value + 0.0;
    match term.unit {
        "tokens" | "requests" => format!("{value:.0}"),
        "blocks" => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}

/// A term in the unit in which it is shown: times in milliseconds.
fn shown_term(term: &Term) -> Term {
    if term.unit == "s" { Term::new(term.name, "ms", term.value * 1e3) } else { *term }
}

/// Who won and why.
fn verdict(explained: &Explained<'_>) -> String {
    let decision = &explained.explanation.decision;
    let name = explained.scenario.policy.name();
    let of = |index: usize| decision.considered[index].known.instance.get();
    let chosen = of(decision.chosen);
    let rating = |index: usize| decision.considered[index].rating.as_ref();
    let next = runner_up(explained.explanation);
    let Some((next, own, other)) = next.and_then(|next| Some((next, rating(decision.chosen)?, rating(next)?))) else {
        return format!(
            "{name} chose instance {chosen}: {}.\n",
            rule(&explained.scenario.policy, decision.considered.len())
        );
    };
    let why = if own.rank == other.rank {
        margin(own, other)
    } else {
        format!("its class is \"{}\", that of the next \"{}\".", own.standing, other.standing)
    };
    format!("{name} chose instance {chosen} before instance {}:\n{why}\n", of(next))
}

/// By how much a rating is better than another, and by which term.
fn margin(own: &Rating, other: &Rating) -> String {
    let with_unit = |term: &Term| format!("{} {}", amount(term), term.unit).trim_end().to_owned();
    let lead = |own: &Term, other: &Term| Term { value: other.value - own.value, ..*own };
    let (sum, other_sum) = (sum_of(own), sum_of(other));
    let whole = lead(&sum, &other_sum);
    if whole.value <= 0.0 {
        return format!("a tie at {}.", with_unit(&sum));
    }
    let whole = format!("{} against {}, better by {}.", with_unit(&sum), with_unit(&other_sum), with_unit(&whole));
    let leads = own.terms.iter().zip(&other.terms).map(|(own, other)| lead(&shown_term(own), &shown_term(other)));
    let most = leads.max_by(|one, two| one.value.total_cmp(&two.value)).expect("a rating has terms");
    if own.terms.len() == 1 {
        return whole;
    }
    format!("{whole}\nThe term \"{}\" decides: it is better by {}.", most.name, with_unit(&most))
}

/// The rule of a policy that rates nobody, or had nobody to compare with.
fn rule(policy: &PolicyConfig, n_instances: usize) -> &'static str {
    match policy.name() {
        _ if n_instances == 1 => "there is no other",
        "round_robin" => "it was its turn",
        "random" => "it was drawn, all alike",
        "power_of_two" => "of two that were drawn, it had no more requests in flight",
        "aibrix_pd" => "AIBrix's steps and scores led to this pair, which are no sum of terms",
        _ => "its rule is no sum of terms (docs/policies.md)",
    }
}

/// What came of the choice, and would have come of the others.
fn hindsight(explained: &Explained<'_>) -> String {
    let explanation = explained.explanation;
    let decision = &explanation.decision;
    let best = explanation.best_in_hindsight();
    let names =
        ["decode", "tier", "foreseen", "came", "memory", "transfer", "batch", "iteration", "TTFT", "TBT", "SLO"];
    let names = columns(names).into_iter().chain(columns(["all: TTFT", "change %", "SLO %"]));
    let title = "In hindsight, in ms: the run again with each choice (foreseen: if nobody else came; came: after prefill;\n\
                 memory to iteration: its parts; all: every request that counts; * the least TTFT)";
    let mut table = Table::new(title, names);
    for (index, outcome) in explanation.outcomes.iter().enumerate() {
        let mark = format!("{}{}", if index == best { "*" } else { "" }, mark(decision, index));
        let foreseen = foreseen_ms(explanation, &decision.considered[index]);
        let first = place(&decision.considered[index]).into_iter().chain([short(foreseen)]);
        let own = own_times(outcome).into_iter();
        let all = all_figures(outcome, &explanation.outcomes[decision.chosen]);
        table.push(&mark, first.chain(own).chain(all));
    }
    table.text()
}

/// Milliseconds with a decimal, long times without.
fn short(value: Option<f64>) -> String {
    let shown = |value: f64| if value < 1e4 { format!("{value:.1}") } else { format!("{value:.0}") };
    value.map_or_else(|| "-".to_owned(), shown)
}

fn own_times(outcome: &Outcome) -> [String; 8] {
    let record = &outcome.record;
    let parts = &record.parts;
    let times =
        [after_prefill(outcome), parts.admission_wait, parts.transfer, parts.decode_wait, parts.first_iteration];
    let [came, memory, transfer, batch, iteration] = times.map(|time| short(Some(ms(time))));
    let tbt = record.tbt_mean_ns().map(|nanos| nanos * 1e-6);
    let slo = if record.slo_attained { "yes" } else { "no" };
    [came, memory, transfer, batch, iteration, short(Some(ms(record.ttft))), short(tbt), slo.to_owned()]
}

/// Mean TTFT and SLO attainment of all requests, and by how much the mean differs from that of the run as it was.
fn all_figures(outcome: &Outcome, actual: &Outcome) -> [String; 3] {
    let change = outcome.ttft_mean_ns.zip(actual.ttft_mean_ns).map(|(mean, was)| (mean / was - 1.0) * 100.0);
    [
        short(outcome.ttft_mean_ns.map(|nanos| nanos * 1e-6)),
        change.map_or_else(|| "-".to_owned(), |percent| format!("{percent:+.2}")),
        outcome.slo_attainment_ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{:.2}", ratio * 100.0)),
    ]
}

/// Which choice hindsight would have made.
fn best(explained: &Explained<'_>) -> String {
    let explanation = explained.explanation;
    let (decision, best) = (&explanation.decision, explanation.best_in_hindsight());
    let instance = decision.considered[best].known.instance.get();
    if explained.scenario.first_token == FirstToken::Prefill {
        return "The first token came from the prefill side, so no choice changes TTFT: see TBT.\n".to_owned();
    }
    let own = &explanation.outcomes[decision.chosen];
    if best == decision.chosen {
        return format!(
            "Hindsight would have chosen the same: no instance gives a lower TTFT than instance {instance}.\n"
        );
    }
    let saved = ms(own.record.ttft) - ms(explanation.outcomes[best].record.ttft);
    let never = decision.considered[best].foreseen.first_token == SimTime::NEVER;
    let earliest = |index: &usize| decision.considered[*index].foreseen.first_token;
    let foreseen = (0..decision.considered.len()).min_by_key(earliest) == Some(best) && !never;
    let could = if foreseen { "a look-ahead by the true state shows it" } else { "the true state did not show it" };
    format!("Hindsight would have chosen instance {instance}: {saved:.1} ms less TTFT; at the decision, {could}.\n")
}
