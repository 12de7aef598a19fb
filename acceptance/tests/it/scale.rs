//! A namespace that outgrows its secrets.

use crate::everything::declared;
use crate::stores::{Run, localstack};

/// A provider that spreads its namespace over so many shards.
fn over(run: &Run, shards: u8, resources: &str) {
    let provider = format!(
        "terraform {{\n  required_providers {{\n    tollgate = {{ source = \"tollgate/tollgate\" }}\n  }}\n}}\nprovider \
         \"tollgate\" {{\n  secrets_manager = {{ shards = {shards} }}\n}}\n"
    );
    run.terraform
        .write("main.tf", &format!("{provider}{resources}"))
        .unwrap();
}

#[test]
fn a_namespace_is_spread_over_the_declared_number_of_shards_by_the_next_apply_that_writes() {
    let run = localstack("scale");
    run.declare(&declared());
    run.terraform.apply(&[]).unwrap();
    let before = run.place.leftovers(&run.namespace).unwrap();
    assert!(
        !before.iter().any(|name| name.contains("of24")),
        "{before:?}"
    );

    over(&run, 24, &declared());
    run.terraform.expect_empty_plan(&[]).unwrap();
    over(
        &run,
        24,
        &declared().replace("Read orders.", "Look at orders."),
    );
    run.terraform.apply(&[]).unwrap();

    run.terraform.expect_empty_plan(&[]).unwrap();
    let after = run.place.leftovers(&run.namespace).unwrap();
    let shards = after.iter().filter(|name| name.contains("/shard-"));
    assert!(shards.clone().count() > 0);
    assert!(
        shards.clone().all(|name| name.contains("of24")),
        "{after:?}"
    );
    run.terraform.destroy(&[]).unwrap();
    run.assert_nothing_is_left();
}

#[test]
fn a_store_that_fills_up_says_so_and_what_to_do() {
    let run = localstack("scale");
    let scopes: String = (0..3).map(scope).collect();
    over(&run, 1, &scopes);

    let applied = run.terraform.apply(&[]).unwrap();

    let told = applied.flowing();
    assert!(told.contains("The store fills up"), "{told}");
    assert!(told.contains("to twice as many as it has"), "{told}");
    run.terraform.destroy(&[]).unwrap();
}

/// A scope that takes a quarter of a shard.
fn scope(number: u64) -> String {
    let grant = |of: u64| format!("    {{ path = \"/{}/**\" }},\n", noise(number * 100 + of));
    let grants: Vec<String> = (0..100).map(grant).collect();
    format!(
        "resource \"tollgate_scope\" \"it{number}\" {{\n  name = \"it{number}\"\n  grants = [\n{}  ]\n}}\n",
        grants.concat()
    )
}

/// Text that does not compress well, and is the same every time.
fn noise(number: u64) -> String {
    let mut state = number + 1;
    let mut letter = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        char::from(b'a' + u8::try_from((state >> 33) % 26).unwrap())
    };
    (0..200).map(|_| letter()).collect()
}
