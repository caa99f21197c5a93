//! The development certificate authority: made once, kept in the data directory, for localhost alone (RFC 5280).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, GeneralSubtree,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints,
};
use records::UnixTime;
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::files::{read_private, write_private};
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
    if !certificate_file.exists() || !key_file.exists() {
        let key = KeyPair::generate().map_err(|error| failed(&error))?;
        let certificate = ca_params().self_signed(&key).map_err(|error| failed(&error))?;
        write_private(&key_file, key.serialize_pem().as_bytes())?;
        write_private(&certificate_file, certificate.pem().as_bytes())?;
    }
    let text = String::from_utf8_lossy(&read_private(&key_file)?).into_owned();
    let key = KeyPair::from_pem(&text).map_err(|error| {
        format!(
            "{} is not a private key ({error}); remove it and dev-ca.pem to make a new CA",
            key_file.display()
        )
    })?;
    Ok((signed_by(key, now)?, certificate_file))
}

fn failed(error: &dyn std::fmt::Display) -> String {
    format!("cannot make the development certificate: {error}")
}

/// A fresh server certificate; the CA's key and fixed name are all that is needed of the CA.
fn signed_by(ca_key: KeyPair, now: UnixTime) -> Result<Arc<ServerConfig>, String> {
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
    tls::server_config(vec![certificate.der().clone()], key).map_err(|error| failed(&error))
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
