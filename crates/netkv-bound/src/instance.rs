//! The bounds of one scenario.

use crate::ascent::{Found, bound};
use crate::fabric::Fabric;
use crate::prompts::{Prompt, blocks_together, prompts};
use crate::relaxed::{Flow, Job, Links, Pieces};
use crate::scripted::Pools;
use crate::work::work;
use netkv_policy::PolicyConfig;
use netkv_sim::{FirstToken, LocalRule, Overlap, PrefillMode, RequestRecord, RunOutput, Scenario, run};
use netkv_units::InstanceId;
use std::fmt;

/// What a policy may choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freedom {
    /// The decode instance; the prefill instance is given by `prefill.policy`.
    Decode,
    /// Both.
    Both,
}

/// A lower bound on mean TTFT, in seconds, and its parts. The parts are those of this bound, not bounds of the parts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// No policy that serves every request has a lower mean.
    pub mean: f64,
    /// The same without the links (or the prefill pool) being shared: each request as if alone.
    pub alone: f64,
    /// Of `mean`: until the prompt is computed.
    pub prefill: f64,
    /// Of `mean`: until its KV cache is there.
    pub transfer: f64,
    /// Of `mean`: the first iteration, alone in its batch.
    pub first_token: f64,
    /// Steps of the search for prices.
    pub steps: usize,
}

/// Why there is no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unbounded {
    /// No request counts.
    NoRequests,
    /// The first token does not wait for the transfer.
    FirstTokenFromPrefill,
    /// Transfers go on beside prefill.
    Overlap,
    /// Decode instances compute prompts themselves.
    LocalPrefill,
    /// Requests wait for answers.
    Sessions,
    /// Pools, nodes or racks are not alike, GPUs share a NIC, or instances come and go.
    Mixed,
    /// Prefill memory could run short, so that prompts are computed when transfers let them: `Freedom::Decode` is not apart
    /// from what prefill does.
    PrefillMemory,
}

impl fmt::Display for Unbounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoRequests => "no request counts",
            Self::FirstTokenFromPrefill => "transfer.first_token is \"prefill\": TTFT does not wait for the transfer",
            Self::Overlap => "transfer.overlap is \"layerwise\": transfers begin before prefill ends",
            Self::Mixed => "the cluster is a mixed one: pools, nodes or racks are not alike, GPUs share a NIC, or instances come and go",
            Self::LocalPrefill => "local_prefill.rule is not \"never\": some prompts are not moved at all",
            Self::Sessions => "workload.loop is not \"open\": when requests arrive follows from the choices",
            Self::PrefillMemory => "prefill memory could run short: fewer requests are needed",
        })
    }
}

/// Taken off every bound for what floating-point sums and cut nanoseconds could add, in seconds.
const MARGIN: f64 = 1e-6;

/// Beyond the last end of the best known run, prices are zero; a margin for schedules that end later.
const BEYOND: f64 = 1.2;

/// What a request could have of its prompt on a decode instance, and from when on.
type Offer = (f64, u32);

/// By request: the prefill instances that may compute it.
type Sources<'a> = dyn Fn(usize) -> &'a [InstanceId] + 'a;

/// A scenario to be bounded.
pub struct Instance<'a> {
    scenario: &'a Scenario,
    pools: Pools,
    prompts: Vec<Prompt>,
    reference: RunOutput,
    fabric: Fabric,
    /// The smallest sum of transfer ends, and of prefill ends, among the known runs.
    ends: f64,
    computed: f64,
}

/// When a request's prompt was computed, in seconds.
fn prefill_end(record: &RequestRecord) -> f64 {
    let parts = &record.parts;
    let end = record.arrival + parts.prefill_queue + parts.prefill_compute;
    end.as_nanos() as f64 * 1e-9
}

/// When its KV cache was there, in seconds.
fn transfer_end(record: &RequestRecord) -> f64 {
    prefill_end(record) + (record.parts.admission_wait + record.parts.transfer).as_nanos() as f64 * 1e-9
}

fn sum(output: &RunOutput, of: impl Fn(&RequestRecord) -> f64) -> f64 {
    output.requests.iter().filter(|record| record.counted).map(of).sum()
}

