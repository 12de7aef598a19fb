//! Whose an object is: names that several claim, objects that get another name or address, and what goes with them.

use tollgate_acceptance::Terraform;

use crate::everything::{RESOURCES, changed, declared};
use crate::lifecycle::{SCOPE, assert_the_kept_token_opens, secret_id};
use crate::stores::{Run, on_both_stores};

on_both_stores! {
    what_a_lost_state_knew_is_not_taken_over => super::a_lost_state_is_told;
    a_scope_in_use_gets_another_name => super::a_scope_in_use_is_renamed;
    a_new_name_replaces_the_document => super::a_new_name_replaces;
    a_key_under_another_address_has_a_token_that_opens_it => super::another_address_keeps_a_good_token;
    everything_under_another_address_is_made_anew_by_one_apply => super::everything_gets_another_address;
    another_workspace_takes_nothing_away => super::another_workspace_takes_nothing;
    a_name_that_is_declared_twice_is_refused_by_every_plan => super::a_name_twice_is_refused;
    a_replacement_is_no_name_declared_twice => super::a_replacement_is_no_name_twice;
    a_key_that_is_replaced_never_keeps_its_token => super::a_replacement_never_keeps_a_token;
    another_provider_of_the_same_configuration_takes_nothing => super::an_alias_takes_nothing;
    a_scope_goes_in_one_apply_with_its_last_reference => super::a_scope_goes_with_its_last_reference;
}

/// Terraform got every answer: nothing tells a state that was lost from another one that remembers.
fn a_lost_state_is_told(run: &Run) {
    run.declare(&declared());
    run.terraform.apply(&[]).unwrap();
    let token = run.place.token(&secret_id(run)).unwrap();
    let state = run.terraform.state_file();
    let kept = state.with_extension("kept");
    std::fs::rename(&state, &kept).unwrap();

    let refused = run.terraform.try_apply().unwrap().expect_error().unwrap();

    let told = r#"Scope "orders:read" already exists"#;
    assert!(refused.flowing().contains(told), "{}", refused.output);
    std::fs::rename(&kept, &state).unwrap();
    run.terraform.expect_empty_plan(&[]).unwrap();
    let same = run.place.token(&secret_id(run)).unwrap().expose() == token.expose();
    assert!(same, "the token was replaced");
    run.terraform.destroy(&[]).unwrap();
    run.assert_nothing_is_left();
}

fn a_new_name_replaces(run: &Run) {
    run.declare(&declared());
    run.terraform.apply(&[]).unwrap();
    let before = secret_id(run);

    run.declare(&declared().replace("\"acme-ci\"", "\"acme-cd\""));
    let applied = run.terraform.apply(&[]).unwrap();

    assert!(
        applied.output.contains("1 added, 0 changed, 1 destroyed"),
        "{}",
        applied.output
    );
    assert!(
        run.place.token(&before).is_err(),
        "the old token is still there"
    );
    assert!(
        run.place
            .token(&secret_id(run))
            .unwrap()
            .expose()
            .starts_with("tg_test_")
    );
    run.terraform.expect_empty_plan(&[]).unwrap();
    run.terraform.destroy(&[]).unwrap();
}

/// Terraform removes the one and creates the other at the same moment, as nothing tells it that they share a name.
fn another_address_keeps_a_good_token(run: &Run) {
    run.declare(&declared());
    run.terraform.apply(&[]).unwrap();
    run.declare(&declared().replace("\"tollgate_key\" \"it\"", "\"tollgate_key\" \"other\""));

    run.terraform.apply(&[]).unwrap();

    assert_the_kept_token_opens(run);
    run.terraform.expect_empty_plan(&[]).unwrap();
    run.terraform.destroy(&[]).unwrap();
    run.assert_nothing_is_left();
}

