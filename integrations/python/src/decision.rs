//! One decision of a policy, with the parameters that an experiment file would give it.

use crate::keys::Keys;
use crate::paths::{Paths, Told, nanoseconds, tier};
use netkv_grid::{Experiment, LoadOptions, Overrides, Workloads};
use netkv_policy::{
    Candidate, Dispatched, Estimates, IterationModel, PolicyConfig, PrefillCandidate, PrefillModel, PromptView, Rating,
    Report, RequestView, Selector, TransferEvent, TransferStep,
};
use netkv_units::{Bytes, InstanceId, RequestId, SimDuration, SimTime};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// An experiment that is read and never run: all of it is netkv's own base, but for a workload that costs nothing.
const BARE: &str = "extends = 'builtin:base'\nname = 'policy'\nfigure = []\nseeds = [1]\n\
    [workload]\ntrace = 'synthetic:conversation:1'\nmax_requests = 50\n[measure]\nwarmup_s = 0.0\n";

/// A policy that is ready to decide. `python/netkv/_netkv.pyi` says what users may rely on.
#[pyclass(module = "netkv")]
pub struct Policy {
    selector: Mutex<Selector>,
    name: &'static str,
    kv_bytes_per_token: u64,
}

/// Instances that were asked about, in ascending order.
struct Asked {
    prompt: PromptView,
    candidates: Vec<Candidate>,
    prefill: Vec<PrefillCandidate>,
    source: Option<InstanceId>,
    paths: Paths,
}

#[pymethods]
impl Policy {
    #[new]
    #[pyo3(signature = (name, *, experiment = None, set = Vec::new(), seed = 1))]
    fn new(name: &str, experiment: Option<PathBuf>, set: Vec<(String, String)>, seed: u64) -> PyResult<Self> {
        let bare = tempfile::Builder::new().suffix(".toml").tempfile()?;
        std::fs::write(bare.path(), BARE)?;
        let path = experiment.unwrap_or_else(|| bare.path().to_owned());
        let set = std::iter::once(("policy.name".to_owned(), format!("{name:?}"))).chain(set).collect();
        let options = LoadOptions {
            trace_dir: std::env::var_os("NETKV_TRACE_DIR").map(PathBuf::from),
            overrides: Overrides { set, seeds: None },
            ..LoadOptions::default()
        };
        let experiment = Experiment::load(&path, &options).map_err(|errors| {
            let shown = errors.to_string();
            PyValueError::new_err(shown.replace(&bare.path().display().to_string(), "set"))
        })?;
        let cell = experiment.cell(0).ok_or_else(|| PyValueError::new_err("the experiment has no cell"))?;
        let scenario = Workloads::new().scenario(&cell);
        let (prefill, decode) = (scenario.gpu.prefill, scenario.gpu.decode);
        let estimates = Estimates {
            prefill: PrefillModel { tokens: prefill.tokens, per_pair_fs: prefill.per_pair_fs },
            iteration: IterationModel { requests: decode.requests, per_token_fs: decode.per_token_fs },
        };
        if matches!(scenario.policy, PolicyConfig::Clairvoyant) {
            return Err(PyValueError::new_err(
                "clairvoyant knows the future of a simulation, and decides in one alone",
            ));
        }
        Ok(Self {
            selector: Mutex::new(scenario.policy.build(estimates, seed)),
            name: scenario.policy.name(),
            kv_bytes_per_token: scenario.kv.bytes_per_token,
        })
    }

