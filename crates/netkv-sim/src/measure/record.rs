//! What a run leaves: one record per request, and the figures of the run as a whole.

use super::turns::LoopTotals;
use hdrhistogram::Histogram;
use netkv_policy::Repetition;
use netkv_units::{Digest, Digester, InstanceId, RequestId, SimDuration, SimTime, Tier};

/// The parts of a request's TTFT; they add up to it exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TtftParts {
    /// From arrival to the start of its first prefill batch.
    pub prefill_queue: SimDuration,
    /// From there to the end of its last prefill batch.
    pub prefill_compute: SimDuration,
    /// From there until a decode instance has been chosen.
    pub selection: SimDuration,
    /// Until that instance has KV memory for it.
    pub admission_wait: SimDuration,
    /// Until the last byte of its KV cache is there.
    pub transfer: SimDuration,
    /// Until the next iteration of the instance's batch starts.
    pub decode_wait: SimDuration,
    /// That iteration.
    pub first_iteration: SimDuration,
}

impl TtftParts {
    /// Names of the parts, in the order of [`Self::values`].
    pub const NAMES: [&'static str; 7] = [
        "prefill_queue",
        "prefill_compute",
        "selection",
        "admission_wait",
        "transfer",
        "decode_wait",
        "first_iteration",
    ];

    /// The parts in order of time.
    pub const fn values(&self) -> [SimDuration; 7] {
        [
            self.prefill_queue,
            self.prefill_compute,
            self.selection,
            self.admission_wait,
            self.transfer,
            self.decode_wait,
            self.first_iteration,
        ]
    }

    /// Their sum.
    pub fn total(&self) -> SimDuration {
        self.values().into_iter().fold(SimDuration::ZERO, |sum, part| sum + part)
    }
}

/// One finished request.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestRecord {
    /// Which one.
    pub request: RequestId,
    /// When it arrived.
    pub arrival: SimTime,
    /// Prompt length in tokens.
    pub input_tokens: u32,
    /// Tokens generated.
    pub output_tokens: u32,
    /// Where its prompt was computed; the decode instance itself if that was it.
    pub prefill_instance: InstanceId,
    /// Where it was decoded; none if the prefill side emitted its only token.
    pub decode_instance: Option<InstanceId>,
    /// How far apart the two are; none if nothing was moved.
    pub tier: Option<Tier>,
    /// Prompt tokens found in the prefill instance's prefix cache.
    pub prefill_hit_tokens: u32,
    /// Prompt tokens found in the prefill instance's host memory behind those, and loaded from there.
    pub prefill_host_tokens: u32,
    /// Prompt tokens found in the decode instance's prefix cache.
    pub decode_hit_tokens: u32,
    /// Bytes of KV cache moved.
    pub transfer_bytes: u64,
    /// When KV memory was reserved on the decode instance and the transfer began; none if there was none.
    pub transfer_start: Option<SimTime>,
    /// From the reservation of KV memory to the last byte moved, whether it is a part of TTFT or of the first gap.
    pub transfer: SimDuration,
    /// Where the time to its first token went.
    pub parts: TtftParts,
    /// Time to first token.
    pub ttft: SimDuration,
    /// From the first token to the last.
    pub decoding: SimDuration,
    /// The longest gap between two of its tokens.
    pub tbt_max: SimDuration,
    /// When its last token came.
    pub finish: SimTime,
    /// The TTFT that it was promised.
    pub ttft_limit: SimDuration,
    /// How often it was swapped out.
    pub preemptions: u32,
    /// How often it lost an instance and began again.
    pub failovers: u32,
    /// Whether TTFT and mean TBT were as promised.
    pub slo_attained: bool,
    /// Whether it arrived after the warm-up and counts in the metrics.
    pub counted: bool,
}

impl RequestRecord {
    /// Whether its prompt was computed where it was decoded.
    pub fn prefilled_locally(&self) -> bool {
        self.decode_instance == Some(self.prefill_instance)
    }

    /// Mean time between its tokens in nanoseconds; none for a single token.
    pub fn tbt_mean_ns(&self) -> Option<f64> {
        let gaps = self.output_tokens.checked_sub(1).filter(|&gaps| gaps > 0)?;
        Some(self.decoding.as_nanos() as f64 / f64::from(gaps))
    }
}

/// The figures of a run that are not sums over its requests.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunTotals {
    /// GPUs of the cluster.
    pub gpus: u32,
    /// Events handled.
    pub events: u64,
    /// When the last request finished.
    pub end: SimTime,
    /// Mean over the prefill instances of the share of time spent computing, up to the last arrival.
    pub prefill_utilisation_ratio: f64,
    /// Mean over the decode instances of the share of time with a batch, up to the last arrival.
    pub decode_utilisation_ratio: f64,
    /// Mean share of capacity used on the links of each tier's own level (NVLink, NIC, rack, pod), KV traffic
    /// and background together, over the whole run.
    pub link_utilisation_ratio: [f64; 4],
    /// Of that, the background.
    pub background_ratio: [f64; 4],
    /// Most transfers in flight at once.
    pub transfers_in_flight_max: u32,
    /// Decode preemptions.
    pub preemptions: u64,
    /// How often requests lost an instance and began again.
    pub failovers: u64,
    /// What old telemetry did to the ranking of the ways, if the scenario asked for it.
    pub rankings: RankingCounts,
    /// Requests left out because their prompt and output can never fit a decode instance.
    pub rejected: u64,
    /// Requests that the policy refused once their prompt was computed: no decode instance could take them.
    pub refused: u64,
    /// Of these, the ones that arrived after the warm-up: promises that were not kept.
    pub refused_counted: u64,
    /// Of a loop that waits for answers.
    pub turns: LoopTotals,
    /// How often the policy decided alike when it was asked again; none of one that always does. No part of the digest.
    pub repetition: Option<Repetition>,
}

