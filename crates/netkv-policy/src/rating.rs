//! Why a policy chooses what it chooses: its rule, term by term, for people who ask.

/// A part of what a policy counts against a candidate; one below zero speaks for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Term {
    /// What it stands for.
    pub name: &'static str,
    /// Its unit; empty for a plain number.
    pub unit: &'static str,
    /// Its amount.
    pub value: f64,
}

impl Term {
    /// A term.
    pub const fn new(name: &'static str, unit: &'static str, value: f64) -> Self {
        Self { name, unit, value }
    }
}

/// How a policy rates a candidate: of those with the least rank, the least sum of terms wins.
#[derive(Clone, Debug, PartialEq)]
pub struct Rating {
    /// Candidates of a lower rank come first, whatever their terms.
    pub rank: u8,
    /// What that rank means; empty where there is one alone.
    pub standing: &'static str,
    /// The terms, of one unit; the same ones for every candidate.
    pub terms: Vec<Term>,
}

impl Rating {
    /// A rating by terms alone.
    pub fn new(terms: impl Into<Vec<Term>>) -> Self {
        Self { rank: 0, standing: "", terms: terms.into() }
    }

    /// The same where candidates with at least `wanted` tokens of the prompt in their caches come first.
    pub(crate) const fn of_prefix(mut self, hit_tokens: u32, wanted: u32) -> Self {
        (self.rank, self.standing) = match (wanted, hit_tokens >= wanted) {
            (0, _) => (0, "no prefix wanted"),
            (_, true) => (0, "longest prefix"),
            (_, false) => (1, "shorter prefix"),
        };
        self
    }

    /// The sum of the terms.
    pub fn cost(&self) -> f64 {
        self.terms.iter().map(|term| term.value).sum()
    }
}