    #[getter]
    const fn name(&self) -> &'static str {
        self.name
    }

    /// "decode", "pair" or "staged": what it chooses.
    #[getter]
    fn kind(&self) -> &'static str {
        match &*self.selector() {
            Selector::Decode(_) => "decode",
            Selector::Pair(_) => "pair",
            Selector::Staged(_) => "staged",
            Selector::Clairvoyant => "clairvoyant",
        }
    }

    /// The decode instance, or none if the request is refused.
    fn choose(&self, question: &Bound<'_, PyDict>) -> PyResult<Option<u32>> {
        let asked = self.read(question)?;
        let request = asked.request()?;
        asked.check(self.name)?;
        let candidates = &asked.candidates;
        let chosen = match &mut *self.selector() {
            Selector::Decode(policy) => policy.place(&request, candidates, &asked.paths),
            Selector::Staged(policy) => policy.place(&request, candidates, &asked.paths),
            Selector::Pair(_) | Selector::Clairvoyant => {
                return Err(PyTypeError::new_err(format!("{} chooses both ends at once: choose_pair", self.name)));
            }
        };
        Ok(chosen.map(|index| number(candidates[index].instance)))
    }

    /// The prefill instance, before the decode instance is chosen.
    fn choose_prefill(&self, question: &Bound<'_, PyDict>) -> PyResult<u32> {
        let asked = self.read(question)?;
        asked.check_prefill(self.name)?;
        match &mut *self.selector() {
            Selector::Staged(policy) => {
                let index = policy.select_prefill(&asked.prompt, &asked.prefill, &asked.candidates, &asked.paths);
                Ok(number(asked.prefill[index].instance))
            }
            Selector::Decode(_) | Selector::Pair(_) | Selector::Clairvoyant => Err(PyTypeError::new_err(format!(
                "{} does not choose the prefill instance by itself: netkv_joint and netkv_flow do",
                self.name
            ))),
        }
    }

    /// Prefill and decode instance at once.
    fn choose_pair(&self, question: &Bound<'_, PyDict>) -> PyResult<(u32, u32)> {
        let asked = self.read(question)?;
        asked.check_prefill(self.name)?;
        match &mut *self.selector() {
            Selector::Pair(policy) => {
                let (one, other) = policy.select_pair(&asked.prompt, &asked.prefill, &asked.candidates, &asked.paths);
                Ok((number(asked.prefill[one].instance), number(asked.candidates[other].instance)))
            }
            Selector::Decode(_) | Selector::Staged(_) | Selector::Clairvoyant => Err(PyTypeError::new_err(format!(
                "{} does not choose both ends at once: use choose, and choose_prefill before it where kind is staged",
                self.name
            ))),
        }
    }

    /// How the policy rates each candidate; nothing if its rule is no sum of terms.
    fn rate<'py>(&self, py: Python<'py>, question: &Bound<'py, PyDict>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let asked = self.read(question)?;
        let request = asked.request()?;
        asked.check(self.name)?;
        let ratings = match &*self.selector() {
            Selector::Decode(policy) => policy.rate(&request, &asked.candidates, &asked.paths),
            Selector::Staged(policy) => policy.rate(&request, &asked.candidates, &asked.paths),
            Selector::Pair(policy) => policy.rate(&request, &asked.candidates, &asked.paths),
            Selector::Clairvoyant => Vec::new(),
        };
        asked.candidates.iter().zip(ratings).map(|(candidate, rating)| shown(py, candidate, &rating)).collect()
    }

    /// Tells of a transfer that begins or ends.
    fn observe(&self, event: &Bound<'_, PyDict>) -> PyResult<()> {
        let keys = Keys::new(event, "the transfer");
        let event = TransferEvent {
            source: InstanceId::new(keys.need("source")?),
            destination: InstanceId::new(keys.need("destination")?),
            tier: tier(&keys.need::<String>("tier")?, "the transfer")?,
            bytes: Bytes::new(keys.need("bytes")?),
            now: SimTime::from_nanos(nanoseconds(keys.number("now_s")?.unwrap_or(0.0))),
            step: if keys.need("is_over")? { TransferStep::Ended } else { TransferStep::Begun },
        };
        keys.end()?;
        match &mut *self.selector() {
            Selector::Decode(policy) => policy.observe(&event),
            Selector::Staged(policy) => policy.observe(&event),
            Selector::Pair(_) | Selector::Clairvoyant => {}
        }
        Ok(())
    }
}

