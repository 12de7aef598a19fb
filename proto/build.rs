//! Compiles the protocol files without a system protoc.

use std::error::Error;

const PROTOCOLS: [&str; 2] = ["proto/tfplugin6.proto", "proto/go-plugin.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    for protocol in PROTOCOLS {
        println!("cargo:rerun-if-changed={protocol}");
    }
    let descriptors = protox::compile(PROTOCOLS, ["proto"])?;
    tonic_prost_build::configure()
        .build_client(true)
        .compile_fds(descriptors)?;
    Ok(())
}
