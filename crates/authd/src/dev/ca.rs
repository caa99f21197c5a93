//! The development certificate authority: made once, kept in the data directory, for localhost alone (RFC 5280).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, GeneralSubtree,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints,
};
use records::UnixTime;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{RootCertStore, ServerConfig};

use crate::files::{create_private, read_private, write_private};
use crate::http::tls;

/// The CA's certificate, which clients are told to trust.
pub const CERTIFICATE_FILE: &str = "dev-ca.pem";
const KEY_FILE: &str = "dev-ca.key.pem";

/// The names that the CA may speak for, and that the server's certificate has.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// A TLS server on localhost whose certificate is signed by the directory's CA, which is made if it is missing.
///
/// Returns the settings and the CA certificate's file.
pub fn server_config(directory: &Path, now: UnixTime) -> Result<(Arc<ServerConfig>, PathBuf), String> {
    let certificate_file = directory.join(CERTIFICATE_FILE);
    let key_file = directory.join(KEY_FILE);
    if !key_file.exists() {
        let key = KeyPair::generate().map_err(|error| failed(&error))?;
        create_private(&key_file, key.serialize_pem().as_bytes())?;
    }
    let text = String::from_utf8_lossy(&read_private(&key_file)?).into_owned();
    let key = KeyPair::from_pem(&text).map_err(|error| {
        format!(
            "{} is not a private key ({error}); remove it and dev-ca.pem to make a new CA",
            key_file.display()
        )
    })?;
    // The key is the CA: any certificate of it will do, so one that is missing or of another key is made anew.
    let ca_certificate = ca_params().self_signed(&key).map_err(|error| failed(&error))?;
    let (leaf, config) = signed_by(key, now)?;
    if !vouches(&certificate_file, &leaf, now) {
        write_private(&certificate_file, ca_certificate.pem().as_bytes())?;
    }
    Ok((config, certificate_file))
}

/// Whether who trusts the certificate in the file accepts the server's.
fn vouches(ca_file: &Path, leaf: &CertificateDer<'_>, now: UnixTime) -> bool {
    let check = || -> Option<()> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(ca_file).ok()?).ok()?;
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), tls::provider()).build().ok()?;
        let name = ServerName::try_from("localhost").ok()?;
        let now = rustls::pki_types::UnixTime::since_unix_epoch(Duration::from_secs(now.0));
        verifier.verify_server_cert(leaf, &[], &name, &[], now).ok().map(drop)
    };
    check().is_some()
}

fn failed(error: &dyn std::fmt::Display) -> String {
    format!("cannot make the development certificate: {error}")
}

/// A fresh server certificate; the CA's key and fixed name are all that is needed of the CA.
fn signed_by(ca_key: KeyPair, now: UnixTime) -> Result<(CertificateDer<'static>, Arc<ServerConfig>), String> {
    let issuer = Issuer::new(ca_params(), ca_key);
    let key = KeyPair::generate().map_err(|error| failed(&error))?;
    let mut params = CertificateParams::new(NAMES.map(str::to_owned)).map_err(|error| failed(&error))?;
    params.distinguished_name = name("localhost");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    // Made anew at each start; browsers refuse certificates that live longer than 825 days.
    (params.not_before, params.not_after) = (day(now, -1), day(now, 820));
    let certificate = params.signed_by(&key, &issuer).map_err(|error| failed(&error))?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let leaf = certificate.der().clone();
    let config = tls::server_config(vec![leaf.clone()], key).map_err(|error| failed(&error))?;
    Ok((leaf, config))
}

/// The start of the day that lies `offset` days from now.
fn day(now: UnixTime, offset: i64) -> time::OffsetDateTime {
    let seconds = i64::try_from(now.0).unwrap_or(0).saturating_add(offset.saturating_mul(86_400));
    time::OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(time::OffsetDateTime::UNIX_EPOCH)
}

/// The same parameters each time, so that the kept key alone makes the same issuer again.
fn ca_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = name("authd development CA (localhost only)");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    // Whoever trusts this CA trusts it for localhost only: a stolen key is of no use elsewhere.
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![
            GeneralSubtree::DnsName("localhost".to_owned()),
            GeneralSubtree::IpAddress(rcgen::CidrSubnet::V4([127, 0, 0, 0], [255, 0, 0, 0])),
            GeneralSubtree::IpAddress(rcgen::CidrSubnet::V6(
                std::net::Ipv6Addr::LOCALHOST.octets(),
                [255; 16],
            )),
        ],
        excluded_subtrees: Vec::new(),
    });
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2100, 1, 1);
    params
}

fn name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ca_is_kept_and_a_certificate_of_another_key_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let now = UnixTime(1_767_225_600);
        let (_, file) = server_config(directory.path(), now).unwrap();
        let kept = std::fs::read(&file).unwrap();
        server_config(directory.path(), UnixTime(now.0 + 86_400)).unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), kept, "who trusts it goes on trusting it");

        let other = tempfile::tempdir().unwrap();
        let (_, others) = server_config(other.path(), now).unwrap();
        std::fs::copy(others, &file).unwrap();
        server_config(directory.path(), now).unwrap();
        let mended = std::fs::read(&file).unwrap();
        assert_ne!(mended, kept);
        server_config(directory.path(), now).unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), mended);
    }
}
