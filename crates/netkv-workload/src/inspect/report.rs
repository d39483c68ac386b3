//! The statistics as a table to read.

use super::{Distribution, PrefixStatistics, TraceStatistics};
use std::fmt::{self, Display, Formatter};

impl Display for TraceStatistics {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let mut table = Table(formatter);
        self.write_arrivals(&mut table)?;
        self.write_lengths(&mut table)?;
        let Some(prefixes) = &self.prefixes else {
            table.blank()?;
            return table.row("prefixes", "none recorded");
        };
        write_prefixes(prefixes, &mut table)?;
        self.write_sessions(&mut table)?;
        self.write_caches(&mut table)
    }
}

impl TraceStatistics {
    fn write_arrivals(&self, table: &mut Table<'_, '_>) -> fmt::Result {
        let arrivals = &self.arrivals;
        table.row("sha256", &self.sha256)?;
        table.row("requests", self.n_requests)?;
        table.row("duration", format_args!("{:.3} s", self.duration_s))?;
        table.row("rate", optional(arrivals.rate_rps, |rate| format!("{rate:.3} requests/s")))?;
        table.row("distinct timestamps", arrivals.n_distinct_stamps)?;
        table.row("tick", arrivals.tick_ms.map_or("none".to_owned(), |tick_ms| format!("{tick_ms} ms")))?;
        let per_stamp = &arrivals.requests_per_stamp;
        let (mean, variance) = (per_stamp.mean, arrivals.requests_per_stamp_variance);
        let requests = format!("mean {mean:.1}, variance {variance:.1}, max {:.0}", per_stamp.max);
        table.row("requests per timestamp", requests)?;
        table.row("gap variation, raw", optional(arrivals.gap_cv, |cv| format!("{cv:.3} (sd / mean)")))?;
        let dejittered = optional(arrivals.gap_cv_dejittered, |cv| format!("{cv:.3} (sd / mean)"));
        table.row("gap variation, dejittered", dejittered)?;
        let per_minute = optional(arrivals.requests_per_minute, |minutes| {
            let ratio = optional(arrivals.per_minute_variance_to_mean, |ratio| format!("{ratio:.2}"));
            let Distribution { mean, sd, min, max, .. } = minutes;
            format!("mean {mean:.1}, sd {sd:.1}, {min:.0} to {max:.0}, variance/mean {ratio}")
        });
        table.row("requests per minute", per_minute)?;
        for dispersion in &arrivals.count_dispersion {
            let label = format!("  variance/mean in {:.0} s", dispersion.window_s);
            table.row(&label, format_args!("{:.2}", dispersion.variance_to_mean))?;
        }
        Ok(())
    }

    fn write_lengths(&self, table: &mut Table<'_, '_>) -> fmt::Result {
        table.distribution_heading()?;
        table.distribution("input, tokens", &self.input_tokens, 0)?;
        table.distribution("output, tokens", &self.output_tokens, 0)?;
        if let Some(continuations) = &self.continuations {
            table.distribution("lag of continuations, s", &continuations.lag_s, 1)?;
        }
        if let Some(distances) = &self.stack_distance_blocks {
            table.distribution("stack distance, blocks", distances, 0)?;
        }
        table.blank()?;
        let spearman = optional(self.input_output_spearman, |rho| format!("{rho:.3} (Spearman)"));
        table.row("input against output", spearman)
    }

    fn write_sessions(&self, table: &mut Table<'_, '_>) -> fmt::Result {
        table.blank()?;
        table.row("sessions", self.sessions.iter().map(|count| count.n_sessions).sum::<u32>())?;
        let per_session = optional(self.mean_session_requests, |mean| format!("{mean:.2}"));
        table.row("  requests in each, mean", per_session)?;
        for count in self.sessions.iter().take(5) {
            table.row(&format!("  of {} requests", count.n_requests), count.n_sessions)?;
        }
        let longest = self.sessions.last().map_or(0, |count| count.n_requests);
        table.row("longest session", format_args!("{longest} requests"))?;
        let Some(continuations) = &self.continuations else {
            return table.row("continuations", "none");
        };
        table.row("continuations", format_args!("{} of requests", percent(continuations.of_requests)))?;
        table.row("  append", percent(continuations.append))?;
        table.row("  exact repeat", percent(continuations.exact_repeat))?;
        table.row("  interior branch", percent(continuations.interior_branch))?;
        let spearman = optional(continuations.output_spearman, |rho| format!("{rho:.3} (Spearman)"));
        table.row("  output against earlier", spearman)
    }

