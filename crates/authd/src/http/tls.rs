//! TLS 1.2 and 1.3 by rustls, with the provider named explicitly (RFC 8446; RFC 9325).

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The provider of every TLS connection of ours; never the process-wide default, which others could set.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// A server's TLS settings from a certificate chain (leaf first) and its key.
pub fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The same from two PEM files. The error names the file and what is wrong with it.
pub fn server_config_from_files(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, String> {
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| format!("cannot read the certificate {}: {error}", certificate.display()))?;
    if chain.is_empty() {
        return Err(format!("{} holds no certificate", certificate.display()));
    }
    // Its group may read it, as distributions arrange it for certificates that several services share.
    let mode = std::fs::metadata(key).map(|found| found.permissions().mode()).unwrap_or(0);
    if mode & 0o007 != 0 {
        return Err(format!("{0} can be read by everybody: run `chmod o= {0}` first", key.display()));
    }
    let key_der = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| format!("cannot read the private key {}: {error}", key.display()))?;
    server_config(chain, key_der).map_err(|error| {
        format!(
            "the certificate {} and the key {} do not serve: {error}",
            certificate.display(),
            key.display()
        )
    })
}
