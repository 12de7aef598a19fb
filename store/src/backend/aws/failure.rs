//! What the SDK's errors mean for the store: the only place that knows Secrets Manager's error codes.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};

use crate::backend::StoreError;

/// What a failed call means for the one who made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// There is no such secret, or it is about to be gone.
    Missing,
    /// There is one of that name, or a version of that token with another value.
    Exists,
    /// The name is not free yet: its secret is being deleted.
    Leaving,
    /// It can't be removed before its replicas are.
    Replicated,
    /// Slow down.
    Throttled,
    /// Nobody can say whether it was done.
    Uncertain,
    /// Anything else.
    Other,
}

/// What the error means.
pub(super) fn meaning<E: ProvideErrorMetadata>(error: &SdkError<E>) -> Meaning {
    if let SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) =
        error
    {
        return Meaning::Uncertain;
    }
    meaning_of(
        error.code().unwrap_or_default(),
        error.message().unwrap_or_default(),
    )
}

/// What an error code and its message mean.
pub(super) fn meaning_of(code: &str, message: &str) -> Meaning {
    match code {
        "ResourceNotFoundException" => Meaning::Missing,
        "ResourceExistsException" => Meaning::Exists,
        // Says the same of many things; only the message tells of a deletion.
        "InvalidRequestException" if message.contains("can't create") => Meaning::Leaving,
        // LocalStack answers with the second of the codes.
        "InvalidRequestException" | "InvalidParameterException"
            if message.contains("replica regions") =>
        {
            Meaning::Replicated
        }
        "InvalidRequestException"
            if message.contains("deletion") || message.contains("deleted") =>
        {
            Meaning::Missing
        }
        "ThrottlingException"
        | "Throttling"
        | "ThrottledException"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "SlowDown" => Meaning::Throttled,
        "InternalServiceError" | "InternalFailure" | "ServiceUnavailable" => Meaning::Uncertain,
        _ => Meaning::Other,
    }
}

/// The store's error: the cause, and what would help.
pub(super) fn store_error<E>(place: &str, action: &str, error: &SdkError<E>) -> StoreError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let place = place.to_owned();
    if let Some(code) = error.code() {
        let message = error.message().unwrap_or("no message");
        return answered(place, action, code, format!("{code}: {message}"));
    }
    let cause = causes(error);
    if is_of_credentials(error) {
        return no_credentials(place, cause);
    }
    match error {
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => {
            StoreError::Unreachable {
                place,
                cause,
                remedy: "check endpoint_url, the region and the network (a VPC without internet needs an \
                         endpoint for Secrets Manager)"
                    .to_owned(),
            }
        }
        _ => StoreError::Failed {
            place,
            action: action.to_owned(),
            cause,
        },
    }
}

/// The store's error for an error code that Secrets Manager answered.
pub(super) fn answered(place: String, action: &str, code: &str, cause: String) -> StoreError {
    match code {
        "AccessDeniedException" | "AccessDenied" | "DecryptionFailure" | "EncryptionFailure" => {
            StoreError::Denied {
                place,
                action: action.to_owned(),
                cause,
            }
        }
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "MissingAuthenticationToken" => no_credentials(place, cause),
        "LimitExceededException" => StoreError::Failed {
            place,
            action: action.to_owned(),
            cause: format!(
                "{cause}; Secrets Manager keeps about 100 versions of a secret for 24 hours, and they are used up: try \
                 again once the oldest is a day old, and find out who writes it so often"
            ),
        },
        _ => StoreError::Failed {
            place,
            action: action.to_owned(),
            cause,
        },
    }
}

fn no_credentials(place: String, cause: String) -> StoreError {
    StoreError::NoCredentials {
        place,
        cause,
        remedy: "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, run `aws sso login`, or give \
                 the machine a role"
            .to_owned(),
    }
}

fn is_of_credentials(error: &(dyn Error + 'static)) -> bool {
    chain(error).any(<dyn Error>::is::<CredentialsError>)
}

fn causes(error: &(dyn Error + 'static)) -> String {
    let mut causes: Vec<String> = Vec::new();
    for error in chain(error) {
        let text = error.to_string();
        // Many wrappers repeat what they wrap.
        if !causes.iter().any(|cause| cause.contains(&text)) {
            causes.push(text);
        }
    }
    causes.join(": ")
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deletion_is_told_by_its_message() {
        let code = "InvalidRequestException";
        for (message, expected) in [
            (
                "You can't create this secret because a secret with this name is already scheduled for deletion.",
                Meaning::Leaving,
            ),
            (
                "You can't perform this operation on the secret because it was marked for deletion.",
                Meaning::Missing,
            ),
            (
                "You can't delete secret a that still has replica regions [eu-west-2].",
                Meaning::Replicated,
            ),
            ("You can't rotate it.", Meaning::Other),
        ] {
            assert_eq!(meaning_of(code, message), expected, "{message}");
        }
    }

    #[test]
    fn expired_credentials_and_a_missing_permission_are_told_apart() {
        let error = |code| answered("here".to_owned(), "to read", code, "why".to_owned());

        assert!(matches!(
            error("ExpiredTokenException"),
            StoreError::NoCredentials { .. }
        ));
        assert!(matches!(
            error("AccessDeniedException"),
            StoreError::Denied { .. }
        ));
    }
}
