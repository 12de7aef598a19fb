//! `tollgate_key_set`: thousands of keys in few secrets.
//!
//! The set's document says what its keys have in common. The keys stand in parts, documents of their own that share the
//! store's shards with all others, and their tokens in pages, each a secret of its own. A set that outgrows its parts or
//! pages is laid out anew under the next generation, which takes effect with one write of the set's document.

mod attributes;
mod layout;
mod pages;
mod parts;
mod write;

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde_json::Value as Json;
use tollgate_store::document::{Document, DocumentKey, KeySet as Declared, Kind, Reference, Spec};
use tollgate_store::token::Verifier;
use tollgate_store::{Name, Problem};

use crate::call::Call;
use crate::diagnostic::{Diagnostic, Path, listed};
use crate::failure::unknown_tokens;
use crate::resource::{Beside, Failed, Fields, Made, Resource, spec_of};
use crate::schema::Schema;
use crate::store::Store;
use crate::value::Value;
use layout::Layout;
pub(crate) use pages::{page_of, token};
use write::Writing;

/// A set of keys.
#[derive(Debug)]
pub(super) struct KeySet;

#[async_trait]
impl Resource for KeySet {
    fn kind(&self) -> Kind {
        Kind::KeySet
    }

    fn schema(&self) -> Schema {
        attributes::schema()
    }

    fn check(&self, key: &DocumentKey, _: &Value, spec: &Fields) -> Result<(), Problem> {
        attributes::check(key, spec)
    }

    fn make_up(&self, spec: &mut Fields) {
        spec.remove("keys");
        spec.insert("namespace".to_owned(), "made-up".into());
        for number in ["generation", "parts", "pages"] {
            spec.insert(number.to_owned(), 1.into());
        }
    }

    fn references(&self, spec: &Fields, document: &Document) -> Vec<Reference> {
        let mut references = document.references();
        let parts = attributes::made_up(document.name(), spec).unwrap_or_default();
        references.extend(parts.iter().flat_map(Document::references));
        references
    }

    fn may_be_left_of(&self, given: &Fields, found: &Fields) -> bool {
        attributes::may_be_left_of(given, found)
    }

    fn foresee(&self, prior: &Value, planned: &mut Value, due: bool) {
        attributes::foresee(prior, planned, due);
    }

    fn given_tokens(&self, state: &Value, _: &Value) -> Vec<(Path, Verifier)> {
        attributes::given_tokens(state)
    }

    fn distrust(&self, _: &Document, prior: &Value, fresh: &mut Value) -> Vec<String> {
        attributes::distrust(prior, fresh)
    }

    async fn create(&self, call: &Call<'_>, spec: Fields) -> Result<Made, Failed> {
        call.may_leave_something();
        let made = Writing::create(call, spec).await?;
        with_beside(call, made).await
    }

    async fn update(
        &self,
        call: &Call<'_>,
        standing: Document,
        spec: Fields,
    ) -> Result<Made, Failed> {
        let Spec::KeySet(set) = standing.spec() else {
            return call.write(spec, &call.expected()).await;
        };
        let made = Writing::update(call, set, spec).await?;
        with_beside(call, made).await
    }

    async fn before_delete(&self, store: &Store, name: &Name) -> Result<(), Failed> {
        write::remove_all(store, name).await
    }

    fn attributes(&self, document: &Document) -> Fields {
        let mut attributes = spec_of(document);
        for field in ["namespace", "generation", "parts", "pages"] {
            attributes.remove(field);
        }
        attributes
    }

    async fn beside(
        &self,
        store: &Store,
        name: &Name,
        document: Option<&Document>,
    ) -> Result<Beside, Failed> {
        if let Some(Spec::KeySet(set)) = document.map(Document::spec) {
            return show(store, name, set).await;
        }
        // Whatever parts are left of a set that is gone have to be removed.
        let left = parts::read(store, name).await?;
        let keys = (!left.is_empty()).then(|| ("keys".to_owned(), Json::Null));
        Ok(Beside {
            attributes: keys.into_iter().collect(),
            missing: None,
        })
    }
}

async fn with_beside(call: &Call<'_>, made: Made) -> Result<Made, Failed> {
    let Spec::KeySet(set) = made.document.spec() else {
        return Ok(made);
    };
    let beside = show(call.store, &call.key.name, set).await?;
    Ok(Made {
        beside: beside.attributes,
        ..made
    })
}

/// The keys and the pages of a set that stands.
async fn show(store: &Store, name: &Name, set: &Declared) -> Result<Beside, Failed> {
    let parts = parts::read(store, name).await?;
    let keys = parts::keys(&parts, set.generation);
    let own = &Declared {
        namespace: store.namespace.clone(),
        ..set.clone()
    };
    let (shown, missing) = pages::show(store, name, set, &keys).await?;
    let doubtful = keys.iter().filter(|(_, key)| key.versions.len() != 1);
    let doubtful: BTreeSet<Name> = doubtful.map(|(name, _)| name.clone()).collect();
    let unsound: BTreeSet<&Name> = missing.iter().chain(&doubtful).collect();
    let told = if !doubtful.is_empty() {
        let names = doubtful.iter().map(Name::to_string).collect();
        let set = DocumentKey {
            kind: Kind::KeySet,
            name: name.clone(),
        };
        Some(unknown_tokens(store, &set, names))
    } else if !missing.is_empty() {
        Some(tokens_missing(store, name, &missing))
    } else if own != set {
        Some(other_ids(store, name))
    } else {
        let layout = Layout::of(set);
        let mut strange = parts.iter().filter(|part| !part.is_of(layout));
        strange.next().map(|_| unfinished(store, name))
    };
    let keys = keys.iter().map(|(key, declared)| {
        let mut shown = attributes::show(own, name, key, declared);
        if unsound.contains(key) {
            shown.insert("fingerprint".to_owned(), Json::Null);
        }
        (key.to_string(), Json::Object(shown))
    });
    let attributes = [
        ("keys".to_owned(), Json::Object(keys.collect())),
        ("pages".to_owned(), shown),
    ];
    Ok(Beside {
        attributes: attributes.into_iter().collect(),
        missing: told,
    })
}

fn other_ids(store: &Store, set: &Name) -> Diagnostic {
    Diagnostic::warning(
        format!("Key set {:?} has keys of other ids", set.as_str()),
        format!(
            "{} holds it as of another namespace, from which its keys' ids would derive: somebody changed it by hand, and \
             no token of Tollgate's own opens them. The next apply puts it right.",
            store.backend.place()
        ),
    )
}

fn unfinished(store: &Store, set: &Name) -> Diagnostic {
    Diagnostic::warning(
        format!("A change of key set {:?} is unfinished", set.as_str()),
        format!(
            "{} holds parts of it in another layout, which an interrupted apply or somebody's hand left, and proxies leave \
             out. The next apply puts it right.",
            store.backend.place()
        ),
    )
}

fn tokens_missing(store: &Store, set: &Name, keys: &BTreeSet<Name>) -> Diagnostic {
    Diagnostic::warning(
        format!("Tokens of key set {:?} are missing", set.as_str()),
        format!(
            "{} holds the keys, but the page with their tokens is gone: {}. Clients that still have a token can use it \
             until the next apply, which makes another one. To keep a token, put its page back first: Secrets Manager \
             restores a secret that was deleted within its recovery window.",
            store.backend.place(),
            listed(keys.iter().map(Name::to_string).collect())
        ),
    )
}