const fn number(instance: InstanceId) -> u32 {
    instance.index() as u32
}

fn shown<'py>(py: Python<'py>, candidate: &Candidate, rating: &Rating) -> PyResult<Bound<'py, PyDict>> {
    let terms = PyDict::new(py);
    for term in &rating.terms {
        terms.set_item(term.name, term.value)?;
    }
    let shown = PyDict::new(py);
    shown.set_item("instance", number(candidate.instance))?;
    shown.set_item("rank", rating.rank)?;
    shown.set_item("standing", rating.standing)?;
    shown.set_item("cost", rating.cost())?;
    shown.set_item("terms", terms)?;
    Ok(shown)
}

impl Policy {
    fn selector(&self) -> MutexGuard<'_, Selector> {
        self.selector.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a question.
    fn read(&self, question: &Bound<'_, PyDict>) -> PyResult<Asked> {
        let keys = Keys::new(question, "the question");
        let input_tokens: u32 = keys.need("input_tokens")?;
        let kv_bytes = match keys.get("kv_bytes")? {
            Some(bytes) => bytes,
            None => u64::from(input_tokens) * self.kv_bytes_per_token,
        };
        let prompt = PromptView {
            // No step of a request is told, so its number is none's.
            request: RequestId::new(0),
            input_tokens,
            kv_bytes: Bytes::new(kv_bytes),
            now: SimTime::from_nanos(nanoseconds(keys.number("now_s")?.unwrap_or(0.0))),
            ttft_left: SimDuration::from_nanos(nanoseconds(keys.number("ttft_left_s")?.unwrap_or(0.0))),
        };
        let source: Option<u32> = keys.get("source")?;
        let told: Vec<Bound<'_, PyDict>> = keys.need("candidates")?;
        let mut candidates = told.iter().map(|one| candidate(one, kv_bytes)).collect::<PyResult<Vec<_>>>()?;
        candidates.sort_by_key(|candidate| candidate.instance);
        let told: Vec<Bound<'_, PyDict>> = keys.get("prefill")?.unwrap_or_default();
        let mut prefill = told.iter().map(prefill_candidate).collect::<PyResult<Vec<_>>>()?;
        prefill.sort_by_key(|candidate| candidate.instance);
        let network = Told {
            paths: keys.get("paths")?,
            places: keys.get("places")?,
            tiers: keys.get("tiers")?,
            leaving: keys.get("leaving")?,
            alone: keys.get("alone")?,
        };
        keys.end()?;
        distinct(candidates.iter().map(|one| one.instance), "candidates")?;
        distinct(prefill.iter().map(|one| one.instance), "prefill")?;
        if candidates.is_empty() {
            return Err(PyValueError::new_err("there are no candidates"));
        }
        let source = source.map(InstanceId::new);
        Ok(Asked { prompt, candidates, prefill, source, paths: Paths::read(&network)? })
    }
}

impl Asked {
    fn request(&self) -> PyResult<RequestView> {
        let source = self.source.ok_or_else(|| {
            PyValueError::new_err("source is not told: the number of the prefill instance that holds the KV cache")
        })?;
        Ok(RequestView { source, prompt: self.prompt })
    }

    /// Whether the ways are told that a policy of this name asks for.
    fn check(&self, name: &str) -> PyResult<()> {
        let sources: Vec<InstanceId> =
            self.source.into_iter().chain(self.prefill.iter().map(|one| one.instance)).collect();
        let decode: Vec<InstanceId> = self.candidates.iter().map(|one| one.instance).collect();
        if ["netkv_flow", "aibrix_pd"].contains(&name) {
            let all: Vec<InstanceId> = sources.into_iter().chain(decode).collect();
            return self.paths.check(&all, &all);
        }
        let is_blind = netkv_policy::NetworkView::of(name) == Some(netkv_policy::NetworkView::Blind);
        if is_blind { Ok(()) } else { self.paths.check(&sources, &decode) }
    }

