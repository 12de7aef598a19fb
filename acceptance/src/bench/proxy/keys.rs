//! The keys, as Tollgate's documents and in the form that each peer reads. Every second one may only read.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tollgate_acceptance::Failure;
use tollgate_store::backend::{Change, Expected, Location, StoreError, open};
use tollgate_store::document::{Document, DocumentKey, Kind, PART_KEYS_MAX};
use tollgate_store::token::{Verifier, generate};
use tollgate_store::{Environment, KeyId, Name, Namespace, Secret};

const NAMESPACE: &str = "bench";
/// No client is refused for its rate, and every one is counted.
const RATE_MAX: u32 = 100_000;
const SETS: [&str; 2] = ["readers", "writers"];

/// The keys of one comparison, and the folder that holds them.
pub(crate) struct Keys {
    /// How many there are.
    pub(crate) count: u32,
    /// A file with a token a line.
    pub(crate) tokens: PathBuf,
    /// A token that may only read.
    pub(crate) reader: Secret,
    /// A token that may do everything below `/v1/`.
    pub(crate) writer: Secret,
    all: Vec<Key>,
}

struct Key {
    name: String,
    set: &'static str,
    token: Secret,
}

impl Keys {
    /// Draws tokens, and writes them into files of a folder.
    pub(crate) fn make(folder: &Path, count: u32) -> Result<Self, Failure> {
        // One of each kind is needed to see that a proxy checks.
        let count = count.max(2);
        let keys = (0..count).map(draw).collect::<Result<Vec<_>, _>>()?;
        let [Some(reader), Some(writer)] = [keys.first(), keys.get(1)] else {
            return Err(broken(&"fewer than two keys"));
        };
        let line = |key: &Key| format!("{}\n", key.token.expose());
        let tokens = write(folder, "tokens", &keys, line)?;
        let line = |key: &Key| format!("{} {};\n", key.token.expose(), key.name);
        write(folder, "tokens.nginx", &keys, line)?;
        let line = |key: &Key| format!("{} {}\n", hash(&key.token), key.name);
        write(folder, "hashes", &keys, line)?;
        let line = |key: &Key| format!("{} {}\n", hash(&key.token).to_uppercase(), key.name);
        write(folder, "hashes.haproxy", &keys, line)?;
        Ok(Self {
            count,
            tokens,
            reader: reader.token.clone(),
            writer: writer.token.clone(),
            all: keys,
        })
    }

    /// Writes the documents that let a proxy named `edge` do with them what its peers do.
    pub(crate) fn declare(
        &self,
        store: &Path,
        listen: &Value,
        origin: &str,
    ) -> Result<(), Failure> {
        let mut documents = vec![
            document(Kind::Proxy, "edge", json!({"listen": listen}))?,
            document(
                Kind::Upstream,
                "origin",
                json!({"targets": [format!("http://{origin}")]}),
            )?,
            document(
                Kind::Route,
                "all",
                json!({"proxy": "edge", "path": "/v1/**", "upstream": "origin"}),
            )?,
            document(
                Kind::Quota,
                "rate",
                json!({"limits": [{"requests": RATE_MAX, "per": "1s"}]}),
            )?,
            document(
                Kind::Scope,
                "readers",
                json!({"grants": [{"path": "/v1/**", "methods": ["GET", "HEAD"]}]}),
            )?,
            document(
                Kind::Scope,
                "writers",
                json!({"grants": [{"path": "/v1/**"}]}),
            )?,
        ];
        for set in SETS {
            documents.extend(self.set(set)?);
        }
        let changes = documents.into_iter().map(|document| Change::Write {
            document,
            expected: Expected::Absent,
        });
        commit(store, changes.collect())
    }