/// Whatever is known of them by then: that they were changed shows that the state remembers them.
fn everything_gets_another_address(run: &Run) {
    run.declare(&declared());
    run.terraform.apply(&[]).unwrap();
    run.declare(&changed());
    run.terraform.apply(&[]).unwrap();
    let elsewhere = changed().replace("\" \"it\"", "\" \"other\"");
    run.declare(&elsewhere.replace(".it.", ".other."));

    let applied = run.terraform.apply(&[]).unwrap();

    let all = RESOURCES.len();
    let count = format!("{all} added, 0 changed, {all} destroyed");
    assert!(applied.output.contains(&count), "{}", applied.output);
    run.terraform.expect_empty_plan(&[]).unwrap();
    assert_the_kept_token_opens(run);
    run.terraform.destroy(&[]).unwrap();
    run.assert_nothing_is_left();
}

/// Two workspaces of one configuration, on one namespace.
fn another_workspace_takes_nothing(run: &Run) {
    let terraform = &run.terraform;
    run.declare(&declared());
    terraform.apply(&[]).unwrap();
    let token = run.place.token(&secret_id(run)).unwrap();
    let workspace = |arguments: &[&str]| {
        let arguments: Vec<_> = ["workspace"].iter().chain(arguments).copied().collect();
        terraform.run(&arguments).unwrap().expect_success().unwrap();
    };
    workspace(&["new", "staging"]);

    let plan = terraform.plan(&[]).unwrap();
    let refused = terraform.try_apply().unwrap().expect_error().unwrap();
    terraform.destroy(&[]).unwrap();

    let told = r#"Key "acme-ci" exists already"#;
    assert!(plan.flowing().contains(told), "{}", plan.output);
    let told = r#"Scope "orders:read" already exists"#;
    assert!(refused.flowing().contains(told), "{}", refused.output);
    workspace(&["select", "default"]);
    terraform.expect_empty_plan(&[]).unwrap();
    let same = run.place.token(&secret_id(run)).unwrap().expose() == token.expose();
    assert!(same, "the token was replaced");
    terraform.destroy(&[]).unwrap();
    run.assert_nothing_is_left();
}

/// Two providers of one configuration plan in processes of their own.
fn an_alias_takes_nothing(run: &Run) {
    let alias = "provider \"tollgate\" {\n  alias = \"b\"\n}\n";
    let other = SCOPE.replace(
        "\"it\" {",
        "\"other\" {\n  provider = tollgate.b\n  depends_on = [tollgate_scope.it]",
    );
    run.declare(SCOPE);
    run.terraform.apply(&[]).unwrap();
    run.declare(&format!("{alias}{SCOPE}{other}"));

    for _ in 0..2 {
        let refused = run.terraform.try_apply().unwrap().expect_error().unwrap();
        let told = r#"Scope "orders:read" already exists"#;
        assert!(refused.flowing().contains(told), "{}", refused.output);
    }
    run.declare(SCOPE);
    run.terraform.expect_empty_plan(&[]).unwrap();
    run.terraform.destroy(&[]).unwrap();
}

fn a_name_twice_is_refused(run: &Run) {
    run.declare(SCOPE);
    run.terraform.apply(&[]).unwrap();
    let twice = SCOPE.replace("\"it\"", "\"other\"");
    run.declare(&format!("{SCOPE}{twice}"));

    for _ in 0..2 {
        let refused = run.terraform.try_apply().unwrap().expect_error().unwrap();
        let told = r#"Scope "orders:read" is declared twice"#;
        assert!(refused.flowing().contains(told), "{}", refused.output);
    }

    run.declare(SCOPE);
    run.terraform.expect_empty_plan(&[]).unwrap();
    run.terraform.destroy(&[]).unwrap();
}

fn a_replacement_is_no_name_twice(run: &Run) {
    run.declare(&declared());
    run.terraform.apply(&[]).unwrap();
    let token = run.place.token(&secret_id(run)).unwrap();

    let replace = ["-replace=tollgate_key.it", "-replace=tollgate_key_set.it"];
    let arguments: Vec<_> = Terraform::APPLY.into_iter().chain(replace).collect();
    let applied = run
        .terraform
        .run(&arguments)
        .unwrap()
        .expect_success()
        .unwrap();

    let count = "2 added, 0 changed, 2 destroyed";
    assert!(applied.output.contains(count), "{}", applied.output);
    assert!(
        !applied.output.contains("exists already"),
        "{}",
        applied.output
    );
    let same = run.place.token(&secret_id(run)).unwrap().expose() == token.expose();
    assert!(!same, "a replaced key has another token");
    run.terraform.expect_empty_plan(&[]).unwrap();
    run.terraform.destroy(&[]).unwrap();
}

