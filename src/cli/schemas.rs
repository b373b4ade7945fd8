//! The argument that says where the schemas of one's own profiles are.

use std::path::PathBuf;

use super::{Exit, Failure};
use crate::config::SchemasConfig;
use crate::language::Library;

/// Schemas beside those that are built in.
#[derive(Clone, Debug, Default, Eq, PartialEq, clap::Args)]
pub struct SchemasArgs {
    /// Folder with the schemas of own profiles, as [schemas] of bridge.toml has it
    #[arg(long, value_name = "DIR", env = "OC2_SCHEMAS", hide_env_values = true)]
    schemas: Option<PathBuf>,
}

impl SchemasArgs {
    /// What is built in, with the schemas of the folder over it.
    ///
    /// # Errors
    ///
    /// Every mistake in every file of the folder.
    pub fn library(&self) -> Result<Library, Failure> {
        let schemas = SchemasConfig { dir: self.schemas.clone(), ..SchemasConfig::default() };
        schemas.load().map_err(|mistakes| {
            let mistakes: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
            Failure::say(Exit::Config, mistakes.join("; "))
        })
    }
}
