use std::fs;

use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tollgate_proto::tfplugin6::function::{Parameter, Return};
use tollgate_proto::tfplugin6::schema::object::NestingMode;
use tollgate_proto::tfplugin6::schema::{Attribute, Block, Object};
use tollgate_proto::tfplugin6::{Function, Schema};

use super::*;

const GUIDE: &str = "---\npage_title: \"First steps\"\nsubcategory: \"\"\ndescription: How to begin. In short.\n---\n\n# First steps\n";

fn attribute(name: &str, kind: &Json, description: &str) -> Attribute {
    Attribute {
        name: name.to_owned(),
        r#type: kind.to_string().into_bytes(),
        description: description.to_owned(),
        optional: true,
        ..Attribute::default()
    }
}

fn nested(name: &str, nesting: NestingMode, attributes: Vec<Attribute>) -> Attribute {
    Attribute {
        r#type: Vec::new(),
        nested_type: Some(Object {
            attributes,
            nesting: nesting.into(),
            ..Object::default()
        }),
        ..attribute(name, &json!(null), "Some objects.")
    }
}

fn schema(attributes: Vec<Attribute>) -> Schema {
    Schema {
        version: 0,
        block: Some(Block {
            attributes,
            description: "A thing, kept as `<thing>`. Not more than <one>.".to_owned(),
            ..Block::default()
        }),
    }
}

fn thing() -> Schema {
    let required = Attribute {
        required: true,
        optional: false,
        ..attribute("name", &json!("string"), "The name.")
    };
    let computed = Attribute {
        optional: false,
        computed: true,
        ..attribute(
            "parts",
            &json!(["list", ["object", {"at": "number"}]]),
            "Its parts.",
        )
    };
    let defaulted = Attribute {
        computed: true,
        ..attribute(
            "colour",
            &json!("string"),
            "Its colour. Default: `\"red\"`.",
        )
    };
    let secret = Attribute {
        sensitive: true,
        write_only: true,
        ..attribute("secret_wo", &json!("string"), "What nobody may read.")
    };
    let old = Attribute {
        deprecated: true,
        deprecation_message: "Use `colour`.".to_owned(),
        ..attribute("tint", &json!(["set", "string"]), "Its colours.")
    };
    let inner = nested(
        "inner",
        NestingMode::Map,
        vec![attribute("deep", &json!("bool"), "")],
    );
    let outer = nested("outer", NestingMode::List, vec![inner]);
    schema(vec![required, computed, defaulted, secret, old, outer])
}

fn function() -> Function {
    let parameter = |name: &str| Parameter {
        name: name.to_owned(),
        r#type: br#""string""#.to_vec(),
        description: "A text.".to_owned(),
        ..Parameter::default()
    };
    Function {
        parameters: vec![parameter("text")],
        variadic_parameter: Some(Parameter {
            allow_null_value: true,
            ..parameter("more")
        }),
        r#return: Some(Return {
            r#type: br#"["list","number"]"#.to_vec(),
        }),
        summary: "Counts letters".to_owned(),
        description: "Counts the letters of every text.".to_owned(),
        ..Function::default()
    }
}

fn answer() -> Response {
    Response {
        provider: Some(schema(Vec::new())),
        resource_schemas: [("tollgate_thing".to_owned(), thing())].into(),
        data_source_schemas: [("tollgate_thing".to_owned(), schema(Vec::new()))].into(),
        functions: [("letters".to_owned(), function())].into(),
        ..Response::default()
    }
}

/// A repository with every example that [`answer`] needs.
fn repository() -> TempDir {
    let folder = TempDir::new().unwrap();
    for path in [
        "provider/provider.tf",
        "resources/tollgate_thing/resource.tf",
        "resources/tollgate_thing/import.tf",
        "resources/tollgate_thing/import.sh",
        "data-sources/tollgate_thing/data-source.tf",
        "functions/letters/function.tf",
    ] {
        let path = folder.path().join("examples").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(
            &path,
            format!("# {}\n", path.file_name().unwrap().display()),
        )
        .unwrap();
    }
    folder
}

