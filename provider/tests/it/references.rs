//! What documents say about one another.

use serde_json::json;
use tollgate_store::backend::{Backend, Expected};
use tollgate_store::document::Document;

use crate::samples;
use crate::terraform::{Object, Terraform, key, with};
use crate::words::texts;

async fn applied(terraform: &Terraform, resource: &str, json: &serde_json::Value) -> Object {
    let config = terraform.config(resource, json);
    let applied = terraform.apply(resource, None, &config).await;
    assert_eq!(texts(&applied.diagnostics), [""; 0]);
    applied.object.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_key_that_names_a_scope_which_does_not_exist_is_refused_with_both_names() {
    let terraform = Terraform::new().await;
    let config = json!({"name": "acme-ci", "scopes": ["base:read", "orders:raed"]});
    let config = terraform.config("tollgate_key", &config);

    let refused = terraform.apply("tollgate_key", None, &config).await;

    assert_eq!(
        texts(&refused.diagnostics),
        [
            "error @.scopes\nKey \"acme-ci\" names scope \"orders:raed\", which does not exist\nMemory, namespace \
             \"prod\" holds no scope \"orders:raed\", and proxies would leave key \"acme-ci\" out. Declare it first; in \
             the same configuration, refer to it as `tollgate_scope.NAME.name`, so that Terraform knows the order."
        ]
    );
    assert_eq!(refused.object, None);
    let token = terraform.store.token(&key("key", "acme-ci").name);
    assert!(token.is_none(), "nothing was made");
}

#[tokio::test(start_paused = true)]
async fn whatever_names_something_missing_is_refused() {
    for (sample, attribute, value, missing) in [
        (samples::role(), "scopes", json!(["no:scope"]), "no:scope"),
        (samples::principal(), "roles", json!(["no-role"]), "no-role"),
        (
            samples::principal(),
            "quotas",
            json!(["no-quota"]),
            "no-quota",
        ),
        (samples::key(), "roles", json!(["no-role"]), "no-role"),
        (samples::key(), "quotas", json!(["no-quota"]), "no-quota"),
        (samples::route(), "proxy", json!("no-proxy"), "no-proxy"),
        (
            samples::route(),
            "upstream",
            json!("no-upstream"),
            "no-upstream",
        ),
    ] {
        let terraform = Terraform::new().await;
        let standing = applied(&terraform, sample.resource, &sample.full).await;
        let config = terraform.config(sample.resource, &sample.with(attribute, value));

        let updated = terraform
            .apply(sample.resource, Some(&standing), &config)
            .await;

        let [text] = texts(&updated.diagnostics).try_into().unwrap();
        let first = format!("error @.{attribute}\n");
        assert!(text.starts_with(&first) && text.contains(missing), "{text}");
        assert_eq!(updated.object, Some(standing));
    }
}

#[tokio::test(start_paused = true)]
async fn a_scope_that_is_still_named_can_not_go_unless_it_is_forced_to() {
    let terraform = Terraform::new().await;
    let scope = applied(&terraform, "tollgate_scope", &samples::scope().full).await;
    let names_it = json!({"name": "acme-ci", "scopes": ["orders:read"]});
    let used = applied(&terraform, "tollgate_key", &names_it).await;
    let names_it = json!({"name": "partner", "scopes": ["orders:read"]});
    applied(&terraform, "tollgate_role", &names_it).await;

    let refused = terraform.destroy("tollgate_scope", &scope).await;

    assert_eq!(
        texts(&refused.diagnostics),
        [
            "error @\nScope \"orders:read\" is still in use\nIn memory, namespace \"prod\", role \"partner\" and key \
             \"acme-ci\" name it, and would open nothing without it. Take it out of them, or remove them, with an apply \
             of its own: where one apply does both, Terraform removes first, unless `lifecycle { create_before_destroy = \
             true }` was applied here before, which also serves where another one takes its place. To remove it all the \
             same, set `force_destroy = true` and apply that before."
        ]
    );
    let standing = refused.object.unwrap();
    assert_eq!(standing, scope);

    let forced = Object {
        state: with(&standing.state, "force_destroy", true.into()),
        ..standing
    };
    let gone = terraform.destroy("tollgate_scope", &forced).await;
    assert_eq!((texts(&gone.diagnostics), gone.object), (Vec::new(), None));
    let removed = terraform.destroy("tollgate_key", &used).await;
    assert_eq!(removed.object, None, "what names something missing can go");
}

#[tokio::test(start_paused = true)]
async fn one_that_nothing_names_any_more_can_go() {
    let terraform = Terraform::new().await;
    let scope = applied(&terraform, "tollgate_scope", &samples::scope().full).await;
    let key = json!({"name": "acme-ci", "scopes": ["orders:read"]});
    let key = applied(&terraform, "tollgate_key", &key).await;
    let other = json!({"name": "acme-ci", "scopes": ["base:read"]});
    let other = terraform.config("tollgate_key", &other);
    terraform.apply("tollgate_key", Some(&key), &other).await;

    let gone = terraform.destroy("tollgate_scope", &scope).await;

    assert_eq!((texts(&gone.diagnostics), gone.object), (Vec::new(), None));
}

#[tokio::test(start_paused = true)]
async fn what_is_declared_in_one_apply_without_an_order_finds_itself() {
    let terraform = Terraform::new().await;
    let scope = terraform.config("tollgate_scope", &samples::scope().full);
    let role = json!({"name": "partner", "scopes": ["orders:read"]});
    let role = terraform.config("tollgate_role", &role);
    let principal = json!({"name": "acme", "roles": ["partner"]});
    let principal = terraform.config("tollgate_principal", &principal);

    let (principal, role, scope) = tokio::join!(
        terraform.apply("tollgate_principal", None, &principal),
        terraform.apply("tollgate_role", None, &role),
        terraform.apply("tollgate_scope", None, &scope),
    );

    for made in [&principal, &role, &scope] {
        assert_eq!(texts(&made.diagnostics), [""; 0]);
    }
    let (scope, role, principal) = tokio::join!(
        terraform.destroy("tollgate_scope", scope.object.as_ref().unwrap()),
        terraform.destroy("tollgate_role", role.object.as_ref().unwrap()),
        terraform.destroy("tollgate_principal", principal.object.as_ref().unwrap()),
    );
    for gone in [&principal, &role, &scope] {
        assert_eq!(texts(&gone.diagnostics), [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn two_that_wait_for_each_other_are_told_soon() {
    let terraform = Terraform::new().await;
    let one = json!({"name": "one", "scopes": ["no:scope"]});
    let one = terraform.config("tollgate_role", &one);
    let other = json!({"name": "other", "scopes": ["no:scope"]});
    let other = terraform.config("tollgate_role", &other);

    let (one, other) = tokio::join!(
        terraform.apply("tollgate_role", None, &one),
        terraform.apply("tollgate_role", None, &other),
    );

    for refused in [one, other] {
        assert!(texts(&refused.diagnostics)[0].contains("does not exist"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_document_that_was_changed_by_hand_to_name_nothing_is_still_read() {
    let terraform = Terraform::new().await;
    let sample = samples::role();
    let created = applied(&terraform, sample.resource, &sample.full).await;
    let id = key("role", sample.name);
    let entry = terraform.store.read(&id).await.unwrap().unwrap();
    let edited = Document::parse(&id, json!({"scopes": ["no:scope"]})).unwrap();
    let expected = Expected::Revision(entry.revision.unwrap());
    terraform.store.write(&edited, &expected).await.unwrap();

    let read = terraform.refresh(sample.resource, &created).await;

    assert_eq!(texts(&read.diagnostics), [""; 0]);
    assert!(read.object.is_some());
}
