//! Who uses whom: circles, and the arrows that say all there is to say.

use std::collections::{BTreeMap, BTreeSet};

/// Nodes, and for each the nodes that it uses.
#[derive(Clone, Debug)]
pub struct Graph<N>(BTreeMap<N, BTreeSet<N>>);

impl<N: Ord + Clone> Graph<N> {
    /// The nodes, without arrows.
    pub fn new(nodes: impl IntoIterator<Item = N>) -> Self {
        Self(nodes.into_iter().map(|node| (node, BTreeSet::new())).collect())
    }

    /// Notes that `user` uses `used`; itself is nothing to note.
    pub fn add(&mut self, user: &N, used: &N) {
        if user != used {
            self.0.entry(used.clone()).or_default();
            self.0.entry(user.clone()).or_default().insert(used.clone());
        }
    }

    /// The nodes, in order.
    pub fn nodes(&self) -> impl Iterator<Item = &N> {
        self.0.keys()
    }

    /// The arrows, in order: user and used.
    pub fn arrows(&self) -> impl Iterator<Item = (&N, &N)> {
        self.0.iter().flat_map(|(user, all)| all.iter().map(move |used| (user, used)))
    }

    /// All that `node` uses by one arrow or more.
    pub fn reached_from(&self, node: &N) -> BTreeSet<N> {
        let mut reached = BTreeSet::new();
        let mut next = vec![node];
        while let Some(user) = next.pop() {
            for used in self.0.get(user).into_iter().flatten() {
                if reached.insert(used.clone()) {
                    next.push(used);
                }
            }
        }
        reached
    }

    /// The sets of two nodes or more that all reach each other, largest first.
    pub fn circles(&self) -> Vec<Vec<N>> {
        let reached: BTreeMap<&N, BTreeSet<N>> = self.nodes().map(|node| (node, self.reached_from(node))).collect();
        let mut circles: Vec<Vec<N>> = Vec::new();
        for node in self.nodes().filter(|node| reached[node].contains(node)) {
            if circles.iter().all(|circle| !circle.contains(node)) {
                circles.push(reached[node].iter().filter(|other| reached[other].contains(node)).cloned().collect());
            }
        }
        circles.sort_by_key(|circle| std::cmp::Reverse(circle.len()));
        circles
    }

    /// The graph without the arrows that a longer way says as well.
    pub fn reduced(&self) -> Self {
        let mut reduced = self.clone();
        for (user, used) in self.arrows() {
            let all = reduced.0.get_mut(user).expect("a node of the graph");
            all.remove(used);
            if !reduced.reached_from(user).contains(used) {
                reduced.add(user, used);
            }
        }
        reduced
    }
}
