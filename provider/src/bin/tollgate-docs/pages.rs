//! Every page: which there are, and what stands on each.

use std::collections::{BTreeMap, HashMap};

use tollgate_proto::tfplugin6::get_provider_schema::Response;
use tollgate_proto::tfplugin6::schema::Block;
use tollgate_proto::tfplugin6::{Function, Schema};

use crate::examples::Examples;
use crate::failure::{self, Failure};
use crate::guides::Guide;
use crate::markdown::{code, front_matter, join, prose};
use crate::{front_page, function, schema};

/// How every type of the provider's begins, and no page's name.
const PREFIX: &str = "tollgate_";

/// A page of the documentation.
#[derive(Debug)]
pub(crate) struct Page {
    /// Its place below `docs`.
    pub(crate) path: String,
    /// What it says.
    pub(crate) text: String,
}

/// Pages of one kind, which have a folder to themselves.
#[derive(Debug)]
pub(crate) struct Section {
    /// What one is called.
    title: &'static str,
    /// What they are called.
    plural: &'static str,
    /// The folder below `docs` and `examples`.
    pub(crate) folder: &'static str,
    /// The file of an example.
    example: &'static str,
}

/// Every kind, in the order of the front page.
pub(crate) const SECTIONS: [Section; 4] = [RESOURCES, DATA_SOURCES, EPHEMERAL_RESOURCES, FUNCTIONS];
const RESOURCES: Section = Section {
    title: "Resource",
    plural: "Resources",
    folder: "resources",
    example: "resource.tf",
};
const DATA_SOURCES: Section = Section {
    title: "Data Source",
    plural: "Data sources",
    folder: "data-sources",
    example: "data-source.tf",
};
const EPHEMERAL_RESOURCES: Section = Section {
    title: "Ephemeral Resource",
    plural: "Ephemeral resources",
    folder: "ephemeral-resources",
    example: "ephemeral-resource.tf",
};
const FUNCTIONS: Section = Section {
    title: "Function",
    plural: "Functions",
    folder: "functions",
    example: "function.tf",
};

/// Writes the page of everything in a provider's schema, and the front page.
pub(crate) fn all(
    schema: Response,
    examples: &Examples,
    guides: &[Guide],
) -> Result<Vec<Page>, Vec<Failure>> {
    let Response {
        provider,
        resource_schemas,
        data_source_schemas,
        ephemeral_resource_schemas,
        functions,
        list_resource_schemas,
        state_store_schemas,
        action_schemas,
        provider_meta: _,
        server_capabilities: _,
        diagnostics: _,
    } = schema;
    let other = list_resource_schemas
        .keys()
        .chain(state_store_schemas.keys());
    let other = other
        .chain(action_schemas.keys())
        .map(|name| Err(unsupported(name, "no kind of page is made for it")));
    let mut results: Vec<Result<Page, Failure>> = other.collect();
    let mut listed = vec![front_page::guides(guides)];
    let kinds = [
        (RESOURCES, resource_schemas),
        (DATA_SOURCES, data_source_schemas),
        (EPHEMERAL_RESOURCES, ephemeral_resource_schemas),
    ];
    for (section, schemas) in kinds {
        let blocks = blocks(schemas);
        let entries = blocks
            .iter()
            .map(|(name, block)| (name, &block.description));
        listed.push(front_page::list(section.plural, entries));
        results.extend(
            blocks
                .iter()
                .map(|(name, block)| type_page(&section, name, block, examples)),
        );
    }
    let functions: BTreeMap<_, _> = functions.into_iter().collect();
    let entries = functions
        .iter()
        .map(|(name, function)| (name, &function.summary));
    listed.push(front_page::list(FUNCTIONS.plural, entries));
    results.extend(
        functions
            .iter()
            .map(|(name, function)| function_page(name, function, examples)),
    );
    results.push(front_page::render(
        &provider.unwrap_or_default(),
        listed,
        examples,
    ));
    failure::all(results)
}

fn blocks(schemas: HashMap<String, Schema>) -> BTreeMap<String, Block> {
    let blocks = schemas
        .into_iter()
        .map(|(name, schema)| (name, schema.block.unwrap_or_default()));
    blocks.collect()
}

fn type_page(
    section: &Section,
    name: &str,
    block: &Block,
    examples: &Examples,
) -> Result<Page, Failure> {
    let Section { title, folder, .. } = section;
    let example = examples.read(&format!("{folder}/{name}/{}", section.example), name)?;
    let parts = [
        front_matter(&format!("{name} {title}"), &block.description),
        format!("# {name} ({title})"),
        prose(&block.description),
        "## Example Usage".to_owned(),
        code("terraform", &example),
        schema::render(name, block)?,
        import(section, name, examples)?,
    ];
    let page = name.strip_prefix(PREFIX).unwrap_or(name);
    Ok(Page {
        path: format!("{folder}/{page}.md"),
        text: join(parts),
    })
}

/// How what exists already is imported; nothing where no example shows it.
fn import(section: &Section, name: &str, examples: &Examples) -> Result<String, Failure> {
    let find = |file: &str| examples.find(&format!("{}/{name}/{file}", section.folder));
    let block = find("import.tf")?.map(|text| {
        let words = "What exists already is taken over by an `import` block, which names it:";
        format!("{words}\n\n{}", code("terraform", &text))
    });
    let command =
        find("import.sh")?.map(|text| format!("On the command line:\n\n{}", code("shell", &text)));
    if block.is_none() && command.is_none() {
        return Ok(String::new());
    }
    let heading = "## Import".to_owned();
    Ok(join([
        heading,
        block.unwrap_or_default(),
        command.unwrap_or_default(),
    ]))
}

fn function_page(name: &str, function: &Function, examples: &Examples) -> Result<Page, Failure> {
    let Section { title, folder, .. } = FUNCTIONS;
    let example = examples.read(&format!("{folder}/{name}/{}", FUNCTIONS.example), name)?;
    let parts = [
        front_matter(&format!("{name} {title}"), &function.summary),
        format!("# {name} ({title})"),
        prose(if function.description.is_empty() {
            &function.summary
        } else {
            &function.description
        }),
        "## Example Usage".to_owned(),
        code("terraform", &example),
        function::render(name, function)?,
    ];
    Ok(Page {
        path: format!("{folder}/{name}.md"),
        text: join(parts),
    })
}

/// What no page can show.
pub(crate) fn unsupported(place: &str, problem: &str) -> Failure {
    Failure::Schema {
        place: place.to_owned(),
        problem: problem.to_owned(),
    }
}
