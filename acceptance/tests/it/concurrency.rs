//! Two applies at once lose nothing.

use std::fmt::Write;

use tollgate_acceptance::Terraform;
use tollgate_store::backend::Depth;

use crate::intact::assert_intact;
use crate::stores::{Run, another, declare, on_both_stores};

on_both_stores! {
    two_applies_at_once_keep_each_others_documents => super::two_applies_at_once;
    keys_are_added_to_a_scope_that_changes_meanwhile => super::keys_and_their_scope_at_once;
    keys_that_two_applies_add_to_one_set_are_all_kept => super::one_set_two_writers;
    of_two_applies_that_change_one_set_at_once_one_plans_again => super::one_set_at_once;
    of_two_applies_that_change_one_document_none_is_lost_silently => super::one_document_two_writers;
}

const SCOPES_EACH: usize = 20;
/// So many that both folders write to the same shards.
const KEYS_EACH: usize = 20;

fn two_applies_at_once(run: &Run) {
    let teams = ["red", "blue"];
    let terraforms = teams.map(|team| {
        let terraform = another(run);
        declare(&terraform, &scopes(team));
        terraform
    });

    all_at_once(&terraforms, "apply");

    assert_eq!(documents(run), SCOPES_EACH * teams.len());
    for terraform in &terraforms {
        terraform.expect_empty_plan(&[]).unwrap();
    }
    all_at_once(&terraforms, "destroy");
    run.assert_nothing_is_left();
}

fn all_at_once(terraforms: &[Terraform], verb: &str) {
    let run = |terraform: &Terraform| {
        let run = terraform
            .run(&[verb, "-auto-approve", "-no-color"])
            .unwrap();
        run.expect_success().unwrap();
    };
    std::thread::scope(|scope| {
        for terraform in terraforms {
            scope.spawn(move || run(terraform));
        }
    });
}

fn keys_and_their_scope_at_once(run: &Run) {
    let scope = |path: &str| {
        format!(
            "resource \"tollgate_scope\" \"it\" {{\n  name = \"shared\"\n  grants = [{{ path = \"{path}\" }}]\n}}\n"
        )
    };
    let terraforms = [another(run), another(run)];
    let [first, second] = &terraforms;
    declare(first, &scope("/before"));
    first.apply(&[]).unwrap();
    declare(first, &(scope("/after") + &keys("red")));
    declare(second, &keys("blue"));

    all_at_once(&terraforms, "apply");

    let names = ["red", "blue"]
        .into_iter()
        .flat_map(|team| (0..KEYS_EACH).map(move |number| format!("key/{team}-{number}")));
    let names: Vec<String> = names.chain(["scope/shared".to_owned()]).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_intact(run, &names);
    for terraform in &terraforms {
        terraform.expect_empty_plan(&[]).unwrap();
    }
    second.destroy(&[]).unwrap();
    first.destroy(&[]).unwrap();
    run.assert_nothing_is_left();
}

fn keys(team: &str) -> String {
    (0..KEYS_EACH).fold(String::new(), |mut text, number| {
        let key = format!("{team}-{number}");
        writeln!(text, "resource \"tollgate_key\" \"{key}\" {{\n  name = \"{key}\"\n  scopes = [\"shared\"]\n}}").unwrap();
        text
    })
}

fn one_document_two_writers(run: &Run) {
    let scope = |path: &str| {
        format!(
            "resource \"tollgate_scope\" \"it\" {{\n  name = \"a\"\n  grants = [{{ path = \"{path}\" }}]\n}}\n"
        )
    };
    let (first, second) = (another(run), another(run));
    declare(&first, &scope("/0"));
    first.apply(&[]).unwrap();
    declare(&second, &scope("/0"));
    second
        .run(&["import", "-input=false", "tollgate_scope.it", "a"])
        .unwrap()
        .expect_success()
        .unwrap();
    for (terraform, path) in [(&first, "/1"), (&second, "/2")] {
        declare(terraform, &scope(path));
        terraform
            .run(&["plan", "-out=saved"])
            .unwrap()
            .expect_success()
            .unwrap();
    }

    let winner = first.run(&["apply", "-no-color", "saved"]).unwrap();
    let loser = second.run(&["apply", "-no-color", "saved"]).unwrap();

    winner.expect_success().unwrap();
    let loser = loser.expect_error().unwrap();
    assert!(loser.flowing().contains("plan again"), "{}", loser.output);
    first.expect_empty_plan(&[]).unwrap();
    first.destroy(&[]).unwrap();
}

