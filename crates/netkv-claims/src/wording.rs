//! Numbers, units and keys as people read them.

/// The unit of a difference: two percentages lie points apart.
pub(crate) fn of_difference(unit: &str) -> &str {
    if unit == "%" { "points" } else { unit }
}

/// The last part of a key, for people.
pub(crate) fn short(axis: &str) -> &str {
    match axis {
        "policy.name" => "policy",
        "workload.capacity_ratio" => "load",
        "workload.context_tokens" => "tokens",
        "fabric.pod_oversubscription" => "cross-pod",
        "background.steady_ratio" => "background",
        "telemetry.interval_s" => "refresh s",
        "workload.prefix_share_ratio" => "p_share",
        "cluster.pods" => "pods",
        other => other,
    }
}

/// A number as precisely as it matters.
pub(crate) fn shown(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// The same with its sign.
pub(crate) fn signed(value: f64) -> String {
    if value > 0.0 { format!("+{}", shown(value)) } else { shown(value) }
}
