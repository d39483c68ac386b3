//! What a command line changes in an experiment.

use clap::Args;
use netkv_grid::Overrides;

/// What is changed in experiments for this once.
#[derive(Clone, Debug, Default, Args)]
pub struct Changes {
    /// Give a key this value, whatever the files say: TOML, or a word that is a string. Results go to a folder of their own
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_setting)]
    pub set: Vec<(String, String)>,
    /// The seeds 1 to N instead of those of the file. Results go to a folder of their own
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub seeds: Option<u32>,
}

impl Changes {
    /// The same for the grid.
    pub fn overrides(&self) -> Overrides {
        Overrides { set: self.set.clone(), seeds: self.seeds }
    }
}

/// `key=value`.
pub(super) fn parse_setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("a setting is KEY=VALUE, such as fabric.nic_gbps=200")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}
