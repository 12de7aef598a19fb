//! Resource identity: what tells an object from every other of its type, for Terraform 1.12 and newer.

use tollgate_proto::tfplugin6::resource_identity_schema::IdentityAttribute;
use tollgate_proto::tfplugin6::{RawState, ResourceIdentityData, ResourceIdentitySchema};

use crate::diagnostic::Diagnostic;
use crate::value::{Type, Value};
use crate::wire::{read, read_json, write};

/// The version of the stored identities.
const VERSION: i64 = 0;

/// The schema of every resource's identity: its name. The namespace is the provider's.
pub(crate) fn schema() -> ResourceIdentitySchema {
    let name = IdentityAttribute {
        name: "name".to_owned(),
        r#type: Type::String.to_json().to_string().into_bytes(),
        required_for_import: true,
        description: "The object's name.".to_owned(),
        ..IdentityAttribute::default()
    };
    ResourceIdentitySchema {
        version: VERSION,
        identity_attributes: vec![name],
    }
}

/// The identity of the object with this state; none where there is no object, or its name is not known yet.
pub(crate) fn of(state: &Value) -> Option<ResourceIdentityData> {
    let name = state.attribute("name").as_str()?;
    let identity = Value::object([("name", name.into())]);
    Some(ResourceIdentityData {
        identity_data: Some(write(&identity)),
    })
}

/// The name in an identity that Terraform sent.
pub(crate) fn name(identity: &ResourceIdentityData) -> Result<String, Diagnostic> {
    named(&read(identity.identity_data.as_ref(), &value_type())?)
}

/// Reads a stored identity.
pub(crate) fn upgrade(raw: &RawState) -> Result<ResourceIdentityData, Diagnostic> {
    let identity = read_json(&raw.json, &value_type())?;
    named(&identity)?;
    Ok(ResourceIdentityData {
        identity_data: Some(write(&identity)),
    })
}

fn named(identity: &Value) -> Result<String, Diagnostic> {
    let name = identity.attribute("name").as_str().map(str::to_owned);
    name.ok_or_else(|| {
        Diagnostic::error(
            "The identity has no name",
            "An object is identified by its name: write `identity = { name = \"NAME\" }`.",
        )
    })
}

fn value_type() -> Type {
    Type::Object([("name".to_owned(), Type::String)].into())
}
