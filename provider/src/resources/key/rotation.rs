//! How a key's token is replaced, so that it opens at every moment and nothing is lost wherever the process ends.
//!
//! 1. The document learns the new token's hash, marked as pending: proxies let both tokens in.
//! 2. The new token takes the old one's place, where the client reads it.
//! 3. The document's mark goes, and the old token ends, at once or after the overlap.
//!
//! A process that ends after the first step leaves a pending hash. The next apply finds out whether its token arrived,
//! and finishes; a token that did not is nobody's, and another one is made.

use tollgate_store::backend::{Expected, KeptToken, TokenOwner};
use tollgate_store::document::{KEY_VERSIONS_MAX, Key, KeyVersion};
use tollgate_store::token::Verifier;
use tollgate_store::{KeyId, Secret};

use super::attributes::{is_given_anew, is_taken_out, trigger};
use super::token::Source;
use super::{insert_versions, key_id, trust};
use crate::call::Call;
use crate::clock;
use crate::diagnostic::Diagnostic;
use crate::resource::{Failed, Fields, Made};

/// Why the newest token is to be replaced, or its replacement to be finished; `None` where it stays.
pub(super) fn due(key: &Key, now: jiff::Timestamp) -> Option<String> {
    let newest = key.versions.last()?;
    if newest.pending || newest.expires_at.is_some() {
        let text = "a rotation of its token was interrupted: the next apply finishes it, or makes another token";
        return Some(text.to_owned());
    }
    is_old(key, newest, now).then(|| {
        format!(
            "its token was made on {}, longer ago than `rotation.every` allows: the next apply makes another one",
            newest.created_at
        )
    })
}

/// Whether a token has reached the age at which it is replaced.
fn is_old(key: &Key, token: &KeyVersion, now: jiff::Timestamp) -> bool {
    let rotation = key.rotation.as_ref();
    let every = rotation.and_then(|rotation| rotation.every.as_ref());
    every.is_some_and(|every| {
        let age = now.duration_since(token.created_at.at()).unsigned_abs();
        now > token.created_at.at() && age >= every.length()
    })
}

/// Changes a key, and replaces its token where that is asked for.
pub(super) async fn update(call: &Call<'_>, standing: &Key, spec: Fields) -> Result<Made, Failed> {
    let mut rotation = Rotation {
        call,
        id: key_id(call.store, &call.key.name),
        standing,
        versions: standing.versions.clone(),
        spec,
    };
    let is_half_done = rotation.newest().is_some_and(|newest| newest.pending);
    // What was written since the plan, by whoever knew how to keep the revision.
    let is_strange = !trust::knows_all(standing, &call.change.prior);
    if call.change.private.due || is_half_done || is_strange {
        let given = rotation.given().await?;
        rotation.versions = trust::trusted(standing, &call.change.prior, given);
        return match rotation.source()? {
            Some(source) => rotation.renew(&source).await,
            None => rotation.mend(given).await,
        };
    }
    match rotation.source()? {
        Some(source) => rotation.renew(&source).await,
        None => rotation.write(&rotation.versions, &call.expected()).await,
    }
}

struct Rotation<'a> {
    call: &'a Call<'a>,
    id: KeyId,
    standing: &'a Key,
    /// The key's own tokens: what else stands goes with the first write.
    versions: Vec<KeyVersion>,
    spec: Fields,
}

