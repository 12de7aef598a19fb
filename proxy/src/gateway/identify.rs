//! Who asks: by what a request presents, and by what issuers say of it.

use http::HeaderMap;
use tollgate_gate::{Now, Presented, Principal, Sent, Target, TokenTrail, token_of};

use super::Gateway;
use crate::caller::Caller;
use crate::generation::Generation;
use crate::peer::Peer;
use crate::record::Record;
use crate::refusal::Refusal;

impl Gateway {
    /// What tells who asks.
    pub(super) fn presented<'r>(
        &'r self,
        headers: &'r HeaderMap,
        (target, authority): (&'r Target, Option<&'r str>),
        (peer, caller): (&Peer, &'r Caller),
    ) -> Presented<'r> {
        let tls = caller.tls.as_ref();
        Presented {
            headers,
            address: peer.client,
            certificate: caller.certificate(),
            keys: &*self.issuers,
            memory: Some(&self.memory),
            sent: Some(Sent {
                target,
                authority,
                is_encrypted: peer.is_encrypted,
                certificate: tls.and_then(|tls| tls.certificate.as_deref()),
            }),
            trail: None,
        }
    }

    /// Finds out who asks and notes it, or whose token is refused.
    pub(super) async fn identified<'s>(
        &self,
        generation: &'s Generation,
        presented: Presented<'_>,
        now: Now,
        record: &mut Record,
    ) -> Result<Principal<'s>, Refusal> {
        let trail = TokenTrail::default();
        let presented = Presented {
            trail: Some(&trail),
            ..presented
        };
        let principal = match generation.snapshot.identify_presented(&presented, now) {
            Err(refusal) => {
                // Seldom: most refusals are final.
                let issuer = refusal.issuer();
                let again = self.identify_again(generation, &presented, (refusal, now));
                Box::pin(again).await.inspect_err(|_| {
                    let issuer = issuer.and_then(|number| generation.snapshot.issuer(number));
                    record.refused_token(issuer.map(|rule| &rule.name), trail.traced());
                })?
            }
            Ok(principal) => principal,
        };
        self.renew(&principal, presented.headers);
        record.principal(&principal);
        Ok(principal)
    }

    /// Identifies once more with newer keys of the token's issuer, or with what that says of the token, where those may
    /// change the answer.
    async fn identify_again<'s>(
        &self,
        generation: &'s Generation,
        presented: &Presented<'_>,
        (refusal, now): (tollgate_gate::Refusal, Now),
    ) -> Result<Principal<'s>, Refusal> {
        let snapshot = &generation.snapshot;
        let asked = refusal.wants_answer_of();
        if let (Some(issuer), Some(token)) = (
            asked.and_then(|number| snapshot.issuer(number)),
            token_of(presented.headers),
        ) {
            let asked = self.issuers.ask(&issuer.name, token, presented.address);
            asked.await?;
            return Ok(snapshot.identify_presented(presented, now)?);
        }
        let wanted = refusal.wants_keys_of();
        let Some(issuer) = wanted.and_then(|number| snapshot.issuer(number)) else {
            return Err(refusal.into());
        };
        self.issuers.refresh(&issuer.name).await;
        Ok(snapshot.identify_presented(presented, now)?)
    }

    /// What its issuer said of a good token is asked for again ahead of its end.
    fn renew(&self, principal: &Principal<'_>, headers: &HeaderMap) {
        // Most are keys, whose token is nobody else's word.
        if let Some((issuer, _)) = principal.issuer()
            && let Some(token) = token_of(headers)
        {
            self.issuers.renew(issuer, token);
        }
    }
}
