//! How every engine secures a connection.

use std::sync::Arc;

use rustls::{ClientConfig, Error, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;

/// Trusts what the operating system trusts. Slim container images trust nothing at all; there Mozilla's
/// list stands in, as it does inside Node. The cryptography is ring's, chosen here and not for the
/// process, so that another addon's choice cannot clash with ours.
pub fn client_config() -> Result<ClientConfig, Error> {
    let builder = || {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()
    };
    Ok(match builder()?.with_platform_verifier() {
        Ok(trusting) => trusting.with_no_client_auth(),
        Err(_) => {
            let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.into() };
            builder()?.with_root_certificates(roots).with_no_client_auth()
        }
    })
}
