//! SHA-256 for those who may not name a crypto library (FIPS 180-4).

/// SHA-256 of the parts, one after the other. The caller keeps them apart.
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    crate::crypto::sha256(parts)
}
