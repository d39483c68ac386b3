//! One reading of Prometheus: how fast the counters of all links move now, and how old their last samples are.
//!
//! Two instant queries. `timestamp(counter)` gives the time of the last sample of each series, by Prometheus' clock; compared
//! with the time of the query, which is by the same clock, it gives an age that no difference of clocks falsifies. A rate alone
//! hides how old it is: it goes on for a whole window after an exporter has died. The stamps are asked first, so that a rate
//! is never older than is said.

use super::links::{Listing, Told, is_over_line_rate};
use crate::clock::Moment;
use crate::fetch::Fetcher;
use crate::figures::Heard;
use netkv_site::{COUNTERS, Series, read_instant};
use std::time::Duration;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asking {
    /// A query that gives bytes per second of each link, by the labels that name it.
    pub query: String,
    /// One that gives the time of the last sample, in seconds; none: rates count as being of the time of the query.
    pub stamps: Option<String>,
}

/// What a reading told.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// When the question was sent.
    pub asked: Moment,
    /// By link: what it told, if anything.
    pub told: Vec<Option<Told>>,
    /// How many.
    pub heard: Heard,
    /// What is wrong with single links.
    pub problems: Vec<String>,
}

/// The counters that are known, of the instances that are listed, each in a function, and joined.
fn of_counters(instances: &[&str], function: impl Fn(String) -> String) -> String {
    let escaped = |name: &&str| {
        let special = |letter: char| r"\.+*?()|[]{}^$".contains(letter);
        let plain: String = name
            .chars()
            .map(|letter| if special(letter) { format!("\\{letter}") } else { letter.to_string() })
            .collect();
        // And again for the string that the expression stands in.
        plain.replace('\\', "\\\\").replace('"', "\\\"")
    };
    let names: Vec<String> = instances.iter().map(escaped).collect();
    let selector = |counter: &&str| function(format!("{counter}{{instance=~\"{}\"}}", names.join("|")));
    COUNTERS.iter().map(selector).collect::<Vec<_>>().join(" or ")
}

/// The rates of all counters that netkv knows, of these instances, over a window.
pub fn default_query(instances: &[&str], window: Duration) -> String {
    let window = window.as_millis();
    of_counters(instances, |selector| format!("rate({selector}[{window}ms])"))
}

/// The times of their last samples.
pub fn default_stamps(instances: &[&str]) -> String {
    of_counters(instances, |selector| format!("timestamp({selector})"))
}

/// Reads Prometheus once.
///
/// # Errors
/// In words, if it does not answer as it should. Links without an answer are none: they are among the problems.
pub fn read(fetcher: &Fetcher, asking: &Asking, listing: &Listing) -> Result<Reading, String> {
    let asked = Moment::now();
    let stamps = asking.stamps.as_ref().map(|query| ask(fetcher, query)).transpose()?;
    let rates = ask(fetcher, &asking.query)?;
    Ok(made_of(asked, &rates, stamps.as_deref(), listing))
}

fn ask(fetcher: &Fetcher, query: &str) -> Result<Vec<Series>, String> {
    let bytes = fetcher.get("/api/v1/query", &[("query", query)])?;
    read_instant(&bytes).map_err(|fault| format!("{}:{fault}", fetcher.base()))
}

/// The reading that two answers are.
fn made_of(asked: Moment, rates: &[Series], stamps: Option<&[Series]>, listing: &Listing) -> Reading {
    let n = listing.len();
    let rates = by_link(rates, listing);
    let stamps = stamps.map(|stamps| by_link(stamps, listing));
    let (mut told, mut problems, mut over_line_rate) = (vec![None; n], Vec::new(), 0);
    for link in 0..n {
        let lag_s = match &stamps {
            None => Ok(0.0),
            Some(stamps) => stamps[link].map(|(time, stamp)| (time - stamp).max(0.0)),
        };
        let used = rates[link].map(|(_, rate)| rate / listing.bytes_per_s(link));
        match (used, lag_s) {
            (Ok(used), Ok(lag_s)) if used >= 0.0 && used.is_finite() && lag_s.is_finite() => {
                if is_over_line_rate(used) {
                    over_line_rate += 1;
                    let name = listing.name(link);
                    // Without the share: what is told once is not to be told again because it moved.
                    problems.push(format!("{name}: above its line rate; its gbps in the table of links is too small"));
                }
                told[link] = Some(Told { used, lag_s });
            }
            (Ok(_), Ok(_)) => problems.push(format!("{}: no finite rate", listing.name(link))),
            (Err(why), _) => problems.push(format!("{}: {why} of its rate", listing.name(link))),
            (_, Err(why)) => problems.push(format!("{}: {why} of its stamp", listing.name(link))),
        }
    }
    let n_told = told.iter().flatten().count();
    let heard = Heard { listed: n as u32, told: n_told as u32, over_line_rate };
    Reading { asked, told, heard, problems }
}

