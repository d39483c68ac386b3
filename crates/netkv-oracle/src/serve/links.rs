//! The links that counters tell of, and what is known of each.
//!
//! Congestion is made as the simulation's operator makes it: a tier has the mean use of the links that it crosses (tier 2: rack
//! links; tier 3: the larger of rack and pod links; where the router's own transfers are left out, no tier but the node's is
//! less congested than NICs are on average), a rack or pod that of its own links in a direction. Means are taken of racks and
//! pods first, so that one of which more links are listed counts no more.

use crate::figures::{BothWays, Figure, Figures, Granularity, Heard, LARGEST_CONGESTION};
use crate::plan::Plan;
use netkv_site::{Fault, Link, listed};
use std::collections::BTreeMap;

/// Problems of links that are told by name.
const SHOWN: usize = 6;

/// What a counter may be above the line rate by jitter of its sampling. Chosen by us, as for recorded traffic.
const JITTER: f64 = 1.05;

/// A kind of links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Nic,
    Rack,
    Pod,
}

/// A link, and where it is. Where a field is none, all are meant.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    link: Link,
    kind: Kind,
    is_up: Option<bool>,
    pod: Option<u32>,
    rack: Option<u32>,
}

/// All links, checked against a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Listing {
    links: Vec<Listed>,
    pods: u32,
    racks: u32,
    /// By rack: its pod.
    pod_of: Vec<u32>,
    /// By the value of `instance` that their counters have.
    by_instance: BTreeMap<String, Vec<usize>>,
}

/// What a reading told of a link: the share that is used, and how old it is by the reading.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Told {
    /// The share of its line rate.
    pub used: f64,
    /// In seconds.
    pub lag_s: f64,
}

impl Listing {
    /// The links of a table, in a plan.
    ///
    /// # Errors
    /// Links that are none of the plan's, or no link at all.
    pub fn new(links: Vec<Link>, plan: &Plan) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut all = Vec::new();
        for link in links {
            let line = link.line;
            match placed(link, plan) {
                Ok(listed) => all.push(listed),
                Err(message) => faults.push(Fault::at(line, message)),
            }
        }
        if all.is_empty() && faults.is_empty() {
            faults.push(Fault::whole("no link: congestion is made of those that are listed"));
        }
        let mut pod_of = vec![0; plan.racks as usize];
        plan.instances.iter().for_each(|instance| pod_of[instance.rack as usize] = instance.pod);
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut by_instance: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, listed) in all.iter().enumerate() {
            by_instance.entry(listed.link.instance.clone()).or_default().push(at);
        }
        Ok(Self { links: all, pods: plan.pods, racks: plan.racks, pod_of, by_instance })
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.links.len()
    }

    /// Whether there is none; never.
    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// The values of `instance` that their counters have, each once.
    pub fn instances(&self) -> Vec<&str> {
        self.by_instance.keys().map(String::as_str).collect()
    }

    /// What is not listed although the fabric has it, in words: what is told of the network then leaves it out.
    pub fn left_out(&self) -> Option<String> {
        let has = |kind: Kind| self.links.iter().any(|listed| listed.kind == kind);
        let mut missing = Vec::new();
        if self.racks > self.pods && !has(Kind::Rack) {
            missing.push("between racks (kind rack)");
        }
        if self.pods > 1 && !has(Kind::Pod) {
            missing.push("between pods (kind pod)");
        }
        (!missing.is_empty()).then(|| {
            let missing = missing.join(" and ");
            format!("no links {missing} are listed: their congestion is not known, and is told as none")
        })
    }

    /// Which link a series is of, by its labels; several, if the table names one interface for several.
    pub fn find(&self, labels: &BTreeMap<String, String>) -> impl Iterator<Item = usize> {
        let here = labels.get("instance").and_then(|instance| self.by_instance.get(instance));
        here.into_iter().flatten().copied().filter(|at| self.links[*at].link.is_named_by(labels))
    }

    /// The line rate of a link, in bytes per second.
    pub fn bytes_per_s(&self, link: usize) -> f64 {
        self.links[link].link.bytes_per_s
    }

    /// A link, as people name it.
    pub fn name(&self, link: usize) -> String {
        format!("{}, {}", self.links[link].link.instance, self.links[link].link.device)
    }

    /// Figures of what is known of each link; `fresh` are those that the last reading told of.
    pub fn figures(&self, of: Of<'_>, known: &[Option<Told>], fresh: Heard, problems: &[String]) -> Figures {
        let both = |kind: Kind, n: u32| -> Vec<BothWays> {
            let zone =
                |at: u32| BothWays { up: self.zone(kind, at, true, known), down: self.zone(kind, at, false, known) };
            (0..n).map(zone).collect()
        };
        let (racks, pods) = (both(Kind::Rack, self.racks), both(Kind::Pod, self.pods));
        let mean = |zones: &[BothWays]| Figure::mean(zones.iter().flat_map(|zone| [zone.up, zone.down]));
        let has = |kind: Kind| self.links.iter().any(|listed| listed.kind == kind);
        let counts_nics = !of.counts_in_flight && has(Kind::Nic);
        let nic = counts_nics.then(|| mean(&both(Kind::Nic, self.racks)));
        let rack = has(Kind::Rack).then(|| mean(&racks));
        let pod = has(Kind::Pod).then(|| mean(&pods));
        let shown = listed_problems(problems);
        Figures {
            plan: of.plan.to_owned(),
            granularity: of.granularity,
            counts_in_flight: of.counts_in_flight,
            tiers: [worst([]), worst([nic]), worst([nic, rack]), worst([nic, rack, pod])],
            racks,
            pods,
            links: fresh,
            problems: shown,
        }
    }

    /// The mean use of the links of a rack or pod in a direction.
    fn zone(&self, kind: Kind, at: u32, is_up: bool, known: &[Option<Told>]) -> Figure {
        let is_of = |listed: &Listed| {
            let meant = |wanted: Option<u32>, has: u32| wanted.is_none_or(|wanted| wanted == has);
            let here = match kind {
                Kind::Pod => meant(listed.pod, at),
                Kind::Nic | Kind::Rack => meant(listed.rack, at) && meant(listed.pod, self.pod_of[at as usize]),
            };
            listed.kind == kind && here && listed.is_up.is_none_or(|up| up == is_up)
        };
        let its = self.links.iter().zip(known).filter(|(listed, _)| is_of(listed));
        Figure::mean(its.filter_map(|(_, told)| told.map(|told| Figure::known(share(told.used), told.lag_s))))
    }
}