fn pages_of(repository: &TempDir) -> Result<Vec<Page>, Vec<Failure>> {
    let guides = [guides::parse(GUIDE).unwrap()];
    pages::all(answer(), &Examples::of(repository.path()), &guides)
}

fn lines(failures: &[Failure], repository: &TempDir) -> Vec<String> {
    let folder = repository.path().display().to_string() + "/";
    let lines = failures
        .iter()
        .map(|failure| failure.to_string().replace(&folder, ""));
    lines.collect()
}

#[test]
fn the_documentation_of_this_repository_is_up_to_date() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");

    let compared = documentation(&repository).and_then(|pages| files::compare(&repository, &pages));

    if let Err(failures) = compared {
        let lines: Vec<_> = failures.iter().map(Failure::to_string).collect();
        panic!("{}", lines.join("\n"));
    }
}

#[test]
fn everything_in_a_schema_has_a_page() {
    let pages = pages_of(&repository()).unwrap();

    let shown = pages
        .iter()
        .map(|page| format!("==== {}\n{}", page.path, page.text));
    insta::assert_snapshot!(shown.collect::<String>());
}

#[test]
fn every_missing_example_is_named() {
    let repository = repository();
    fs::remove_dir_all(repository.path().join("examples/functions")).unwrap();
    fs::remove_file(repository.path().join("examples/provider/provider.tf")).unwrap();

    let failures = pages_of(&repository).unwrap_err();

    assert_eq!(
        lines(&failures, &repository),
        [
            "examples/functions/letters/function.tf is missing: write an example of letters",
            "examples/provider/provider.tf is missing: write an example of the provider",
        ]
    );
}

#[test]
fn what_no_page_can_show_is_an_error() {
    let mut answer = answer();
    answer.list_resource_schemas = [("tollgate_thing".to_owned(), thing())].into();
    let repository = repository();

    let failures = pages::all(answer, &Examples::of(repository.path()), &[]).unwrap_err();

    assert_eq!(
        lines(&failures, &repository),
        ["the schema of tollgate_thing can't be documented: no kind of page is made for it"]
    );
}

#[test]
fn pages_that_are_written_are_up_to_date_until_something_changes() {
    let repository = repository();
    let pages = pages_of(&repository).unwrap();
    let docs = repository.path().join("docs");

    files::write(repository.path(), &pages).unwrap();
    files::compare(repository.path(), &pages).unwrap();

    fs::write(docs.join("resources/thing.md"), "changed by hand").unwrap();
    fs::write(docs.join("resources/gone.md"), "").unwrap();
    fs::remove_file(docs.join("index.md")).unwrap();
    let failures = files::compare(repository.path(), &pages).unwrap_err();
    assert_eq!(
        lines(&failures, &repository),
        [
            "docs/resources/thing.md is not up to date: run `make generate`",
            "docs/index.md is not up to date: run `make generate`",
            "docs/resources/gone.md is of nothing that the provider has: run `make generate`, which removes it",
        ]
    );

    files::write(repository.path(), &pages).unwrap();
    files::compare(repository.path(), &pages).unwrap();
}

#[test]
fn what_people_write_is_left_alone() {
    let repository = repository();
    let docs = repository.path().join("docs");
    for folder in ["decisions", "guides"] {
        fs::create_dir_all(docs.join(folder)).unwrap();
        fs::write(docs.join(folder).join("own.md"), "own").unwrap();
    }

    files::write(repository.path(), &pages_of(&repository).unwrap()).unwrap();

    for folder in ["decisions", "guides"] {
        assert_eq!(
            fs::read_to_string(docs.join(folder).join("own.md")).unwrap(),
            "own"
        );
    }
}

#[test]
fn a_guide_needs_a_head_that_the_registry_reads() {
    let problem = |text: &str| guides::parse(text).unwrap_err();

    assert_eq!(
        problem("# First steps\n"),
        "it must begin with front matter between two lines `---`"
    );
    assert_eq!(
        problem(&GUIDE.replace("subcategory", "category")),
        "its front matter lacks `subcategory`, on a line of its own"
    );
    assert_eq!(
        problem(&GUIDE.replace("How to begin. In short.", "|-\n  How to begin.")),
        "its `page_title` and `description` must be one line of text each"
    );
}
