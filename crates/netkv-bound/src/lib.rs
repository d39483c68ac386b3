//! How far from the best: lower bounds on mean TTFT that no assignment of requests to instances can beat.
//!
//! # What is bounded
//!
//! The mean TTFT of the requests that count, over every policy that serves all of them, by two freedoms:
//!
//! - [`Freedom::Decode`]: the policy chooses decode instances, prefill instances are given by `prefill.policy`. As long as
//!   prefill memory cannot run short (which is checked), prompts are then computed at the same times whatever is chosen,
//!   and these times are taken from a run: this part of TTFT is exact.
//! - [`Freedom::Both`]: it chooses prefill instances as well.
//!
//! Requests are known in advance, and the traffic of others is. So the bound holds for the clairvoyant too, and for a
//! policy that may delay a request, move it to two places at once, or change its mind.
//!
//! # Why it is one
//!
//! TTFT is the sum of what comes until the prompt is computed, until its KV cache is there, and until the end of the first
//! iteration with it. Each is bounded by what is left of the model when something that only costs time is taken away.
//!
//! 1. *First iteration.* It takes at least as long as with this request alone; waiting for it takes at least no time.
//! 2. *Transfer.* It begins when its prompt is computed and not before, and takes set-up and latency. Its bytes cross the
//!    links of its route, which the hash of the flow fixes. A link carries what the background leaves of it. Taken away:
//!    waiting for decode memory, and max-min fairness, that is the order in which transfers get their share: any
//!    schedule within the capacities will do, shortest first included. Where the route is not fixed, or links are
//!    degraded, the links of a switch in one direction count as one. Flows of others take nothing.
//! 3. *Cached prefixes.* A block need not be sent if another request brought it to that instance. The first to bring it
//!    sends it, and all that is behind it in that request's prompt: it is not there before that much can have been
//!    moved. From then on it is taken to be on every instance.
//! 4. *Prefill, if it is chosen.* A prompt takes at least as long as alone, with what of it another prompt can have left in
//!    a cache by then; and all prompts together take no more than one second of work in a second from each instance.
//!
//! The jobs of 2 (or of 4) share links (or the pool). Their bound is a Lagrangian one: every link has a price for each piece
//! of time, each job does what is cheapest for itself, and what full links would take in is taken off. That is a bound for
//! *any* prices of at least zero (`ascent` says why), so the search for good prices need not be trusted, and needs no
//! solver: it is exact about each job by itself, whose completion time is the true one and whose choice is not
//! split, so that with the best prices it is at least as high as the time-indexed linear relaxation over the same pieces
//! of time (A. M. Geoffrion, *Lagrangean relaxation for integer programming*, Mathematical Programming Study 2, 1974).
//! For [`Freedom::Both`] it is the larger of two: jobs share the pool and transfers are alone, or the other way round.
//!
//! # How tight
//!
//! Where a near decode instance is free, within a few percent. Where many transfers must cross the same links it is loose,
//! since the simulator shares a link fairly: k equal transfers that begin at once all end at the same time under fairness, and
//! after (k + 1) / 2k of that in the mean if one goes after the other. [`exhaustive`] tries all assignments of very small instances; [`improve`] finds
//! good ones of larger ones, so that the best of all is between bound and that.

mod ascent;
mod cheapest;
mod fabric;
mod instance;
mod prompts;
mod relaxed;
mod report;
mod scripted;
mod search;
mod work;

pub use instance::{Bound, Freedom, Instance, Unbounded};
pub use report::{Distances, Effort, Outcome, Within, distances};
pub use scripted::{Choice, Pools, mean_ttft, replay};
pub use search::{Best, exhaustive, improve};