/// What figures are of, and how they are told.
#[derive(Clone, Copy, Debug)]
pub struct Of<'a> {
    /// What the plan is known by.
    pub plan: &'a str,
    /// How much of them a way is told of.
    pub granularity: Granularity,
    /// Whether the router's own transfers are in the counters.
    pub counts_in_flight: bool,
}

/// Whether a rate is more than a link can carry.
pub fn is_over_line_rate(used: f64) -> bool {
    used > JITTER
}

/// The most congested of the kinds of links that count, as far as it is known. If none counts there is no congestion: what is
/// not listed is taken as idle, and said to be.
fn worst<const N: usize>(kinds: [Option<Figure>; N]) -> Figure {
    let counted = kinds.into_iter().flatten();
    counted.reduce(Figure::larger).unwrap_or_else(|| Figure::known(0.0, 0.0))
}

fn share(used: f64) -> f64 {
    used.clamp(0.0, LARGEST_CONGESTION)
}

/// The first problems, and how many more there are.
fn listed_problems(problems: &[String]) -> Vec<String> {
    let mut shown: Vec<String> = problems.iter().take(SHOWN).cloned().collect();
    if problems.len() > SHOWN {
        shown.push(format!("and {} more", problems.len() - SHOWN));
    }
    shown
}

/// Where a link is: kind, direction, pod, rack and switch.
fn placed(link: Link, plan: &Plan) -> Result<Listed, String> {
    let fields: Vec<&str> = link.place.split(',').collect();
    let [kind, direction, pod, rack, _switch] = fields[..] else { return Err(format!("{} is no place", link.place)) };
    let kind = match kind {
        "nic" => Kind::Nic,
        "rack" => Kind::Rack,
        "pod" => Kind::Pod,
        other => return Err(format!("kind = {other:?}; allowed: {}", listed(["nic", "rack", "pod"]))),
    };
    let is_up = match direction {
        "" => None,
        "up" => Some(true),
        "down" => Some(false),
        other => return Err(format!("direction = {other:?}; allowed: up, down, or nothing for both")),
    };
    let number = |field: &str, text: &str, n: u32| match text {
        "" => Ok(None),
        text => match text.parse::<u32>() {
            Ok(number) if number < n => Ok(Some(number)),
            Ok(_) | Err(_) => {
                Err(format!("{field} = {text:?}; allowed: 0 to {}, or nothing for all", n.saturating_sub(1)))
            }
        },
    };
    let (pod, rack) = (number("pod", pod, plan.pods)?, number("rack", rack, plan.racks)?);
    if kind == Kind::Pod && rack.is_some() {
        return Err("a link of kind pod is of no rack: leave the field empty".to_owned());
    }
    let holds = |instance: &crate::plan::Instance| Some(instance.rack) == rack && Some(instance.pod) != pod;
    if pod.is_some() && rack.is_some() && plan.instances.iter().any(holds) {
        return Err("the rack is in another pod; racks are counted through all pods".to_owned());
    }
    Ok(Listed { link, kind, is_up, pod, rack })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::plan;
    use netkv_site::links;

    fn listing(rows: &str) -> Result<Listing, Vec<Fault>> {
        let text = format!("instance,device,kind,direction,pod,rack,switch,gbps\n{rows}");
        Listing::new(links(&text)?, &plan())
    }

    const OF: Of<'static> = Of { plan: "p", granularity: Granularity::Zone, counts_in_flight: true };

    fn told(used: f64, lag_s: f64) -> Option<Told> {
        Some(Told { used, lag_s })
    }

    #[test]
    fn tiers_and_zones_are_means_of_their_links() {
        let all = listing(
            "a,e0,rack,up,0,0,0,400\na,e1,rack,up,0,0,1,400\nb,e0,rack,up,0,1,0,400\nc,e0,pod,down,1,,0,400\nn,e0,nic,up,0,0,,100\n",
        )
        .expect("links of the plan");
        let known = [told(0.2, 1.0), told(0.4, 4.0), told(0.9, 2.0), told(1.2, 3.0), told(0.95, 0.0)];
        let figures = all.figures(OF, &known, Heard::default(), &[]);
        let near = |figure: Figure, share: f64| figure.congestion.is_some_and(|own| (own - share).abs() < 1e-6);
        assert!(near(figures.racks[0].up, 0.3) && near(figures.racks[1].up, 0.9), "{figures:?}");
        assert_eq!(figures.racks[0].down, Figure::default(), "no counter is listed for it");
        assert_eq!(figures.racks[0].up.lag_s, Some(4.0));
        // Racks count alike, whatever the number of their links; a counter above the line rate is a full link.
        assert!(near(figures.tiers[2], 0.6) && near(figures.tiers[3], 1.0), "{figures:?}");
        assert!(near(figures.tiers[1], 0.0), "NICs count only where own transfers do not");
        let others = all.figures(Of { counts_in_flight: false, ..OF }, &known, Heard::default(), &[]);
        assert!(near(others.tiers[1], 0.95) && near(others.tiers[2], 0.95), "{others:?}");
        assert_eq!(all.left_out(), None);
    }

    #[test]
    fn a_row_without_rack_is_of_all_of_them() {
        let all = listing("a,e0,rack,,1,,,400\n").expect("links of the plan");
        let figures = all.figures(OF, &[told(0.5, 0.0)], Heard::default(), &[]);
        let shares: Vec<Option<f64>> = figures.racks.iter().map(|rack| rack.down.congestion).collect();
        assert_eq!(shares, [None, None, Some(0.5), Some(0.5)]);
        assert!(all.left_out().is_some_and(|said| said.contains("between pods")));
        let nobody = all.figures(OF, &[None], Heard::default(), &[]);
        assert_eq!(nobody.tiers[2], Figure::default(), "listed, and never told");
    }

    #[test]
    fn links_of_another_cluster_are_refused() {
        for (row, said) in [
            ("a,e0,spine,up,0,0,,400", "kind = \"spine\""),
            ("a,e0,rack,sideways,0,0,,400", "direction = \"sideways\""),
            ("a,e0,rack,up,2,0,,400", "pod = \"2\"; allowed: 0 to 1"),
            ("a,e0,rack,up,0,4,,400", "rack = \"4\"; allowed: 0 to 3"),
            ("a,e0,rack,up,0,3,,400", "the rack is in another pod"),
            ("a,e0,pod,up,0,0,,400", "of no rack"),
        ] {
            let faults = listing(row).expect_err(row);
            assert!(faults[0].message.contains(said) && faults[0].line == Some(2), "{faults:?}");
        }
        assert!(listing("").expect_err("none").first().is_some_and(|fault| fault.message.contains("no link")));
    }
}
