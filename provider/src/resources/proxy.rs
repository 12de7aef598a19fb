//! `tollgate_proxy`.

use tollgate_store::document::{Kind, LISTEN_MAX, TRUSTED_PROXIES_MAX};
use tollgate_store::{Cidr, ListenAddress};

use super::{description, force_destroy, name};
use crate::resource::Resource;
use crate::schema::{Attribute, Schema, Shape};
use crate::value::Type;

/// Deployments that serve routes.
#[derive(Debug)]
pub(super) struct Proxy;

impl Resource for Proxy {
    fn kind(&self) -> Kind {
        Kind::Proxy
    }

    fn schema(&self) -> Schema {
        let listen = [Attribute::required("address", Type::String)
            .check_meaning(ListenAddress::parse, ListenAddress::address)
            .describe("The address and port, like `0.0.0.0:8080` or `[::]:8080`.")];
        Schema {
            description: "A deployment of proxies: any number of processes that serve the same routes.",
            attributes: vec![
                name(),
                description(),
                Attribute::required("listen", Shape::list(listen))
                    .at_most(LISTEN_MAX)
                    .describe("Where clients connect, by HTTP/1.1 and HTTP/2: 1 to 16 addresses."),
                Attribute::optional("trusted_proxies", Type::set_of_strings())
                    .check(Cidr::parse)
                    .at_most(TRUSTED_PROXIES_MAX)
                    .describe(
                        "The networks of load balancers whose word about a client is taken: its address \
                         (`X-Forwarded-For`), its request id and its trace. Nobody's where left out.",
                    ),
                force_destroy(),
            ],
        }
    }
}
