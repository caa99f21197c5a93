//! Which API does a request mean? (RFC 8707 §2; Auth0's `audience`.)

use url::Url;

/// Why a request does not say which API it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AudienceRefusal {
    /// `audience` and `resource` name different APIs.
    AudienceAndResourceDiffer,
    /// `resource` is not an absolute URI, or has a fragment (RFC 8707 §2).
    ResourceNotAbsolute,
}

/// The audience a request means: `audience`, else `resource`, else the tenant's default, else none.
///
/// `resource` is RFC 8707's word for what Auth0 calls `audience`; both may be sent when they agree. What is found
/// is compared byte for byte with the identifiers of the APIs: nothing is normalised.
///
/// # Errors
/// [`AudienceRefusal`], where the request contradicts itself or `resource` is not what RFC 8707 allows.
pub fn requested<'a>(
    audience: Option<&'a str>,
    resource: Option<&'a str>,
    default_audience: Option<&'a str>,
) -> Result<Option<&'a str>, AudienceRefusal> {
    //= RFC 8707 §2
    if resource.is_some_and(|resource| !is_absolute_without_fragment(resource)) {
        return Err(AudienceRefusal::ResourceNotAbsolute);
    }
    match (audience, resource) {
        (Some(audience), Some(resource)) if audience != resource => {
            Err(AudienceRefusal::AudienceAndResourceDiffer)
        }
        (Some(named), _) | (None, Some(named)) => Ok(Some(named)),
        (None, None) => Ok(default_audience.filter(|audience| !audience.is_empty())),
    }
}

/// An absolute URI (RFC 3986 §4.3). A URL parser repairs spaces and controls silently, so they are refused before.
fn is_absolute_without_fragment(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_graphic() && b != b'#' && b != b'\\') && Url::parse(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_outranks_the_default() {
        assert_eq!(requested(Some("a"), None, Some("d")), Ok(Some("a")));
        assert_eq!(requested(None, Some("https://r.example/"), Some("d")), Ok(Some("https://r.example/")));
        assert_eq!(requested(None, None, Some("d")), Ok(Some("d")));
        assert_eq!(requested(None, None, Some("")), Ok(None), "an empty setting is no default");
        assert_eq!(requested(None, None, None), Ok(None));
    }

    #[test]
    fn audience_and_resource_may_agree_but_not_differ() {
        assert_eq!(
            requested(Some("https://a.example/"), Some("https://a.example/"), None),
            Ok(Some("https://a.example/"))
        );
        for resource in ["https://a.example", "https://A.example/", "https://b.example/"] {
            assert_eq!(
                requested(Some("https://a.example/"), Some(resource), None),
                Err(AudienceRefusal::AudienceAndResourceDiffer),
                "{resource}"
            );
        }
    }

    //= RFC 8707 §2
    #[test]
    fn a_resource_is_an_absolute_uri_without_fragment() {
        for resource in ["https://api.example.com/v1/", "urn:example:api", "https://localhost:8443/api/v2/"] {
            assert_eq!(requested(None, Some(resource), None), Ok(Some(resource)));
        }
        for resource in [
            "api.calendar",
            "/v1",
            "//host/v1",
            "https://a/#b",
            "https://a/#",
            " https://a/",
            "https://a/\t",
            "é:x",
        ] {
            assert_eq!(
                requested(None, Some(resource), None),
                Err(AudienceRefusal::ResourceNotAbsolute),
                "{resource:?}"
            );
        }
    }
}