/// A person who replaces a key wants its token to end.
fn a_replacement_never_keeps_a_token(run: &Run) {
    let key = |lifecycle: &str| {
        format!(
            "{SCOPE}\nresource \"tollgate_key\" \"it\" {{\n  name   = \"acme-ci\"\n  scopes = [tollgate_scope.it.name]\n{lifecycle}}}\n"
        )
    };
    run.declare(&key(
        "  lifecycle {\n    create_before_destroy = true\n  }\n",
    ));
    run.terraform.apply(&[]).unwrap();
    let token = run.place.token(&secret_id(run)).unwrap();
    let arguments = Terraform::APPLY
        .into_iter()
        .chain(["-replace=tollgate_key.it"]);
    let arguments: Vec<_> = arguments.collect();

    let refused = run
        .terraform
        .run(&arguments)
        .unwrap()
        .expect_error()
        .unwrap();
    assert!(
        refused
            .flowing()
            .contains("without `create_before_destroy`"),
        "{}",
        refused.output
    );

    run.declare(&key(""));
    run.terraform.apply(&[]).unwrap();
    run.terraform
        .run(&arguments)
        .unwrap()
        .expect_success()
        .unwrap();
    let same = run.place.token(&secret_id(run)).unwrap().expose() == token.expose();
    assert!(!same, "a replaced key has another token");
    run.terraform.expect_empty_plan(&[]).unwrap();
    run.terraform.destroy(&[]).unwrap();
    run.assert_nothing_is_left();
}

/// Terraform removes the scope before it changes the key, unless the scope was applied to be replaced the other way round.
fn a_scope_goes_with_its_last_reference(run: &Run) {
    let declared = |lifecycle: &str| {
        let scope = SCOPE.replace("grants", &format!("{lifecycle}\n  grants"));
        let other = SCOPE
            .replace("\"it\"", "\"rest\"")
            .replace("orders:read", "rest");
        let key = |scope: &str| {
            format!(
                "resource \"tollgate_key\" \"it\" {{\n  name   = \"acme-ci\"\n  scopes = [tollgate_scope.{scope}.name]\n}}\n"
            )
        };
        [
            format!("{scope}{other}{}", key("it")),
            format!("{other}{}", key("rest")),
        ]
    };
    let [before, after] = declared("");
    run.declare(&before);
    run.terraform.apply(&[]).unwrap();
    run.declare(&after);
    let refused = run.terraform.try_apply().unwrap().expect_error().unwrap();
    assert!(
        refused.flowing().contains("create_before_destroy = true"),
        "{}",
        refused.output
    );

    let [before, after] = declared("lifecycle {\n    create_before_destroy = true\n  }");
    run.declare(&before);
    run.terraform.apply(&[]).unwrap();
    run.declare(&after);
    run.terraform.apply(&[]).unwrap();
    run.terraform.expect_empty_plan(&[]).unwrap();
    run.terraform.destroy(&[]).unwrap();
}

/// Its users can only follow once the new one is there, and the old one can only go after them.
fn a_scope_in_use_is_renamed(run: &Run) {
    let declared = |name: &str| {
        let scope = SCOPE.replace("orders:read", name).replace(
            "grants",
            "lifecycle {\n    create_before_destroy = true\n  }\n  grants",
        );
        format!(
            "{scope}\nresource \"tollgate_key\" \"it\" {{\n  name   = \"acme-ci\"\n  scopes = [tollgate_scope.it.name]\n}}\n"
        )
    };
    run.declare(&declared("orders:read"));
    run.terraform.apply(&[]).unwrap();

    run.declare(&declared("orders:look"));
    let applied = run.terraform.apply(&[]).unwrap();

    assert!(
        applied.output.contains("1 added, 1 changed, 1 destroyed"),
        "{}",
        applied.output
    );
    run.terraform.expect_empty_plan(&[]).unwrap();
    run.terraform.destroy(&[]).unwrap();
}