impl<'a> Instance<'a> {
    /// A scenario; `known` are runs of any of its policies, to which the search for prices is fitted.
    ///
    /// # Errors
    /// If the scenario is beyond these bounds.
    pub fn new(scenario: &'a Scenario, known: &[&RunOutput]) -> Result<Self, Unbounded> {
        if scenario.first_token == FirstToken::Prefill {
            return Err(Unbounded::FirstTokenFromPrefill);
        }
        if scenario.transfer.overlap != Overlap::None {
            return Err(Unbounded::Overlap);
        }
        if scenario.local_prefill.rule != LocalRule::Never {
            return Err(Unbounded::LocalPrefill);
        }
        if scenario.workload.sessions().is_some() {
            return Err(Unbounded::Sessions);
        }
        let (cluster, shape) = (&scenario.cluster, scenario.fabric.shape);
        let is_whole = cluster.is_uniform() && cluster.decode_instances.is_none() && scenario.layout.is_none();
        let is_whole = is_whole && cluster.events.is_empty();
        if !is_whole || shape.nics_per_node != shape.gpus_per_node {
            return Err(Unbounded::Mixed);
        }
        let plain = Scenario { policy: PolicyConfig::RoundRobin, ..scenario.clone() };
        let reference = run(&plain);
        let prompts = prompts(scenario, &reference);
        let pools = Pools::of(scenario).filter(|_| prompts.iter().any(|prompt| prompt.counted));
        let pools = pools.ok_or(Unbounded::NoRequests)?;
        // A run that refused requests has ends of some of them only.
        let whole = || known.iter().copied().filter(|run| run.requests.len() == reference.requests.len());
        let least = |of: &dyn Fn(&RunOutput) -> f64| whole().map(of).fold(of(&reference), f64::min);
        let last = |run: &RunOutput| run.requests.iter().map(transfer_end).fold(0.0, f64::max);
        let fabric = Fabric::new(scenario, least(&last) * BEYOND);
        let ends = least(&|run| sum(run, transfer_end));
        let computed = least(&|run| sum(run, prefill_end));
        Ok(Self { scenario, pools, prompts, fabric, ends, computed, reference })
    }

