//! The paths of Pointers (JADN v1.0 CS01, section 3.3.5).

use std::collections::HashMap;

use super::package::{Content, Field, Opt, Type};

/// Most that the paths of all Pointers of a schema may take, in bytes: folders
/// inside of folders make more of them than anybody could hold.
pub(super) const PATH_BYTES: usize = 4 << 20;

/// The paths into the types of a schema, as long as there is room for them.
#[derive(Debug)]
pub(super) struct Paths {
    /// Room that is left, in bytes.
    left: usize,
}

impl Default for Paths {
    fn default() -> Self {
        Self { left: PATH_BYTES }
    }
}

impl Paths {
    /// Every field of a type, and inside its folders (`<`) theirs.
    ///
    /// # Errors
    ///
    /// There is no room for so many.
    pub fn of(&mut self, it: &Type, types: &HashMap<&str, &Type>) -> Result<Vec<String>, String> {
        let mut paths = Vec::new();
        if self.add(it, types, "", 0, &mut paths) {
            return Ok(paths);
        }
        Err(format!(
            "{} has too many paths for a pointer: its folders (<) lead to more than the \
             {PATH_BYTES} bytes that all paths of a schema may take",
            it.name
        ))
    }

    fn add(
        &mut self,
        it: &Type,
        types: &HashMap<&str, &Type>,
        before: &str,
        depth: usize,
        paths: &mut Vec<String>,
    ) -> bool {
        let Content::Fields(fields) = &it.content else { return true };
        for field in fields {
            // A folder that is empty makes no path, and takes its time all the same.
            let bytes = size_of::<String>() + before.len() + field.name.len();
            let Some(left) = self.left.checked_sub(bytes) else { return false };
            self.left = left;
            let path = format!("{before}{}", field.name);
            match types.get(field.type_name.as_str()) {
                Some(inner) if is_folder(field) && depth < crate::encoding::MAX_DEPTH => {
                    if !self.add(inner, types, &format!("{path}/"), depth + 1, paths) {
                        return false;
                    }
                }
                _ => paths.push(path),
            }
        }
        true
    }
}

fn is_folder(field: &Field) -> bool {
    field.options.contains(&Opt::Dir)
}
