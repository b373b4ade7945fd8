//! The `oc2` command.

fn main() {}