    fn write_caches(&self, table: &mut Table<'_, '_>) -> fmt::Result {
        table.blank()?;
        for point in &self.lru {
            let label = format!("LRU of {} blocks", point.cache_blocks);
            table.row(&label, format_args!("{} of blocks hit", percent(point.block_hit_fraction)))?;
        }
        Ok(())
    }
}

fn write_prefixes(prefixes: &PrefixStatistics, table: &mut Table<'_, '_>) -> fmt::Result {
    table.blank()?;
    table.row("blocks", format_args!("{} of {} tokens", prefixes.n_blocks_total, prefixes.block_tokens))?;
    table.row("different blocks", prefixes.n_blocks_distinct)?;
    table.row("infinite cache, blocks hit", percent(prefixes.block_hit_fraction))?;
    table.row("infinite cache, tokens hit", percent(prefixes.token_hit_fraction))?;
    let by_sixth = prefixes.token_hit_by_sixth.map(|hit| optional(hit, percent)).join(", ");
    table.row("  by sixth of the time", by_sixth)?;
    table.row("  mean over requests", percent(prefixes.mean_request_hit_fraction))?;
    table.row("requests over 50 % hit", percent(prefixes.requests_over_50_percent_hit))?;
    table.row("requests over 90 % hit", percent(prefixes.requests_over_90_percent_hit))?;
    table.row("first blocks", prefixes.n_roots)?;
    table.row("second-level prefixes", prefixes.n_second_level)?;
    let (leaves, one, many) = (prefixes.n_leaves, prefixes.n_with_one_child, prefixes.n_branching);
    table.row("tree nodes", format_args!("{leaves} leaves, {one} with one child, {many} branching"))?;
    table.row("blocks in one request only", percent(prefixes.blocks_touched_once))?;
    table.row("most requests with one block", format_args!("{} (root excluded)", prefixes.most_touches))?;
    table.row("Zipf exponent", optional(prefixes.zipf_exponent, |exponent| format!("{exponent:.2}")))
}

/// Lines of a label and a value, values in one column.
struct Table<'a, 'b>(&'a mut Formatter<'b>);

impl Table<'_, '_> {
    fn row(&mut self, label: &str, value: impl Display) -> fmt::Result {
        writeln!(self.0, "{label:<30}{value}")
    }

    fn blank(&mut self) -> fmt::Result {
        writeln!(self.0)
    }

    fn distribution_heading(&mut self) -> fmt::Result {
        write!(self.0, "\n{:<30}", "")?;
        let names = ["mean", "sd", "min", "p1", "p5", "p10", "p25", "p50", "p75", "p90", "p95", "p99", "p99.9", "max"];
        names.iter().try_for_each(|name| write!(self.0, "{name:>9}"))?;
        self.blank()
    }

    fn distribution(&mut self, label: &str, of: &Distribution, decimals: usize) -> fmt::Result {
        write!(self.0, "{label:<30}")?;
        let values = [
            of.mean, of.sd, of.min, of.p1, of.p5, of.p10, of.p25, of.p50, of.p75, of.p90, of.p95, of.p99, of.p99_9,
            of.max,
        ];
        values.iter().try_for_each(|value| write!(self.0, "{value:>9.decimals$}"))?;
        self.blank()
    }
}

fn percent(fraction: f64) -> String {
    format!("{:.1} %", 100.0 * fraction)
}

fn optional<T>(value: Option<T>, show: impl Fn(T) -> String) -> String {
    value.map_or("none".to_owned(), show)
}
