//! Tables of Markdown.

/// A table whose columns but the first hold numbers.
pub(crate) struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty one.
    pub(crate) fn new(header: &[&str]) -> Self {
        Self {
            header: header.iter().map(|&name| name.to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, title: &str, cells: impl IntoIterator<Item = String>) {
        let mut row = vec![title.to_owned()];
        row.extend(cells);
        self.rows.push(row);
    }

    /// As Markdown.
    pub(crate) fn render(&self) -> String {
        let rule = (0..self.header.len()).map(|column| if column == 0 { "---" } else { "---:" });
        let mut text = line(&self.header);
        text.push_str(&line(&rule.collect::<Vec<_>>()));
        text.extend(self.rows.iter().map(|row| line(row)));
        text
    }
}

fn line(cells: &[impl AsRef<str>]) -> String {
    let cells: Vec<_> = cells.iter().map(AsRef::as_ref).collect();
    format!("| {} |\n", cells.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_markdown() {
        let mut table = Table::new(&["what", "ours"]);
        table.row("calls", ["7".to_owned()]);

        assert_eq!(
            table.render(),
            "| what | ours |\n| --- | ---: |\n| calls | 7 |\n"
        );
    }
}