    fn set(&self, set: &str) -> Result<Vec<Document>, Failure> {
        let keys: Vec<_> = self.all.iter().filter(|key| key.set == set).collect();
        let parts = keys.chunks(PART_KEYS_MAX);
        let says = json!({
            "namespace": NAMESPACE, "generation": 1, "parts": parts.len(), "pages": 1,
            "scopes": [set], "quotas": ["rate"],
        });
        let header = document(Kind::KeySet, set, says);
        let parts = parts.enumerate().map(|(index, part)| {
            let keys: serde_json::Map<_, _> = part
                .iter()
                .map(|key| (key.name.clone(), declared(&key.token)))
                .collect();
            let name = format!("{set}/1/{}", index + 1);
            document(Kind::KeySetPart, &name, json!({"keys": keys}))
        });
        std::iter::once(header).chain(parts).collect()
    }
}

fn draw(number: u32) -> Result<Key, Failure> {
    let [readers, writers] = SETS;
    let (set, letter) = if number.is_multiple_of(2) {
        (readers, 'r')
    } else {
        (writers, 'w')
    };
    let name = format!("{letter}{number}");
    let id = KeyId::derive_in_set(&namespace()?, &parse(set)?, &parse(&name)?);
    let token = generate(&Environment::default(), id).map_err(|error| broken(&error))?;
    Ok(Key { name, set, token })
}

fn declared(token: &Secret) -> Value {
    json!({"versions": [{
        "version": 1,
        "sha256": Verifier::of(token.expose()),
        "created_at": "2026-01-01T00:00:00Z",
    }]})
}

fn hash(token: &Secret) -> String {
    Verifier::of(token.expose()).into()
}

fn write(
    folder: &Path,
    name: &str,
    keys: &[Key],
    line: impl Fn(&Key) -> String,
) -> Result<PathBuf, Failure> {
    let path = folder.join(name);
    let text: String = keys.iter().map(line).collect();
    std::fs::write(&path, text).map_err(Failure::file(&path))?;
    Ok(path)
}

/// Documents that are written together.
#[derive(Default)]
pub(super) struct Documents(Vec<Change>);

impl Documents {
    /// With one more.
    pub(super) fn with(mut self, kind: Kind, name: &str, spec: Value) -> Result<Self, Failure> {
        self.0.push(Change::Write {
            document: document(kind, name, spec)?,
            expected: Expected::Absent,
        });
        Ok(self)
    }

    /// Writes them into a folder.
    pub(super) fn commit(self, store: &Path) -> Result<(), Failure> {
        commit(store, self.0)
    }
}

/// A key by itself: its token, and what its document says of it.
pub(super) fn single_key(name: &str) -> Result<(Secret, Value), Failure> {
    let id = KeyId::derive(&namespace()?, &parse(name)?);
    let token = generate(&Environment::default(), id).map_err(|error| broken(&error))?;
    let mut declared = declared(&token);
    if let Some(fields) = declared.as_object_mut() {
        fields.insert("id".to_owned(), json!(id));
    }
    Ok((token, declared))
}

fn document(kind: Kind, name: &str, spec: Value) -> Result<Document, Failure> {
    let key = DocumentKey {
        kind,
        name: parse(name)?,
    };
    Document::parse(&key, spec).map_err(|problem| broken(&problem))
}

fn commit(store: &Path, changes: Vec<Change>) -> Result<(), Failure> {
    let location = Location::Directory(store.to_owned());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::system("no runtime"))?;
    let namespace = namespace()?;
    let committed = runtime.block_on(async {
        let backend = open(&location, &namespace).await?;
        let outcomes = backend.commit(changes).await;
        outcomes
            .into_iter()
            .try_for_each(|outcome| outcome.map(drop))
    });
    committed.map_err(|error: StoreError| broken(&error))
}

/// The namespace that the documents are in.
pub(crate) fn namespace() -> Result<Namespace, Failure> {
    Namespace::parse(NAMESPACE).map_err(|error| broken(&error))
}

fn parse(name: &str) -> Result<Name, Failure> {
    Name::parse(name).map_err(|error| broken(&error))
}

fn broken(problem: &dyn std::fmt::Display) -> Failure {
    Failure::Unexpected {
        what: "the documents of the benchmark".to_owned(),
        expected: "good ones".to_owned(),
        got: problem.to_string(),
    }
}