    fn check_prefill(&self, name: &str) -> PyResult<()> {
        if self.prefill.is_empty() {
            return Err(PyValueError::new_err("there are no prefill instances to choose from: prefill"));
        }
        self.check(name)
    }
}

fn distinct(instances: impl Iterator<Item = InstanceId>, what: &str) -> PyResult<()> {
    let instances: Vec<InstanceId> = instances.collect();
    match instances.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(PyValueError::new_err(format!("{what}: instance {} is there twice", number(pair[0])))),
        None => Ok(()),
    }
}

fn candidate(dict: &Bound<'_, PyDict>, kv_bytes: u64) -> PyResult<Candidate> {
    let keys = Keys::new(dict, "a candidate");
    let instance: u32 = keys.need("instance")?;
    let mut report = Report::default();
    if let Some(told) = keys.get::<Bound<'_, PyDict>>("report")? {
        let keys = Keys::new(&told, format!("report of candidate {instance}"));
        report = Report {
            running: keys.get("running")?.unwrap_or(0),
            waiting: keys.get("waiting")?.unwrap_or(0),
            waiting_tokens: keys.get("waiting_tokens")?.unwrap_or(0),
            used_tokens: keys.get("used_tokens")?.unwrap_or(0),
            generated_tokens_per_sec: keys.number("generated_tokens_per_s")?.unwrap_or(0.0),
            finished_requests_per_sec: keys.number("finished_requests_per_s")?.unwrap_or(0.0),
        };
        keys.end()?;
    }
    let mut dispatched = Dispatched::default();
    if let Some(told) = keys.get::<Bound<'_, PyDict>>("dispatched")? {
        let keys = Keys::new(&told, format!("dispatched of candidate {instance}"));
        dispatched =
            Dispatched { requests: keys.get("requests")?.unwrap_or(0), tokens: keys.get("tokens")?.unwrap_or(0) };
        keys.end()?;
    }
    let capacity_tokens = keys.need("capacity_tokens")?;
    let candidate = Candidate {
        instance: InstanceId::new(instance),
        running: keys.get("running")?.unwrap_or(0),
        pending: keys.get("pending")?.unwrap_or(0),
        max_batch: keys.need("max_batch")?,
        running_tokens: keys.get("running_tokens")?.unwrap_or(0),
        pending_tokens: keys.get("pending_tokens")?.unwrap_or(0),
        capacity_tokens,
        free_tokens: keys.need("free_tokens")?,
        queued_tokens: keys.get("queued_tokens")?.unwrap_or(0),
        hit_tokens: keys.get("hit_tokens")?.unwrap_or(0),
        transfer_bytes: Bytes::new(keys.get("transfer_bytes")?.unwrap_or(kv_bytes)),
        sharing_transfers: keys.get("sharing_transfers")?.unwrap_or(0),
        source_tier_transfers: keys.get("source_tier_transfers")?.unwrap_or(0),
        in_flight_prompt_tokens: keys.get("in_flight_prompt_tokens")?.unwrap_or(0),
        report,
        dispatched,
    };
    keys.end()?;
    Ok(candidate)
}

fn prefill_candidate(dict: &Bound<'_, PyDict>) -> PyResult<PrefillCandidate> {
    let keys = Keys::new(dict, "a prefill instance");
    let candidate = PrefillCandidate {
        instance: InstanceId::new(keys.need("instance")?),
        requests: keys.get("requests")?.unwrap_or(0),
        backlog_tokens: keys.get("backlog_tokens")?.unwrap_or(0),
        backlog_pairs: keys.get("backlog_pairs")?.unwrap_or(0),
        hit_tokens: keys.get("hit_tokens")?.unwrap_or(0),
    };
    keys.end()?;
    Ok(candidate)
}
