//! The guides, which people write: all that is asked of one is a head that the registry can read.

use std::path::{Path, PathBuf};

use crate::failure::{self, Failure};

/// The folder of the guides.
const FOLDER: &str = "docs/guides";
/// What the head of a page must say.
const KEYS: [&str; 3] = ["page_title", "subcategory", "description"];

/// What the front page says of a guide.
#[derive(Debug)]
pub(crate) struct Guide {
    /// Its title.
    pub(crate) title: String,
    /// What it tells.
    pub(crate) description: String,
}

/// The guides of a repository, by file name.
pub(crate) fn read(repository: &Path) -> Result<Vec<Guide>, Vec<Failure>> {
    let folder = repository.join(FOLDER);
    let listed = paths(&folder).map_err(|failure| vec![failure])?;
    failure::all(listed.iter().map(|path| guide(path)))
}

fn paths(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = folder.read_dir().map_err(Failure::file(folder))?;
    let paths = entries.map(|entry| Ok(entry.map_err(Failure::file(folder))?.path()));
    let mut paths: Vec<_> = paths.collect::<Result<_, Failure>>()?;
    paths.sort();
    Ok(paths)
}

fn guide(path: &Path) -> Result<Guide, Failure> {
    let text = std::fs::read_to_string(path).map_err(Failure::file(path))?;
    parse(&text).map_err(|problem| Failure::Guide {
        path: path.to_owned(),
        problem,
    })
}

/// Reads the head of a guide, one line a key.
pub(crate) fn parse(text: &str) -> Result<Guide, String> {
    let (head, _) = text
        .strip_prefix("---\n")
        .and_then(|rest| rest.split_once("\n---\n"))
        .ok_or("it must begin with front matter between two lines `---`")?;
    let value = |key: &str| {
        let mut lines = head.lines();
        let value = lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        let value = value.map(|value| value.trim().trim_matches('"').to_owned());
        value.ok_or_else(|| format!("its front matter lacks `{key}`, on a line of its own"))
    };
    let [title, subcategory, description] = KEYS.map(value);
    let (title, _, description) = (title?, subcategory?, description?);
    if title.is_empty() || description.is_empty() || description.starts_with(['|', '>']) {
        return Err("its `page_title` and `description` must be one line of text each".to_owned());
    }
    Ok(Guide { title, description })
}