/// By link: time and value of the one series that is of it.
fn by_link(series: &[Series], listing: &Listing) -> Vec<Result<(f64, f64), &'static str>> {
    let mut all = vec![Err("no series"); listing.len()];
    for one in series {
        let point = one.points.last().copied().ok_or("no point");
        for link in listing.find(&one.labels) {
            all[link] = if all[link] == Err("no series") { point } else { Err("several series") };
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::plan;
    use netkv_site::links;

    fn listing() -> Listing {
        let rows = "a,e0,rack,up,0,0,,8\nb,e0,rack,up,0,1,,8\nc,e0,pod,up,0,,,8\nd,e0,pod,up,1,,,8\n";
        let text = format!("instance,device,kind,direction,pod,rack,switch,gbps\n{rows}");
        Listing::new(links(&text).expect("a table"), &plan()).expect("links of the plan")
    }

    fn answer(values: &[(&str, &str)]) -> Vec<Series> {
        let one = |(instance, value): &(&str, &str)| {
            format!(r#"{{"metric":{{"instance":"{instance}","device":"e0"}},"value":[100.5,"{value}"]}}"#)
        };
        let all: Vec<String> = values.iter().map(one).collect();
        let text = format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{}]}}}}"#, all.join(","));
        read_instant(text.as_bytes()).expect("an answer")
    }

    #[test]
    fn a_reading_tells_of_each_link_or_what_is_wrong_with_it() {
        let rates = answer(&[("a", "0.5e9"), ("b", "2e9"), ("c", "NaN"), ("x", "1")]);
        let stamps = answer(&[("a", "98"), ("b", "101"), ("c", "98")]);
        let reading = made_of(Moment::now(), &rates, Some(&stamps), &listing());
        assert_eq!(reading.told[0], Some(Told { used: 0.5, lag_s: 2.5 }));
        assert_eq!(reading.told[1], Some(Told { used: 2.0, lag_s: 0.0 }), "a stamp of later is no age below zero");
        assert_eq!(reading.told[2..], [None, None]);
        assert_eq!(reading.heard, Heard { listed: 4, told: 2, over_line_rate: 1 });
        let said = reading.problems.join("\n");
        for words in ["b, e0: above its line rate", "c, e0: no finite rate", "d, e0: no series of its rate"] {
            assert!(said.contains(words), "{said}");
        }
        let twice = answer(&[("a", "0.5e9"), ("a", "0.6e9")]);
        let reading = made_of(Moment::now(), &twice, None, &listing());
        assert!(reading.told[0].is_none() && reading.problems[0].contains("several series"), "{reading:?}");
        // An exporter that died: its rate goes on for a window, its stamp ends.
        let reading = made_of(Moment::now(), &answer(&[("a", "1")]), Some(&[]), &listing());
        assert!(reading.told[0].is_none() && reading.problems[0].contains("no series of its stamp"), "{reading:?}");
    }

    #[test]
    fn names_of_instances_are_escaped_twice() {
        let query = default_query(&["leaf1:9100", "10.0.0.1"], Duration::from_secs(2));
        assert!(
            query.starts_with(
                r#"rate(node_network_transmit_bytes_total{instance=~"leaf1:9100|10\\.0\\.0\\.1"}[2000ms]) or rate("#
            ),
            "{query}"
        );
        assert!(
            default_stamps(&["a"]).starts_with(r#"timestamp(node_network_transmit_bytes_total{instance=~"a"}) or "#)
        );
    }
}
