//! Where a key's token comes from, and how it gets to its place.

use serde_json::Value as Json;
use tollgate_store::backend::{Expected, StoreError, TokenOwner, TokenPlace};
use tollgate_store::token::{self, Verifier};
use tollgate_store::{Environment, KeyId, Secret};

use crate::call::Call;
use crate::diagnostic::Diagnostic;
use crate::resource::{Failed, Fields};

/// How often a place is looked at again where another process writes it at the same moment.
const ATTEMPTS_MAX: u32 = 5;

/// Where a token comes from.
#[derive(Debug)]
pub(in crate::resources) enum Source {
    /// The client has it, and only its hash is known.
    Hash(Verifier),
    /// The client has it.
    Token(Secret),
    /// It is made here.
    Generate,
}

impl Source {
    /// The source of a new key's token.
    pub(in crate::resources) fn of_create(
        call: &Call<'_>,
        spec: &Fields,
    ) -> Result<Self, Diagnostic> {
        if let Some(token) = call.change.config.attribute("token_wo").as_str() {
            return Ok(Self::Token(Secret::new(token.to_owned())));
        }
        match spec.get("token_sha256").and_then(Json::as_str) {
            Some(hash) => Verifier::parse(hash)
                .map(Self::Hash)
                .map_err(|message| Diagnostic::error("Invalid token_sha256", message)),
            None => Ok(Self::Generate),
        }
    }

    /// Whether the token was made elsewhere.
    pub(in crate::resources) fn is_imported(&self) -> bool {
        !matches!(self, Self::Generate)
    }

    /// The token; a new one where it is made here.
    pub(super) fn token(
        &self,
        call: &Call<'_>,
        id: KeyId,
        spec: &Fields,
    ) -> Result<Secret, Diagnostic> {
        match self {
            Self::Token(token) => Ok(token.clone()),
            Self::Hash(_) | Self::Generate => {
                token::generate(&environment(spec), id).map_err(|error| {
                    Diagnostic::error(format!("{} has no token", call.key), error.to_string())
                })
            }
        }
    }

    /// Whether a token that is kept already will do.
    fn accepts(&self, kept: &Secret, id: KeyId, spec: &Fields) -> bool {
        match self {
            Self::Token(token) => {
                Verifier::of(token.expose()).matches(&Verifier::of(kept.expose()))
            }
            Self::Hash(_) => false,
            Self::Generate => {
                let shown = format!("tg_{}_{id}_", environment(spec));
                token::key_id(kept.expose()) == Some(id) && kept.expose().starts_with(&shown)
            }
        }
    }
}

/// Puts a new key's token in its place, or finds it there: one that an interrupted create left is as good as another,
/// and of two that create the same key at once, both must go on with the same.
pub(super) async fn keep(
    call: &Call<'_>,
    id: KeyId,
    source: &Source,
    spec: &Fields,
) -> Result<(Secret, TokenPlace), Failed> {
    let backend = &call.store.backend;
    let owner = TokenOwner::Key {
        name: &call.key.name,
        id: &id,
    };
    let token = source.token(call, id, spec)?;
    let mut expected = Expected::Absent;
    let mut attempts = 0;
    loop {
        attempts += 1;
        let error = match backend.write_token(owner, &token, &expected).await {
            Ok(place) => return Ok((token, place)),
            Err(error @ StoreError::TokenStands { .. }) if attempts < ATTEMPTS_MAX => error,
            Err(error) => return Err(error.into()),
        };
        tracing::debug!(%error, "a token is there already");
        expected = match backend.read_token(owner).await? {
            Some(kept) if source.accepts(&kept.token, id, spec) => {
                return Ok((kept.token, kept.place));
            }
            Some(kept) => Expected::Revision(kept.revision),
            None => Expected::Absent,
        };
    }
}

fn environment(spec: &Fields) -> Environment {
    let text = spec.get("environment").and_then(Json::as_str);
    text.and_then(|text| Environment::parse(text).ok())
        .unwrap_or_default()
}
