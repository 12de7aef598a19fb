//! Roles that give something only under a condition, in a language of nothing but headers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use tollgate_gate::{
    Caller as Asker, Circumstances, Condition, ConditionLanguage, Documents, Facts, Question,
    Refusal, Snapshot,
};
use tollgate_store::TimeZone;
use tollgate_store::document::Entry;

use crate::documents::*;
use crate::snapshot::rejected;

/// A language whose conditions are names of headers, each met where the request has that; `FAILS` can't be told, and `BAD`
/// is no condition.
#[derive(Debug, Default)]
pub(crate) struct Headers {
    evaluated: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct HasHeader {
    header: [HeaderName; 1],
    evaluated: Arc<AtomicUsize>,
}

impl ConditionLanguage for Headers {
    fn read(
        &self,
        text: &tollgate_store::Condition,
        _: Option<&TimeZone>,
    ) -> Result<Arc<dyn Condition>, String> {
        if text.as_str() == "BAD" {
            return Err("line 1, column 1: it is BAD".to_owned());
        }
        Ok(Arc::new(HasHeader {
            header: [HeaderName::try_from(text.as_str()).unwrap()],
            evaluated: Arc::clone(&self.evaluated),
        }))
    }
}

impl Condition for HasHeader {
    fn is_met(&self, facts: &Facts<'_>) -> Result<bool, String> {
        self.evaluated.fetch_add(1, Ordering::Relaxed);
        let [header] = &self.header;
        if header == "fails" {
            return Err("nobody can tell".to_owned());
        }
        Ok(facts.circumstances.headers.contains_key(header))
    }

    fn told(&self, facts: &Facts<'_>) -> Vec<String> {
        let [header] = &self.header;
        let is_there = facts.circumstances.headers.contains_key(header);
        vec![format!(
            "{header} is {}",
            if is_there { "there" } else { "absent" }
        )]
    }

