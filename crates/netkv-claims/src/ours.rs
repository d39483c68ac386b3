//! A number of ours.

/// Our number, in the claim's unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ours {
    /// The number.
    pub value: f64,
    /// Its interval over seeds, if it has one: seed noise only, not the model's error.
    pub interval: Option<(f64, f64)>,
}

impl Ours {
    /// The same, so many times.
    pub(crate) fn scaled(self, factor: f64) -> Self {
        let ends = |(low, high): (f64, f64)| {
            if factor < 0.0 { (high * factor, low * factor) } else { (low * factor, high * factor) }
        };
        Self { value: self.value * factor, interval: self.interval.map(ends) }
    }

    /// The same and so much more.
    pub(crate) fn shifted(self, by: f64) -> Self {
        Self { value: self.value + by, interval: self.interval.map(|(low, high)| (low + by, high + by)) }
    }
}
