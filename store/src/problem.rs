//! What is wrong with a document, and where.

use std::fmt;

/// One step from a document's `spec` towards the value that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A field of an object, or a key of a map.
    Field(String),
    /// An element of a list, counted from zero.
    Index(usize),
}

/// What is wrong with a document: where, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problem {
    /// The way from the document's `spec` to the wrong value; empty when it concerns the whole.
    pub path: Vec<Step>,
    /// What is wrong and what would be right, without the place.
    pub message: String,
}

impl Problem {
    /// A problem of the whole document.
    #[must_use]
    pub fn whole(message: impl Into<String>) -> Self {
        Self {
            path: Vec::new(),
            message: message.into(),
        }
    }

    /// A problem of one field of the `spec`.
    #[must_use]
    pub fn field(name: &str, message: impl Into<String>) -> Self {
        Self {
            path: vec![Step::Field(name.to_owned())],
            message: message.into(),
        }
    }

    /// The same problem, one element deeper: `field[index]…`.
    #[must_use]
    pub fn within(mut self, field: &str, index: usize) -> Self {
        let outer = [Step::Field(field.to_owned()), Step::Index(index)];
        self.path.splice(0..0, outer);
        self
    }

    /// The same problem, one field deeper: `field.…`.
    #[must_use]
    pub fn under(mut self, field: &str) -> Self {
        self.path.insert(0, Step::Field(field.to_owned()));
        self
    }

    /// The same problem, one entry of a map deeper: `field["key"]…`.
    #[must_use]
    pub fn within_entry(mut self, field: &str, key: &str) -> Self {
        let outer = [Step::Field(field.to_owned()), Step::Field(key.to_owned())];
        self.path.splice(0..0, outer);
        self
    }

    /// The place in one text: `grants[0].path`, `keys["acme-ci"].scopes`; empty for the whole document.
    #[must_use]
    pub fn place(&self) -> String {
        let mut place = String::new();
        for step in &self.path {
            match step {
                Step::Field(name) if !is_word(name) => {
                    place.extend(["[", &format!("{name:?}"), "]"]);
                }
                Step::Field(name) if place.is_empty() => place.push_str(name),
                Step::Field(name) => {
                    place.push('.');
                    place.push_str(name);
                }
                Step::Index(index) => place.extend(["[", &index.to_string(), "]"]),
            }
        }
        place
    }
}

/// Whether a name can follow a dot, as the names of all fields can.
fn is_word(name: &str) -> bool {
    name.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            formatter.write_str(&self.message)
        } else {
            write!(formatter, "{}: {}", self.place(), self.message)
        }
    }
}

impl From<serde_path_to_error::Error<serde_json::Error>> for Problem {
    fn from(error: serde_path_to_error::Error<serde_json::Error>) -> Self {
        use serde_path_to_error::Segment;

        let path = error
            .path()
            .iter()
            .filter_map(|segment| match segment {
                Segment::Map { key } => Some(Step::Field(key.clone())),
                Segment::Seq { index } => Some(Step::Index(*index)),
                Segment::Enum { .. } | Segment::Unknown => None,
            })
            .collect();
        Self {
            path,
            message: error.inner().to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_like_the_code_that_would_reach_it() {
        let problem = Problem::field("path", "must start with '/'").within("grants", 2);

        assert_eq!(problem.to_string(), "grants[2].path: must start with '/'");
    }

    #[test]
    fn an_entry_of_a_map_reads_as_one_where_its_key_is_no_word() {
        let place = |key| {
            Problem::field("scopes", "")
                .within_entry("keys", key)
                .place()
        };

        assert_eq!(place("acme"), "keys.acme.scopes");
        assert_eq!(place("acme.ci/1"), "keys[\"acme.ci/1\"].scopes");
    }
}