    fn headers(&self) -> &[HeaderName] {
        &self.header
    }
}

pub(crate) fn conditional(name: &str, scopes: &[&str], condition: &str) -> Entry {
    entry(
        "role",
        name,
        json!({"scopes": scopes, "condition": condition}),
    )
}

pub(crate) fn with_header_names(names: &[&'static str]) -> HeaderMap {
    let header =
        |name: &&'static str| (HeaderName::from_static(name), HeaderValue::from_static(""));
    names.iter().map(header).collect()
}

struct World {
    snapshot: Snapshot,
    language: Headers,
    acme: Caller,
}

impl World {
    /// Scopes `a`, `b` and `c`, each of one path, and `acme` with those roles.
    fn new(roles: impl IntoIterator<Item = Entry>, key: Value) -> Self {
        let acme = Caller::new("acme");
        let entries = entries(roles, acme.key(key));
        let language = Headers::default();
        let (snapshot, rejected) = Snapshot::build(&entries, &name("edge"), &language);
        assert_eq!(rejected, []);
        Self {
            snapshot,
            language,
            acme,
        }
    }

    /// The scope that allows `GET <path>` with those headers, or why none does.
    fn get(&self, path: &str, headers: &[&'static str]) -> Result<String, Refusal> {
        let headers = with_header_names(headers);
        let circumstances = Circumstances {
            headers: &headers,
            ..circumstances()
        };
        let principal = self.acme.identify(&self.snapshot)?;
        let target = target("GET", "api.example.com", path)?;
        let grant = self
            .snapshot
            .authorize(&principal, &target, &circumstances)?;
        Ok(grant.scope().unwrap().to_string())
    }

    fn code(&self, path: &str, headers: &[&'static str]) -> String {
        let found = self.get(path, headers);
        found.unwrap_or_else(|refusal| refusal.code().to_owned())
    }

    /// How many conditions were evaluated since this was asked last.
    fn evaluated(&self) -> usize {
        self.language.evaluated.swap(0, Ordering::Relaxed)
    }
}

fn entries(roles: impl IntoIterator<Item = Entry>, key: Entry) -> Vec<Entry> {
    let mut entries = open_world();
    entries.retain(|entry| entry.id.kind != "scope");
    for letter in ["a", "b", "c"] {
        entries.push(scope(letter, &format!("/{letter}")));
    }
    let roles: Vec<_> = roles.into_iter().collect();
    let names: Vec<_> = roles.iter().map(|role| role.id.name.clone()).collect();
    entries.extend(roles);
    entries.push(principal("buyer", json!({"roles": names})));
    entries.push(key);
    entries
}

fn as_buyer() -> Value {
    json!({"principal": "buyer"})
}

#[test]
fn a_role_gives_its_scopes_while_its_condition_is_met() {
    let world = World::new(
        [
            conditional("night", &["a", "b"], "x-night"),
            role("day", &["c"]),
        ],
        as_buyer(),
    );

    assert_eq!(world.code("/a", &["x-night"]), "a");
    assert_eq!(world.code("/a", &[]), "condition_unmet");
    assert_eq!(world.code("/c", &[]), "c");
    assert_eq!(world.code("/elsewhere", &["x-night"]), "scope_insufficient");
}

#[test]
fn a_condition_that_cant_be_told_is_not_met() {
    let world = World::new([conditional("night", &["a"], "fails")], as_buyer());

    assert_eq!(world.code("/a", &["fails"]), "condition_unmet");
}

#[test]
fn a_refusal_names_the_roles_for_the_operator_and_not_in_its_words() {
    let roles = [
        conditional("night", &["a"], "x-night"),
        conditional("ops", &["a"], "x-ops"),
        conditional("other", &["b"], "x-ops"),
    ];
    let world = World::new(roles, as_buyer());
    let refusal = world.get("/a", &[]).unwrap_err();

    assert!(!refusal.to_string().contains("night"));
    let Refusal::ConditionUnmet { roles, .. } = refusal else {
        panic!("{refusal:?}")
    };
    assert_eq!(*roles, [name("night"), name("ops")]);
}

#[test]
fn conditions_are_evaluated_only_where_they_decide_and_in_order() {
    let roles = [
        conditional("a-first", &["a", "b"], "x-1"),
        conditional("b-second", &["a"], "x-2"),
        conditional("c-third", &["a"], "x-3"),
        role("always", &["b"]),
    ];
    let world = World::new(roles, as_buyer());

    for (path, headers, code, evaluated) in [
        ("/b", &["x-1"][..], "b", 0),
        ("/c", &["x-1"], "scope_insufficient", 0),
        ("/a", &["x-1"], "a", 1),
        ("/a", &["x-2", "x-3"], "a", 2),
        ("/a", &[], "condition_unmet", 3),
    ] {
        assert_eq!(world.code(path, headers), code, "{path} {headers:?}");
        assert_eq!(world.evaluated(), evaluated, "{path} {headers:?}");
    }
}

#[test]
fn roles_without_conditions_evaluate_none() {
    let world = World::new([role("day", &["a"])], as_buyer());

    assert_eq!(world.code("/a", &[]), "a");
    assert_eq!(world.code("/b", &[]), "scope_insufficient");
    assert_eq!(world.evaluated(), 0);
}

#[test]
fn a_key_narrows_what_its_principal_holds_under_a_condition() {
    let roles = [
        conditional("night", &["a", "b"], "x-night"),
        role("day", &["c"]),
    ];
    let key = json!({"principal": "buyer", "scopes": ["b", "c"]});
    let world = World::new(roles, key);

    assert_eq!(world.code("/a", &["x-night"]), "scope_insufficient");
    assert_eq!(world.code("/b", &["x-night"]), "b");
    assert_eq!(world.code("/b", &[]), "condition_unmet");
    assert_eq!(world.code("/c", &[]), "c");
}

#[test]
fn a_key_that_stands_alone_has_roles_with_conditions() {
    let roles = [conditional("night", &["a"], "x-night")];
    let world = World::new(roles, json!({"roles": ["night"], "scopes": ["b"]}));

    assert_eq!(world.code("/a", &["x-night"]), "a");
    assert_eq!(world.code("/a", &[]), "condition_unmet");
    assert_eq!(world.code("/b", &[]), "b");
}

#[test]
fn a_role_with_a_bad_condition_is_left_out_with_what_names_it() {
    let acme = Caller::new("acme");
    let entries = entries([conditional("night", &["a"], "BAD")], acme.key(as_buyer()));
    let (snapshot, left_out) = Snapshot::build(&entries, &name("edge"), &Headers::default());

    let left_out: Vec<_> = left_out.iter().map(|it| it.reason.as_str()).collect();
    assert_eq!(
        left_out[0],
        "role \"night\" has a bad condition: line 1, column 1: it is BAD"
    );
    assert!(
        left_out[1].starts_with("principal \"buyer\" names role \"night\", which was rejected")
    );
    assert_eq!(
        acme.identify(&snapshot).unwrap_err().code(),
        "credential_unknown"
    );
}

#[test]
fn where_no_condition_can_be_read_a_role_with_one_gives_nothing() {
    let entries = entries(
        [conditional("night", &["a"], "x-night")],
        Caller::new("acme").key(as_buyer()),
    );

    let left_out = rejected(&entries);
    assert!(
        left_out[0].contains("no condition can be read here"),
        "{left_out:?}"
    );
}

#[test]
fn an_open_route_needs_no_condition() {
    let acme = Caller::new("acme");
    let mut entries = entries(
        [conditional("night", &["a"], "x-night")],
        acme.key(as_buyer()),
    );
    entries.retain(|entry| entry.id.kind != "route");
    let open = json!({"proxy": "edge", "path": "/**", "upstream": "orders", "anonymous": true});
    entries.push(entry("route", "everything", open));
    let language = Headers::default();
    let (snapshot, _) = Snapshot::build(&entries, &name("edge"), &language);
    let principal = acme.identify(&snapshot).unwrap();
    let target = target("GET", "api.example.com", "/a").unwrap();

    let grant = snapshot
        .authorize(&principal, &target, &circumstances())
        .unwrap();
    assert_eq!(grant.scope(), None);
    assert_eq!(language.evaluated.load(Ordering::Relaxed), 0);
}

#[test]
fn an_upstream_is_told_of_the_scopes_that_a_met_condition_gives() {
    let roles = [
        conditional("night", &["a", "b"], "x-night"),
        role("day", &["b", "c"]),
    ];
    let world = World::new(roles, as_buyer());
    let headers = with_header_names(&["x-night"]);
    let circumstances = Circumstances {
        headers: &headers,
        ..circumstances()
    };
    let principal = world.acme.identify(&world.snapshot).unwrap();
    let scopes = |path: &str| {
        let target = target("GET", "api.example.com", path).unwrap();
        let grant = world
            .snapshot
            .authorize(&principal, &target, &circumstances);
        grant
            .unwrap()
            .scopes()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };

    assert_eq!(scopes("/a"), ["a", "b", "c"]);
    assert_eq!(scopes("/c"), ["b", "c"]);
}

#[test]
fn a_snapshot_names_the_headers_that_its_conditions_look_at() {
    let roles = [
        conditional("night", &["a"], "x-night"),
        conditional("ops", &["b"], "x-b"),
        conditional("more", &["b"], "x-night"),
    ];
    let world = World::new(roles, as_buyer());

    assert_eq!(world.snapshot.conditions_headers(), ["x-b", "x-night"]);
}

#[test]
fn a_simulation_tells_of_each_condition_and_why_it_is_not_met() {
    let acme = Caller::new("acme");
    let roles = [
        conditional("night", &["a"], "x-night"),
        conditional("odd", &["a"], "fails"),
    ];
    let entries = entries(roles, acme.key(as_buyer()));
    let (snapshot, rejected) = Snapshot::build(&entries, &name("edge"), &Headers::default());
    let mut question = Question {
        method: "GET",
        host: "api.example.com",
        path: "/a",
        caller: Asker::KeyName("acme"),
        address: ADDRESS,
        headers: None,
        at: at(0).wall,
        requests: 1,
    };

    let decision = snapshot.simulate(&question, &rejected);
    assert_eq!(decision.code, "condition_unmet");
    assert_eq!(
        decision.reason,
        "key \"acme\" of principal \"buyer\" may send GET api.example.com/a only under a condition: role \"night\" wants \
         x-night (x-night is absent); role \"odd\" wants fails (nobody can tell, fails is absent)"
    );
    let told: Vec<_> = decision
        .conditions
        .iter()
        .map(|it| (it.role.as_str(), it.is_met))
        .collect();
    assert_eq!(told, [("night", false), ("odd", false)]);

    let headers = with_header_names(&["x-night"]);
    question.headers = Some(&headers);
    let documents = Documents {
        entries: &entries,
        proxy: &name("edge"),
        rejected: &rejected,
    };
    let explanation = snapshot.explain(&question, &documents);
    assert!(explanation.decision.allowed);
    assert_eq!(explanation.decision.scope.as_deref(), Some("a"));
    let scopes = explanation
        .findings
        .iter()
        .find(|it| it.says.starts_with("scopes"))
        .unwrap();
    let under = &scopes.findings[0];
    assert_eq!(under.says, "under the condition of role \"night\"");
    assert_eq!(under.fits, Some(true));
    assert_eq!(
        under.findings[0].says,
        "condition of role \"night\" is met: x-night"
    );
    assert_eq!(under.findings[0].findings[0].says, "x-night is there");
    assert_eq!(under.findings[1].says, "scope \"a\"");
    assert_eq!(scopes.findings[1].fits, Some(false));
}