    /// The scenario, whatever its policy.
    pub const fn scenario(&self) -> &'a Scenario {
        self.scenario
    }

    /// The instances.
    pub const fn pools(&self) -> &Pools {
        &self.pools
    }

    /// The run of round-robin, which refuses nobody.
    pub const fn reference(&self) -> &RunOutput {
        &self.reference
    }

    /// Requests that count.
    pub fn n_counted(&self) -> usize {
        self.prompts.iter().filter(|prompt| prompt.counted).count()
    }

    /// The bound for policies with this freedom.
    ///
    /// # Errors
    /// If there is none.
    pub fn bound(&self, freedom: Freedom) -> Result<Bound, Unbounded> {
        match freedom {
            Freedom::Decode => self.prefill_is_given().then(|| self.given()).ok_or(Unbounded::PrefillMemory),
            Freedom::Both => Ok(self.both()),
        }
    }

    /// Whether prompts are computed at the same times whatever is chosen for decode: no prefill instance can ever run
    /// out of memory, even if nothing of what it is given is ever taken off it.
    fn prefill_is_given(&self) -> bool {
        if self.scenario.prefill.engine == PrefillMode::Delay {
            return true;
        }
        self.pools.prefill.iter().all(|&instance| {
            let own = self.prompts.iter().zip(&self.reference.requests);
            let own = own.filter(|(_, record)| record.prefill_instance == instance).map(|(prompt, _)| prompt);
            blocks_together(self.scenario, own, false) <= u64::from(self.scenario.kv.prefill_blocks)
        })
    }

    /// Whether no decode instance can ever run out of memory, so that transfers begin when prompts are computed.
    fn decode_has_room(&self) -> bool {
        let blocks = blocks_together(self.scenario, self.prompts.iter(), true);
        blocks + u64::from(self.scenario.decode.watermark_blocks) <= u64::from(self.scenario.kv.decode_blocks)
    }

    fn setup(&self, bytes: u64) -> f64 {
        let transfer = &self.scenario.transfer;
        transfer.setup_of(bytes, transfer.flows(&self.scenario.cluster)).as_secs_f64()
    }

    /// What is left to be sent of a prompt that is computed at `computed`, at the least, if its transfer begins at a time:
    /// ever less the later it begins, if `may_wait`.
    ///
    /// A block is on a decode instance once another request has brought it. The first to bring it sends it, and all that
    /// comes behind it in that request's own prompt: sooner than that takes alone, it is not there.
    fn offers(&self, own: usize, computed: &[f64], sources: &Sources<'_>, may_wait: bool) -> Vec<Offer> {
        let prompt = &self.prompts[own];
        let mut offers = vec![(computed[own], prompt.input_tokens)];
        if !self.scenario.transfer.skip_cached || !self.scenario.kv.prefix_caching {
            return offers;
        }
        for (other, its) in self.prompts.iter().enumerate().filter(|&(other, _)| other != own) {
            let shared = prompt.shared_tokens(its);
            if shared == 0 || (!may_wait && computed[other] > computed[own]) {
                continue;
            }
            let behind = its.input_tokens - (shared - prompt.block_tokens);
            let brings = [(computed[other], behind)];
            let there = self.transfer(self.fabric.links(), other, &brings, sources(other)).soonest();
            if may_wait || there <= computed[own] {
                offers.push((there.max(computed[own]), prompt.input_tokens - shared));
            }
        }
        offers.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
        let mut least = u32::MAX;
        offers.retain(|&(_, tokens)| {
            let is_less = tokens < least;
            least = least.min(tokens);
            is_less
        });
        offers
    }

    /// The transfer of a request from one of `sources`, to any decode instance.
    fn transfer(&self, links: &Links, own: usize, offers: &[Offer], sources: &[InstanceId]) -> Job {
        let request = self.prompts[own].request;
        let mut ways = Vec::new();
        for &from in sources {
            for &to in &self.pools.decode {
                for &(begins, tokens) in offers {
                    let bytes = u64::from(tokens) * self.scenario.kv.bytes_per_token;
                    let latency = if bytes == 0 { 0.0 } else { self.fabric.latency(from, to) };
                    let release = begins + self.setup(bytes) + latency;
                    let flows = if bytes == 0 { Vec::new() } else { self.fabric.transfer(request, (from, to), bytes) };
                    ways.push(links.way(release, release, flows));
                }
            }
        }
        Job::new(ways)
    }

    /// The transfers of the requests that count, whose prompts are computed then, there.
    fn transfers(&self, computed: &[f64], sources: &Sources<'_>, may_wait: bool) -> Vec<Job> {
        let job = |own: usize| {
            let offers = self.offers(own, computed, sources, may_wait);
            self.transfer(self.fabric.links(), own, &offers, sources(own))
        };
        self.counted().map(|(own, _)| job(own)).collect()
    }

    /// Sum over the requests that count of the time to move what nobody else brings, in seconds: on the nearest way, and on
    /// links that are as free as they ever are.
    fn least_moved(&self) -> f64 {
        let free = self.fabric.links().alone_at_last();
        let skips = self.scenario.transfer.skip_cached && self.scenario.kv.prefix_caching;
        let moved = self.counted().map(|(own, prompt)| {
            let others = self.prompts.iter().enumerate().filter(|&(other, _)| other != own && skips);
            let shared = others.map(|(_, its)| prompt.shared_tokens(its)).max().unwrap_or(0);
            self.transfer(&free, own, &[(0.0, prompt.input_tokens - shared)], &self.pools.prefill).soonest()
        });
        moved.sum()
    }

    /// Sum over the requests that count of the first iteration, alone in its batch, in seconds.
    fn first_tokens(&self) -> f64 {
        let decode = self.scenario.gpu.decode;
        let alone = |prompt: &Prompt| decode.iteration_fs(1, u64::from(prompt.input_tokens)) as f64 * 1e-15;
        self.counted().map(|(_, prompt)| alone(prompt)).sum()
    }

    fn counted(&self) -> impl Iterator<Item = (usize, &Prompt)> {
        self.prompts.iter().enumerate().filter(|(_, prompt)| prompt.counted)
    }

    fn arrivals(&self) -> f64 {
        self.counted().map(|(_, prompt)| prompt.arrival).sum()
    }

    /// From sums to a bound: prompts computed, transfers over.
    fn assemble(&self, computed: f64, ends: f64, alone: f64, steps: usize) -> Bound {
        let n = self.n_counted() as f64;
        let (prefill, transfer) = ((computed - self.arrivals()) / n, (ends - computed) / n);
        let first_token = self.first_tokens() / n;
        let mean = prefill + transfer + first_token - MARGIN;
        Bound {
            mean,
            alone: alone / n - self.arrivals() / n + first_token - MARGIN,
            prefill,
            transfer,
            first_token,
            steps,
        }
    }

    /// Prompts are computed when the run says.
    fn given(&self) -> Bound {
        let computed: Vec<f64> = self.reference.requests.iter().map(prefill_end).collect();
        let may_wait = !self.decode_has_room();
        let sources = |own: usize| std::slice::from_ref(&self.reference.requests[own].prefill_instance);
        let jobs = self.transfers(&computed, &sources, may_wait);
        let Found { alone, shared, steps } = bound(self.fabric.links(), &jobs, self.ends);
        self.assemble(sum(&self.reference, prefill_end), shared, alone, steps)
    }

    /// By request: when its prompt can be computed at the soonest, whoever was computed before it.
    fn soonest_computed(&self) -> Vec<f64> {
        let own_work = |own: usize, cached: u32| work(self.scenario, self.prompts[own].input_tokens, cached).own;
        let mut soonest: Vec<f64> =
            (0..self.prompts.len()).map(|own| self.prompts[own].arrival + own_work(own, 0)).collect();
        // As shortest ways are found: what one gains from another comes after the other's end.
        loop {
            let before = soonest.clone();
            for (own, soonest) in soonest.iter_mut().enumerate() {
                let ends = self.hits(own, &before).into_iter().map(|(from, cached)| from + own_work(own, cached));
                *soonest = ends.fold(*soonest, f64::min);
            }
            if before == soonest {
                return soonest;
            }
        }
    }

    /// What a request could find of its prompt in a prefill cache, and from when on.
    fn hits(&self, own: usize, computed: &[f64]) -> Vec<(f64, u32)> {
        let prompt = &self.prompts[own];
        let mut hits = vec![(prompt.arrival, 0)];
        if self.scenario.kv.prefix_caching && self.scenario.prefill.engine == PrefillMode::Batched {
            let others = self.prompts.iter().enumerate().filter(|&(other, _)| other != own);
            let shared = others.map(|(other, its)| (computed[other].max(prompt.arrival), prompt.shared_tokens(its)));
            hits.extend(shared.filter(|&(_, tokens)| tokens > 0));
        }
        hits
    }

    /// The prefill pool as one link that carries a second of work for each instance.
    fn computing(&self, soonest: &[f64]) -> (Links, Vec<Job>) {
        let pieces = &self.fabric.links().pieces;
        let starts = (0..pieces.len()).map(|piece| pieces.start(piece)).collect();
        let capacity = vec![vec![self.pools.prefill.len() as f64; pieces.len()]];
        let links = Links { pieces: Pieces::new(starts), capacity };
        let jobs = self.counted().map(|(own, prompt)| {
            let ways = self.hits(own, soonest).into_iter().map(|(from, cached)| {
                let least = work(self.scenario, prompt.input_tokens, cached);
                let flow = Flow { links: vec![0], fastest: 1.0, amount: least.share };
                links.way(from, from + least.own, vec![flow])
            });
            Job::new(ways.collect())
        });
        let jobs = jobs.collect();
        (links, jobs)
    }

    /// The larger of two bounds. One: prompts share the prefill pool, and each is moved as if alone. The other: each
    /// prompt is computed as if alone, and all share the links.
    fn both(&self) -> Bound {
        let soonest = self.soonest_computed();
        let (pool, prompts) = self.computing(&soonest);
        let computed = bound(&pool, &prompts, self.computed);
        let moved = self.least_moved();
        let by_prefill =
            self.assemble(computed.shared, computed.shared + moved, computed.alone + moved, computed.steps);
        let jobs = self.transfers(&soonest, &|_| &self.pools.prefill, true);
        let ends = bound(self.fabric.links(), &jobs, self.ends);
        let computed = self.counted().map(|(own, _)| soonest[own]).sum();
        let by_transfer = self.assemble(computed, ends.shared, ends.alone, ends.steps);
        if by_prefill.mean > by_transfer.mean { by_prefill } else { by_transfer }
    }
}