impl Rotation<'_> {
    /// Where a new token is to come from; `None` where the standing one stays.
    fn source(&self) -> Result<Option<Source>, Diagnostic> {
        let change = &self.call.change;
        let given_anew = |name: &str| is_given_anew(&change.prior, &change.planned, name);
        if given_anew("token_wo_version") || given_anew("token_sha256") {
            let source = Source::of_create(self.call, &self.spec)?;
            return Ok(Some(source).filter(|source| source.is_imported() && !self.has(source)));
        }
        let trigger = trigger(&change.planned).as_str();
        let known = self.standing.rotation.as_ref();
        let known = known.and_then(|rotation| rotation.trigger.as_deref());
        let triggered = trigger.is_some() && trigger != known;
        let handed_over = is_taken_out(&change.prior, &change.planned, "token_sha256");
        let is_over =
            |newest: &KeyVersion| !newest.pending && is_old(self.standing, newest, clock::now());
        let by_age = change.private.due && self.newest().is_some_and(is_over);
        Ok((triggered || handed_over || by_age).then_some(Source::Generate))
    }

    fn newest(&self) -> Option<&KeyVersion> {
        self.versions.last()
    }

    /// Whether the newest token is the one that is brought along.
    fn has(&self, source: &Source) -> bool {
        let wanted = match source {
            Source::Hash(hash) => *hash,
            Source::Token(token) => Verifier::of(token.expose()),
            Source::Generate => return false,
        };
        let newest = self.newest();
        newest.is_some_and(|newest| newest.sha256.matches(&wanted) && !newest.pending)
    }

    /// Goes on with another token.
    async fn renew(&self, source: &Source) -> Result<Made, Failed> {
        match source {
            Source::Hash(hash) => self.bring_along(*hash).await,
            Source::Token(_) | Source::Generate => self.replace(source).await,
        }
    }

    /// Goes on with the newest token if the client has it, and makes another one otherwise. `given` is the token that
    /// is kept for the client.
    async fn mend(&self, given: Option<Verifier>) -> Result<Made, Failed> {
        let Some(newest) = self.newest() else {
            return self.renew(&Source::of_create(self.call, &self.spec)?).await;
        };
        let is_given = given.is_some_and(|given| given.matches(&newest.sha256));
        if newest.pending && is_given {
            return self.finish(newest).await;
        }
        let is_good = newest.expires_at.is_none() && !newest.pending;
        if is_good && (is_given || newest.imported) {
            return self.write(&self.versions, &self.call.expected()).await;
        }
        self.renew(&Source::of_create(self.call, &self.spec)?).await
    }

    /// All three steps.
    async fn replace(&self, source: &Source) -> Result<Made, Failed> {
        let kept = self.kept().await?;
        let token = source.token(self.call, self.id, &self.spec)?;
        let mut versions = self.good();
        let next = self.next(Verifier::of(token.expose()), source.is_imported());
        versions.push(KeyVersion {
            pending: true,
            ..next.clone()
        });
        let made = self.write(&versions, &self.call.expected()).await?;
        self.deliver(&token, kept).await?;
        self.settle(next, made).await
    }

    /// The last step of a replacement that was interrupted after its token had arrived.
    async fn finish(&self, pending: &KeyVersion) -> Result<Made, Failed> {
        let next = KeyVersion {
            pending: false,
            ..pending.clone()
        };
        let versions = self.ending(&next);
        self.write(&versions, &self.call.expected()).await
    }

    /// A token that the client has already, known by its hash: what was kept for the client goes.
    async fn bring_along(&self, hash: Verifier) -> Result<Made, Failed> {
        let versions = self.ending(&self.next(hash, true));
        let made = self.write(&versions, &self.call.expected()).await?;
        self.call.store.backend.delete_token(self.owner()).await?;
        Ok(made)
    }

    async fn deliver(&self, token: &Secret, kept: Option<KeptToken>) -> Result<(), Failed> {
        let expected = kept.map_or(Expected::Absent, |kept| Expected::Revision(kept.revision));
        let backend = &self.call.store.backend;
        backend.write_token(self.owner(), token, &expected).await?;
        Ok(())
    }

    async fn settle(&self, next: KeyVersion, made: Made) -> Result<Made, Failed> {
        let versions = self.ending(&next);
        self.write(&versions, &Expected::Revision(made.revision))
            .await
    }

    /// The version that follows on the newest; it takes the place of one that was never delivered.
    fn next(&self, sha256: Verifier, imported: bool) -> KeyVersion {
        let mut standing = self.standing.versions.iter();
        let newest = standing.rfind(|version| !version.pending);
        KeyVersion {
            version: newest.map_or(0, |newest| newest.version) + 1,
            sha256,
            created_at: clock::now().into(),
            expires_at: None,
            imported,
            pending: false,
        }
    }

    /// The versions that open something now, as many as leave room for another.
    fn good(&self) -> Vec<KeyVersion> {
        let now = clock::now();
        let is_good = |version: &&KeyVersion| {
            let expires_at = version.expires_at.as_ref();
            !version.pending && expires_at.is_none_or(|at| now < at.at())
        };
        let mut good: Vec<_> = self.versions.iter().filter(is_good).cloned().collect();
        let more = good.len().saturating_sub(KEY_VERSIONS_MAX - 1);
        good.drain(..more);
        good
    }

    /// The older versions, which end at once or after the overlap, and `next`.
    fn ending(&self, next: &KeyVersion) -> Vec<KeyVersion> {
        let rotation = self.spec.get("rotation");
        let overlap = rotation
            .and_then(|rotation| rotation.get("overlap"))
            .and_then(serde_json::Value::as_str)
            .and_then(|text| tollgate_store::Overlap::parse(text).ok())
            .map(|overlap| overlap.length())
            .filter(|overlap| !overlap.is_zero());
        let mut versions = match overlap {
            Some(overlap) => ending_at(self.good(), clock::now() + overlap),
            None => Vec::new(),
        };
        versions.push(next.clone());
        versions
    }

    /// The hash of the token that is kept for the client.
    async fn given(&self) -> Result<Option<Verifier>, Failed> {
        let kept = self.kept().await?;
        Ok(kept.map(|kept| Verifier::of(kept.token.expose())))
    }

    async fn kept(&self) -> Result<Option<KeptToken>, Failed> {
        Ok(self.call.store.backend.read_token(self.owner()).await?)
    }

    async fn write(&self, versions: &[KeyVersion], expected: &Expected) -> Result<Made, Failed> {
        let mut spec = self.spec.clone();
        insert_versions(&mut spec, self.id.as_str(), versions);
        self.call.write(spec, expected).await
    }

    fn owner(&self) -> TokenOwner<'_> {
        TokenOwner::Key {
            name: &self.call.key.name,
            id: &self.id,
        }
    }
}

/// The same versions, none of which opens anything from `end` on.
fn ending_at(versions: Vec<KeyVersion>, end: jiff::Timestamp) -> Vec<KeyVersion> {
    let ends = |version: KeyVersion| {
        let earlier = version.expires_at.filter(|at| at.at() < end);
        KeyVersion {
            expires_at: Some(earlier.unwrap_or_else(|| end.into())),
            ..version
        }
    };
    versions.into_iter().map(ends).collect()
}
