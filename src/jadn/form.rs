//! How values are written.

/// How values are written, beyond what the encoding says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Form {
    /// Keys of maps and values of enumerations.
    pub names: Names,
    /// Records.
    pub records: Records,
    /// Binary values stand as octets; only CBOR has those.
    pub has_octets: bool,
}

/// How keys and enumerations are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Names {
    /// By name.
    Names,
    /// By number.
    Numbers,
}

/// How a Record is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Records {
    /// As a map from names to values.
    Maps,
    /// As an array, with null for what is left out.
    Arrays,
}

impl Default for Form {
    fn default() -> Self {
        Self::VERBOSE
    }
}

impl Form {
    /// Verbose JSON, which `OpenC2` uses (JADN v1.0 CS01, section 4.1).
    pub const VERBOSE: Self =
        Self { names: Names::Names, records: Records::Maps, has_octets: false };

    /// Compact JSON (JADN v1.0 CS01, section 4.3).
    pub const COMPACT: Self =
        Self { names: Names::Numbers, records: Records::Arrays, has_octets: false };

    /// CBOR (JADN v1.0 CS01, section 4.4).
    pub const CBOR: Self =
        Self { names: Names::Numbers, records: Records::Arrays, has_octets: true };
}
