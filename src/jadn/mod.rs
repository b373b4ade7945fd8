//! JADN: schemas as data, and messages judged by them.
//!
//! Knows nothing of `OpenC2`. A schema file is read into a [`Package`], packages
//! are put together into one, and that is compiled into a table by which JSON
//! and CBOR are judged in one pass.

mod canonical;
mod check;
mod compile;
mod config;
mod convert;
mod dialect;
mod ecmascript;
mod example;
mod form;
mod formats;
mod json_schema;
mod judge;
mod markdown;
mod mutant;
mod outline;
mod package;
mod paths;
mod pattern;
mod problem;
mod read;
mod report;
mod resolve;
mod table;
mod tape;
mod transcode;
mod value;
mod write;

pub use check::Findings;
pub use compile::Bounds;
pub use convert::Converted;
pub use example::NoExample;
pub use form::{Form, Names, Records};
pub use mutant::{Mutant, Wrong};
pub use outline::{Outline, Part};
pub use package::{Base, Content, Dialect, Field, Header, Item, Opt, Package, Type};
pub use problem::Problem;
pub use read::Reading;
pub use report::Fault;
pub use resolve::{Merged, resolve};
pub use table::{NodeId, Schema, Taking, Unknown};
pub use tape::{Mark, Tape, View};

#[cfg(test)]
mod tests;
