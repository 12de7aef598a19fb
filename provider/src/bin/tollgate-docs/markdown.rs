//! The parts that pages of every kind are made of.

/// The head that the registry lists a page by.
pub(crate) fn front_matter(title: &str, description: &str) -> String {
    let description = description.lines().next().unwrap_or_default();
    format!(
        "---\npage_title: \"{title}\"\nsubcategory: \"\"\ndescription: |-\n  {}\n---\n",
        description.replace('`', "")
    )
}

/// A block of code; `language` is its syntax.
pub(crate) fn code(language: &str, text: &str) -> String {
    format!("```{language}\n{}\n```\n", text.trim_end())
}

/// A description as Markdown: a `<` that is not in code would begin a tag, and what follows would not be shown.
pub(crate) fn prose(description: &str) -> String {
    let parts = description.split('`').enumerate();
    let parts = parts.map(|(index, part)| {
        if index % 2 == 0 {
            part.replace('<', "&lt;")
        } else {
            part.to_owned()
        }
    });
    parts.collect::<Vec<_>>().join("`")
}

/// The first sentence of a description, without its full stop.
pub(crate) fn first_sentence(description: &str) -> &str {
    let line = description.lines().next().unwrap_or_default();
    line.split_once(". ")
        .map_or(line.trim_end_matches('.'), |(first, _)| first)
}

/// Paragraphs, headings and blocks, an empty line between each two.
pub(crate) fn join(parts: impl IntoIterator<Item = String>) -> String {
    let parts: Vec<_> = parts
        .into_iter()
        .filter(|part| !part.is_empty())
        .map(|part| part.trim_end().to_owned())
        .collect();
    parts.join("\n\n") + "\n"
}
