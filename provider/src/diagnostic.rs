//! What the provider tells its user: what is wrong, where, and what would be right.

use std::fmt;

use tollgate_proto::tfplugin6::attribute_path::step::Selector;
use tollgate_proto::tfplugin6::diagnostic::Severity;
use tollgate_proto::tfplugin6::{AttributePath, Diagnostic as Message, attribute_path};

/// How many names a message lists.
const NAMES_SHOWN_MAX: usize = 10;

/// One message to the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Diagnostic {
    severity: Severity,
    summary: String,
    detail: String,
    path: Path,
}

impl Diagnostic {
    /// Something that has to be mended before Terraform can go on.
    pub(crate) fn error(summary: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            summary: capital(&summary.into()),
            detail: sentence(&detail.into()),
            path: Path::default(),
        }
    }

    /// Something that the user should know.
    pub(crate) fn warning(summary: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(summary, detail)
        }
    }

    /// A value that is wrong. Terraform's own excerpt of the configuration shows the outermost attribute, so the summary
    /// says where in it.
    pub(crate) fn invalid(path: Path, message: &str) -> Self {
        Self::error(format!("Invalid {path}"), message).at(path)
    }

    /// The same, about one attribute.
    pub(crate) fn at(mut self, path: Path) -> Self {
        self.path = path;
        self
    }
}

impl From<Diagnostic> for Message {
    fn from(diagnostic: Diagnostic) -> Self {
        let Diagnostic {
            severity,
            summary,
            detail,
            path,
        } = diagnostic;
        Self {
            severity: severity.into(),
            summary,
            detail,
            attribute: path.outermost().map(Into::into),
        }
    }
}

/// The way to an attribute or to an element of one. Elements of a set have none: it ends at the set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Path(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Attribute(String),
    Key(String),
    Index(usize),
}

impl Path {
    /// An attribute of the resource itself.
    pub(crate) fn attribute(name: &str) -> Self {
        Self::default().then_attribute(name)
    }

    /// An attribute of the object at this path.
    pub(crate) fn then_attribute(&self, name: &str) -> Self {
        self.then(Step::Attribute(name.to_owned()))
    }

    /// An element of the map at this path.
    pub(crate) fn then_key(&self, key: &str) -> Self {
        self.then(Step::Key(key.to_owned()))
    }

    /// An element of the list at this path, counted from zero.
    pub(crate) fn then_index(&self, index: usize) -> Self {
        self.then(Step::Index(index))
    }

    /// The attribute of the resource that it begins with. Terraform looks for the last step of a longer path among the
    /// resource's own attributes, and shows another line or none.
    fn outermost(mut self) -> Option<Self> {
        self.0.truncate(1);
        (!self.0.is_empty()).then_some(self)
    }

    fn then(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }
}

/// Prints as it is written in HCL: `grants[0].path`.
impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Attribute(name) if position == 0 => formatter.write_str(name)?,
                Step::Attribute(name) => write!(formatter, ".{name}")?,
                Step::Key(key) => write!(formatter, "[{key:?}]")?,
                Step::Index(index) => write!(formatter, "[{index}]")?,
            }
        }
        Ok(())
    }
}

impl From<Path> for AttributePath {
    fn from(path: Path) -> Self {
        let selectors = path.0.into_iter().map(|step| match step {
            Step::Attribute(name) => Selector::AttributeName(name),
            Step::Key(key) => Selector::ElementKeyString(key),
            Step::Index(index) => Selector::ElementKeyInt(i64::try_from(index).unwrap_or(i64::MAX)),
        });
        let steps = selectors.map(|selector| attribute_path::Step {
            selector: Some(selector),
        });
        Self {
            steps: steps.collect(),
        }
    }
}

/// `a, b and c`, and how many more there are.
pub(crate) fn listed(mut names: Vec<String>) -> String {
    let more = names.len().saturating_sub(NAMES_SHOWN_MAX);
    names.truncate(NAMES_SHOWN_MAX);
    if more > 0 {
        return format!("{} and {more} more", names.join(", "));
    }
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// Messages of parsers and of the store, and the names of documents, begin in lower case.
fn capital(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(characters).collect()
}

fn sentence(text: &str) -> String {
    let end = if text.ends_with(['.', '?']) { "" } else { "." };
    capital(text) + end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_prints_as_it_is_written_in_hcl() {
        let path = Path::attribute("grants")
            .then_index(1)
            .then_attribute("path");

        assert_eq!(path.to_string(), "grants[1].path");
        assert_eq!(
            Path::attribute("metadata").then_key("owner").to_string(),
            "metadata[\"owner\"]"
        );
    }

    #[test]
    fn a_message_becomes_a_sentence() {
        for (message, expected) in [
            ("it is odd", "It is odd."),
            ("\"x\" is odd", "\"x\" is odd."),
            ("Which one?", "Which one?"),
            ("Done.", "Done."),
        ] {
            assert_eq!(sentence(message), expected);
        }
    }

    #[test]
    fn a_long_list_says_how_much_is_left_out() {
        let names = |count: usize| (1..=count).map(|number| number.to_string()).collect();

        assert_eq!(listed(names(1)), "1");
        assert_eq!(listed(names(3)), "1, 2 and 3");
        assert_eq!(
            listed(names(12)),
            "1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 2 more"
        );
    }

    #[test]
    fn a_message_has_a_severity_and_a_path_only_where_there_is_one() {
        let whole = Message::from(Diagnostic::warning("a", "b"));
        let nested = Path::attribute("keys")
            .then_key("a")
            .then_attribute("scopes");
        let part = Message::from(Diagnostic::invalid(nested, "b"));

        assert_eq!(whole.severity, 2);
        assert_eq!(whole.attribute, None);
        assert_eq!(part.severity, 1);
        assert_eq!(part.summary, "Invalid keys[\"a\"].scopes");
        assert_eq!(part.attribute, Some(Path::attribute("keys").into()));
    }
}
