//! What a script is shown: the signals of [`netkv_policy`], as values with fields.
//!
//! Counts are whole numbers; seconds, ratios and rates are not. Names are those of the crate; docs/policies.md lists them.

use netkv_policy::{
    Candidate, PathCost, PrefillCandidate, PromptView, RequestEvent, RequestStep, TransferEvent, TransferStep,
};
use netkv_units::InstanceId;
use rhai::{Engine, INT};
use std::sync::Arc;

/// A prompt, or a request with the instance where it was computed.
#[derive(Clone)]
pub(crate) struct Prompt {
    view: PromptView,
    source: Option<InstanceId>,
    /// Those of the experiment.
    parameters: rhai::Array,
}

impl Prompt {
    /// That of a decision of a script.
    pub(crate) fn new(view: PromptView, source: Option<InstanceId>, parameters: &[f64]) -> Self {
        let parameters = parameters.iter().map(|&number| rhai::Dynamic::from(number)).collect();
        Self { view, source, parameters }
    }
}

/// A decode instance, with the way to it if the source is known.
#[derive(Clone)]
pub(crate) struct Decode(pub(crate) Arc<(Candidate, Option<PathCost>)>);

/// A prefill instance, with the ways to the decode instances.
#[derive(Clone)]
pub(crate) struct Prefill(pub(crate) Arc<(PrefillCandidate, Vec<PathCost>)>);

/// The way between two instances.
#[derive(Clone, Copy)]
pub(crate) struct Path(PathCost);

/// A step of a transfer, or of a request.
#[derive(Clone, Copy)]
pub(crate) struct Transfer(pub(crate) TransferEvent);

/// A step of a request.
#[derive(Clone, Copy)]
pub(crate) struct Step(pub(crate) RequestEvent);

fn whole(number: impl TryInto<INT>) -> INT {
    number.try_into().unwrap_or(INT::MAX)
}

/// Registers a getter for each field: `name: expression of the value`.
macro_rules! fields {
    ($engine:expr, $what:ident as $kind:ty { $($name:ident: $value:expr),+ $(,)? }) => {
        $(
            $engine.register_get(stringify!($name), |$what: &mut $kind| $value);
        )+
    };
}

/// Registers all there is to see.
pub(crate) fn register(engine: &mut Engine) {
    engine.register_type_with_name::<Prompt>("request").register_type_with_name::<Decode>("candidate");
    engine.register_type_with_name::<Prefill>("prefill candidate").register_type_with_name::<Path>("path");
    engine.register_type_with_name::<Transfer>("transfer").register_type_with_name::<Step>("step");
    fields!(engine, it as Prompt {
        request: whole(it.view.request.get()),
        input_tokens: whole(it.view.input_tokens),
        kv_bytes: whole(it.view.kv_bytes.get()),
        now_s: it.view.now.as_secs_f64(),
        ttft_left_s: it.view.ttft_left.as_secs_f64(),
        parameters: it.parameters.clone(),
        source: it.source.map_or(-1, |source| whole(source.get())),
    });
    register_decode(engine);
    fields!(engine, it as Prefill {
        instance: whole(it.0.0.instance.get()),
        requests: whole(it.0.0.requests),
        backlog_tokens: whole(it.0.0.backlog_tokens),
        backlog_pairs: whole(it.0.0.backlog_pairs),
        hit_tokens: whole(it.0.0.hit_tokens),
        paths: it.0.1.iter().map(|&path| rhai::Dynamic::from(Path(path))).collect::<rhai::Array>(),
    });
    fields!(engine, it as Path {
        tier: it.0.tier.name(),
        bytes_per_s: it.0.bandwidth_bytes_per_sec,
        latency_s: it.0.latency.as_secs_f64(),
        congestion_ratio: it.0.congestion_ratio,
        counts_in_flight: it.0.counts_in_flight,
        age_s: it.0.age.as_secs_f64(),
    });
    fields!(engine, it as Transfer {
        source: whole(it.0.source.get()),
        destination: whole(it.0.destination.get()),
        tier: it.0.tier.name(),
        bytes: whole(it.0.bytes.get()),
        now_s: it.0.now.as_secs_f64(),
        step: transfer_step(it.0.step),
    });
    fields!(engine, it as Step {
        request: whole(it.0.request.get()),
        instance: whole(it.0.instance.get()),
        now_s: it.0.now.as_secs_f64(),
        step: request_step(it.0.step),
    });
}

fn register_decode(engine: &mut Engine) {
    fields!(engine, it as Decode {
        instance: whole(it.0.0.instance.get()),
        running: whole(it.0.0.running),
        pending: whole(it.0.0.pending),
        max_batch: whole(it.0.0.max_batch),
        running_tokens: whole(it.0.0.running_tokens),
        pending_tokens: whole(it.0.0.pending_tokens),
        capacity_tokens: whole(it.0.0.capacity_tokens),
        free_tokens: whole(it.0.0.free_tokens),
        queued_tokens: whole(it.0.0.queued_tokens),
        hit_tokens: whole(it.0.0.hit_tokens),
        transfer_bytes: whole(it.0.0.transfer_bytes.get()),
        sharing_transfers: whole(it.0.0.sharing_transfers),
        source_tier_transfers: whole(it.0.0.source_tier_transfers),
        in_flight_prompt_tokens: whole(it.0.0.in_flight_prompt_tokens),
        reported_running: whole(it.0.0.report.running),
        reported_waiting: whole(it.0.0.report.waiting),
        reported_waiting_tokens: whole(it.0.0.report.waiting_tokens),
        reported_used_tokens: whole(it.0.0.report.used_tokens),
        reported_tokens_per_s: it.0.0.report.generated_tokens_per_sec,
        reported_requests_per_s: it.0.0.report.finished_requests_per_sec,
        dispatched_requests: whole(it.0.0.dispatched.requests),
        dispatched_tokens: whole(it.0.0.dispatched.tokens),
        path: it.0.1.map_or(rhai::Dynamic::UNIT, |path| rhai::Dynamic::from(Path(path))),
    });
}

const fn transfer_step(step: TransferStep) -> &'static str {
    match step {
        TransferStep::Begun => "begun",
        TransferStep::Ended => "ended",
        TransferStep::Cut => "cut",
    }
}

const fn request_step(step: RequestStep) -> &'static str {
    match step {
        RequestStep::Sent => "sent",
        RequestStep::Computed => "computed",
        RequestStep::Joined => "joined",
        RequestStep::Finished => "finished",
        RequestStep::Recalled => "recalled",
    }
}