/// What old telemetry did to the ranking of the ways: sums over the decisions on requests that count.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RankingCounts {
    /// Decisions that were compared.
    pub decisions: u64,
    /// In so many, another way than the one ranked first has the most bandwidth left at present.
    pub inverted: u64,
    /// In so many, congestion has drifted as far as the margin: the theorem does not exclude an inversion.
    pub beyond_margin: u64,
    /// Shares of the present best way's bandwidth that the way ranked first lacks, added up.
    pub lost: f64,
    /// In so many, the policy would choose another instance if it were shown the present.
    pub changed: u64,
}

/// What a run leaves besides its requests.
#[derive(Clone, Debug)]
pub struct RunEnd {
    /// Gaps between successive tokens of counted requests, in nanoseconds: 1 ns to 1 h, three significant digits.
    pub tbt_histogram: Histogram<u64>,
    /// The rest.
    pub totals: RunTotals,
}

impl RunEnd {
    /// The same with its requests, by id.
    pub(crate) fn with_requests(self, requests: Vec<RequestRecord>) -> RunOutput {
        RunOutput { requests, tbt_histogram: self.tbt_histogram, totals: self.totals }
    }
}

/// What a run leaves, its requests included.
#[derive(Clone, Debug)]
pub struct RunOutput {
    /// Every finished request, by id.
    pub requests: Vec<RequestRecord>,
    /// Gaps between successive tokens of counted requests, in nanoseconds: 1 ns to 1 h, three significant digits.
    pub tbt_histogram: Histogram<u64>,
    /// The rest.
    pub totals: RunTotals,
}

impl RunOutput {
    /// A digest of every bit of the output: equal exactly when two runs agree in everything.
    pub fn digest(&self) -> Digest {
        let mut digest = OutputDigest::default();
        self.requests.iter().for_each(|record| digest.add(record));
        digest.finish(&self.tbt_histogram, &self.totals)
    }
}

/// The digest of an output whose requests come one after the other.
#[derive(Clone, Default)]
pub struct OutputDigest(Digester);

impl OutputDigest {
    /// Takes the next request, in order of their numbers.
    pub fn add(&mut self, record: &RequestRecord) {
        digest_request(&mut self.0, record);
    }

    /// The digest, once all requests have been added.
    pub fn finish(self, tbt_histogram: &Histogram<u64>, totals: &RunTotals) -> Digest {
        let mut digester = self.0;
        for value in tbt_histogram.iter_recorded() {
            digester.u64(value.value_iterated_to()).u64(value.count_at_value());
        }
        digester.u64(totals.events).u64(totals.end.as_nanos()).u64(totals.preemptions).u64(totals.rejected);
        digester.u64(u64::from(totals.transfers_in_flight_max));
        // None where no instance fails.
        if totals.failovers > 0 {
            digester.u64(totals.failovers);
        }
        // None under most policies.
        if totals.refused > 0 {
            digester.u64(totals.refused).u64(totals.refused_counted);
        }
        // None in an open loop.
        if totals.turns.turns > 0 {
            let LoopTotals { turns, turn_ns, thinks, think_ns, sessions, session_ns } = totals.turns;
            digester.u64(turns).u64(thinks).u64(sessions);
            digester.u64(turn_ns as u64).u64(think_ns as u64).u64(session_ns as u64);
        }
        digester.f64(totals.prefill_utilisation_ratio).f64(totals.decode_utilisation_ratio);
        for ratio in totals.link_utilisation_ratio.iter().chain(&totals.background_ratio) {
            digester.f64(*ratio);
        }
        digester.finish()
    }
}

fn digest_request(digester: &mut Digester, record: &RequestRecord) {
    for part in record.parts.values() {
        digester.u64(part.as_nanos());
    }
    let instance = |id: Option<InstanceId>| id.map_or(u64::MAX, |id| u64::from(id.get()));
    for value in [
        u64::from(record.request.get()),
        record.arrival.as_nanos(),
        u64::from(record.input_tokens),
        u64::from(record.output_tokens),
        instance(Some(record.prefill_instance)),
        instance(record.decode_instance),
        record.tier.map_or(u64::MAX, |tier| tier.index() as u64),
        u64::from(record.prefill_hit_tokens),
        u64::from(record.decode_hit_tokens),
        record.transfer_bytes,
        record.ttft.as_nanos(),
        record.decoding.as_nanos(),
        record.tbt_max.as_nanos(),
        record.finish.as_nanos(),
        record.ttft_limit.as_nanos(),
        u64::from(record.preemptions),
        u64::from(record.slo_attained),
        u64::from(record.counted),
    ] {
        digester.u64(value);
    }
    if record.failovers > 0 {
        digester.u64(u64::from(record.failovers));
    }
    // None without a tier in host memory.
    if record.prefill_host_tokens > 0 {
        digester.u64(u64::from(record.prefill_host_tokens));
    }
    // Among the parts of TTFT already, unless the prefill side made the first token.
    if record.transfer != record.parts.transfer {
        digester.u64(record.transfer.as_nanos());
    }
}
