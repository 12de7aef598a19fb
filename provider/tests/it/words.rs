//! What the user reads.

use tollgate_proto::tfplugin6::{AttributePath, Diagnostic};

/// Diagnostics in one text each: severity, place, summary and detail.
pub(crate) fn texts(diagnostics: &[Diagnostic]) -> Vec<String> {
    diagnostics
        .iter()
        .map(|problem| {
            let severity = match problem.severity {
                1 => "error",
                2 => "warning",
                _ => panic!("a diagnostic has a severity"),
            };
            let place = problem.attribute.as_ref().map(place).unwrap_or_default();
            format!(
                "{severity} @{place}\n{}\n{}",
                problem.summary, problem.detail
            )
        })
        .collect()
}

fn place(path: &AttributePath) -> String {
    use tollgate_proto::tfplugin6::attribute_path::step::Selector;

    let step = |selector: &Selector| match selector {
        Selector::AttributeName(name) => format!(".{name}"),
        Selector::ElementKeyString(key) => format!("[{key:?}]"),
        Selector::ElementKeyInt(index) => format!("[{index}]"),
    };
    let steps = path.steps.iter();
    steps
        .map(|known| step(known.selector.as_ref().unwrap()))
        .collect()
}