fn set(keys: &str) -> String {
    format!(
        "resource \"tollgate_scope\" \"it\" {{\n  name = \"a\"\n  grants = [{{ path = \"/**\" }}]\n}}\nresource \
         \"tollgate_key_set\" \"it\" {{\n  name = \"many\"\n  scopes = [tollgate_scope.it.name]\n  keys = {{ {keys} }}\n}}\n"
    )
}

/// Two folders that know the same set, and have a plan each that gives it these keys.
fn two_plans(run: &Run, plans: [&str; 2]) -> [Terraform; 2] {
    let terraforms = [another(run), another(run)];
    let [first, second] = &terraforms;
    declare(first, &set("a = {}"));
    first.apply(&[]).unwrap();
    std::fs::copy(first.state_file(), second.state_file()).unwrap();
    for (terraform, keys) in terraforms.iter().zip(plans) {
        declare(terraform, &set(keys));
        let plan = terraform.run(&["plan", "-out=saved"]).unwrap();
        plan.expect_success().unwrap();
    }
    terraforms
}

/// Whoever comes first wins, and the other one leaves nothing by half.
fn one_set_at_once(run: &Run) {
    let plans = ["a = {}, b = {}", "a = { token_version = 2 }, c = {}"];
    let terraforms = two_plans(run, plans);

    let apply = |terraform: &Terraform| terraform.run(&["apply", "-no-color", "saved"]).unwrap();
    let ended = std::thread::scope(|scope| {
        let running = terraforms
            .each_ref()
            .map(|terraform| scope.spawn(move || apply(terraform)));
        running.map(|run| run.join().unwrap())
    });

    let ended = ended.iter().zip(&terraforms);
    let (won, lost): (Vec<_>, Vec<_>) = ended.partition(|(ended, _)| ended.status == 0);
    let ([_], [(refused, loser)]) = (won.as_slice(), lost.as_slice()) else {
        panic!("{} won", won.len())
    };
    assert!(
        refused.flowing().contains("plan again"),
        "{}",
        refused.output
    );
    assert_intact(run, &["key_set/many", "scope/a"]);
    loser.apply(&[]).unwrap();
    loser.expect_empty_plan(&[]).unwrap();
    assert_intact(run, &["key_set/many", "scope/a"]);
    loser.destroy(&[]).unwrap();
    run.assert_nothing_is_left();
}

/// One of the two is told to plan again, and then both see all.
fn one_set_two_writers(run: &Run) {
    let [first, second] = two_plans(run, ["a = {}, b = {}", "a = {}, c = {}"]);

    let winner = first.run(&["apply", "-no-color", "saved"]).unwrap();
    let loser = second.run(&["apply", "-no-color", "saved"]).unwrap();

    winner.expect_success().unwrap();
    let loser = loser.expect_error().unwrap();
    assert!(loser.flowing().contains("plan again"), "{}", loser.output);
    declare(&second, &set("a = {}, b = {}, c = {}"));
    let applied = second.apply(&[]).unwrap();
    assert!(
        applied.output.contains("0 added, 1 changed"),
        "{}",
        applied.output
    );
    second.expect_empty_plan(&[]).unwrap();
    second.destroy(&[]).unwrap();
    run.assert_nothing_is_left();
}

fn scopes(team: &str) -> String {
    (0..SCOPES_EACH).fold(String::new(), |mut text, number| {
        let scope = format!("{team}-{number}");
        writeln!(text, "resource \"tollgate_scope\" \"{scope}\" {{\n  name = \"{scope}\"\n  grants = [{{ path = \"/{scope}\" }}]\n}}").unwrap();
        text
    })
}

fn documents(run: &Run) -> usize {
    let load = run.with_store(async |store| store.poll(None, Depth::Everything).await);
    load.unwrap().unwrap().entries.len()
}
