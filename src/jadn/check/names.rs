//! How types and fields are called.

use super::Checker;
use crate::jadn::package::Dialect;

impl Checker<'_> {
    pub(super) fn type_name(&mut self, name: &str) {
        self.name(name, name);
        if name.is_empty() {
            self.bad("types", "the name of a type is empty");
        }
    }

    pub(super) fn field_name(&mut self, place: &str, name: &str) {
        self.name(place, name);
        // It parts the steps of a Pointer (CS01, section 3.1.2).
        if name.contains('/') && self.package().dialect == Dialect::Cs01 {
            self.bad(place, "a slash cannot stand in the name of a field");
        }
    }

    /// The standard restricts no name (CS01, section 3.1.2); nobody wants these.
    fn name(&mut self, place: &str, name: &str) {
        if name.contains(char::is_control) {
            self.bad(place, "a control character stands in its name");
        } else if name.contains(char::is_whitespace) {
            self.warn(place, "white space stands in its name");
        }
    }
}
