//! JADN: schemas as data, and messages judged by them.
//!
//! Knows nothing of `OpenC2`. A schema file is read into a [`Package`], packages
//! are put together into one, and that is compiled into a table by which JSON
//! and CBOR are judged in one pass.

mod package;

pub use package::{Base, Content, Dialect, Field, Header, Item, Opt, Package, Type};
