//! Whom to trust: the system's authorities, and those of a file.
//!
//! The provider of cryptography is named, never a process-wide default. A machine without any
//! certificates can still speak HTTP, and HTTPS with a file.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::{Error, ErrorKind, Result};

/// Where systems keep their bundle of certificates: Debian and Alpine, Fedora and RHEL, SUSE, older
/// RHEL, the BSDs.
const BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/tls/cacert.pem",
    "/etc/ssl/cert.pem",
];

/// TLS as a client, trusting the system and `ca_file`.
///
/// # Errors
/// [`Invalid`](ErrorKind::Invalid) if `ca_file` holds no certificate; and, if `needed`, when there
/// are none at all.
pub(super) fn config(ca_file: Option<&Path>, needed: bool) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    if let Some(bundle) = BUNDLES.iter().find_map(|bundle| read(Path::new(bundle)).ok()) {
        // Some systems' bundles have certificates that rustls finds malformed.
        roots.add_parsable_certificates(bundle);
    }
    if let Some(file) = ca_file {
        add_file(&mut roots, file)?;
    }
    if needed && roots.is_empty() {
        return Err(Error::new(ErrorKind::Invalid, "open", BUNDLES[0]).with_detail(
            "this system has no certificates of authorities, so no HTTPS server can be trusted; \
             install the package ca-certificates, or name a file with the server's authority",
        ));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder =
        versions.map_err(|error| Error::new(ErrorKind::Other, "open", "TLS").with_source(error))?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn add_file(roots: &mut RootCertStore, file: &Path) -> Result<()> {
    let refuse = |rule: &str| {
        Error::new(ErrorKind::Invalid, "open", file.display().to_string())
            .with_detail(format!("the file of certificates (PEM) can't be used: {rule}"))
    };
    let certificates = read(file).map_err(|error| refuse(&error.to_string()).with_source(error))?;
    if certificates.is_empty() {
        return Err(refuse("there is no certificate in it"));
    }
    for certificate in certificates {
        roots.add(certificate).map_err(|error| refuse(&error.to_string()))?;
    }
    Ok(())
}

fn read(file: &Path) -> std::io::Result<Vec<CertificateDer<'static>>> {
    let pem = std::fs::read(file)?;
    let all: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    all.map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidData, error.to_string()))
}

#[cfg(test)]
mod tests;
