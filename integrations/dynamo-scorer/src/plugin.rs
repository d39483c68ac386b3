//! The scorer in Dynamo's registry of plugins.

use crate::network::Network;
use crate::parameters::{Parameters, ParametersError};
use crate::picker::LeastCost;
use crate::scorer::NetKvScorer;
use dynamo_kv_router::plugins::{
    RouterPluginRegistry, WorkerSelectionPolicyProvider, WorkerSelectionPolicyProviderError,
    WorkerSelectionPolicyRegistryError,
};
use dynamo_kv_router::{
    KvRouterConfig, WorkerCandidates, WorkerScorer, WorkerSelectionContext, WorkerSelectionPolicy,
    WorkerSelectionPolicyError, WorkerType,
};
use std::sync::Arc;

/// The policy type that a `worker_selection` instance names.
pub const POLICY_TYPE: &str = "netkv";

/// Registers the rule. `told` gets the network of each instance that the configuration makes, at startup, and keeps it to tell
/// places and congestion.
///
/// # Errors
/// If a policy of this type is registered already.
pub fn register(
    registry: &mut RouterPluginRegistry,
    told: impl Fn(Arc<Network>) + Send + Sync + 'static,
) -> Result<(), WorkerSelectionPolicyRegistryError> {
    registry.register_worker_selection(POLICY_TYPE, provider(told))
}

/// The same without a registry.
pub fn provider(told: impl Fn(Arc<Network>) + Send + Sync + 'static) -> WorkerSelectionPolicyProvider {
    Arc::new(move |yaml| {
        let parameters: Parameters = yaml.deserialize()?;
        parameters.check().map_err(|error| WorkerSelectionPolicyProviderError::new(error.to_string()))?;
        let network = Arc::new(Network::new(&parameters));
        told(Arc::clone(&network));
        Ok(Arc::new(move |config, worker_type, _| match worker_type {
            WorkerType::Decode => policy(config, parameters.clone(), Arc::clone(&network))
                .expect("parameters that were checked make a policy"),
            WorkerType::Prefill | WorkerType::Encode | WorkerType::Aggregated => refusing(config, worker_type),
        }))
    })
}

/// The policy of a decode pool: the scorer, and the picker of the least cost.
///
/// # Errors
/// If the parameters are not valid.
pub fn policy(
    config: &KvRouterConfig,
    parameters: Parameters,
    network: Arc<Network>,
) -> Result<WorkerSelectionPolicy, ParametersError> {
    let scorer = NetKvScorer::new(parameters, network)?;
    let label = WorkerType::Decode.as_str();
    Ok(WorkerSelectionPolicy::new(config.clone(), label, vec![Box::new(scorer)], Box::new(LeastCost)))
}

/// The policy of a pool that the rule does not choose in. A factory of Dynamo's cannot fail; every selection does, and says why.
fn refusing(config: &KvRouterConfig, worker_type: WorkerType) -> WorkerSelectionPolicy {
    let scorers: Vec<Box<dyn WorkerScorer>> = vec![Box::new(Refusing(worker_type))];
    WorkerSelectionPolicy::new(config.clone(), worker_type.as_str(), scorers, Box::new(LeastCost))
}

struct Refusing(WorkerType);

impl WorkerScorer for Refusing {
    fn score(
        &mut self,
        _: &WorkerSelectionContext<'_>,
        _: WorkerCandidates<'_>,
        _: &mut [f64],
    ) -> Result<(), WorkerSelectionPolicyError> {
        let pool = self.0;
        Err(WorkerSelectionPolicyError::failed(format!(
            "netkv chooses among decode workers, and is selected for the {pool} pool: name it under worker_selection.decode \
             alone"
        )))
    }
}
