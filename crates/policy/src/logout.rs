//! Where may logout lead? (OpenID Connect RP-Initiated Logout 1.0 §3; Auth0's `returnTo`; threats LO-01, LO-02.)

use records::{Client, TenantSettings, ThirdPartySecurityMode};

use crate::redirect_uri::{has_one_label_for_the_wildcard, validate_callback};

/// Whether the browser may be sent here after a logout that names this application, or none.
///
/// The address is compared exactly with the application's allowed logout URLs, or, where no application is named, with
/// the tenant's. `https://*.example.com/…` stands for exactly one label of the host, where such an address could be
/// registered; never for a third party's application in strict mode.
pub fn may_return_to(client: Option<&Client>, settings: &TenantSettings, address: &str) -> bool {
    //= OpenID Connect RP-Initiated Logout 1.0 §3
    // "The value supplied MUST exactly match one of the values registered."
    let (allowed, is_strict) = match client {
        Some(client) => (&client.allowed_logout_urls, is_strict_third_party(client)),
        None => (&settings.allowed_logout_urls, true),
    };
    let stands_for = |registered: &String| {
        registered == address || (!is_strict && has_one_label_for_the_wildcard(registered, address))
    };
    allowed.iter().any(stands_for) && validate_callback(address, false).is_ok()
}

/// Where Auth0 sends the browser after a logout that names an application and no address: the application's first.
pub fn default_return(client: &Client) -> Option<&str> {
    let first = client.allowed_logout_urls.first()?;
    validate_callback(first, false).is_ok().then_some(first)
}

fn is_strict_third_party(client: &Client) -> bool {
    !client.is_first_party && client.third_party_security_mode == ThirdPartySecurityMode::Strict
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::client;

    fn with(urls: &[&str]) -> Client {
        Client { allowed_logout_urls: urls.iter().map(|url| (*url).to_owned()).collect(), ..client() }
    }

    fn tenant(urls: &[&str]) -> TenantSettings {
        TenantSettings {
            allowed_logout_urls: urls.iter().map(|url| (*url).to_owned()).collect(),
            ..TenantSettings::default()
        }
    }

    #[test]
    fn lo_01_lo_02_only_an_address_that_is_registered_to_the_letter_is_returned_to() {
        let client = with(&["https://app.example/bye", "http://localhost:3000"]);
        let may =
            |address: &str| may_return_to(Some(&client), &tenant(&["https://portal.example/"]), address);
        assert!(may("https://app.example/bye") && may("http://localhost:3000"));
        for refused in [
            "",
            "https://app.example/",
            "https://app.example/bye/",
            "https://app.example/bye?foo=bar",
            "https://app.example/bye#x",
            "https://app.example/BYE",
            "https://app.example:443/bye",
            "https://app.example/./bye",
            "http://app.example/bye",
            "http://localhost:3001",
            "http://localhost:3000/",
            "https://app.example.evil.example/bye",
            "https://app.example@evil.example/bye",
            "//app.example/bye",
            "javascript:alert(1)",
            // The tenant's, but an application is named.
            "https://portal.example/",
        ] {
            assert!(!may(refused), "{refused}");
        }
    }

    #[test]
    fn without_an_application_the_tenants_addresses_count_and_no_applications() {
        let settings = tenant(&["https://portal.example/", "https://*.portal.example/"]);
        assert!(may_return_to(None, &settings, "https://portal.example/"));
        assert!(!may_return_to(None, &settings, "https://a.portal.example/"), "no wildcards");
        assert!(!may_return_to(None, &TenantSettings::default(), "https://portal.example/"));
        assert!(!may_return_to(None, &settings, "https://portal.example/?x=1"));
    }

    #[test]
    fn a_wildcard_is_one_label_and_not_for_strict_third_parties() {
        let client = with(&["https://*.app.example/bye"]);
        let may = |client: &Client, address: &str| may_return_to(Some(client), &tenant(&[]), address);
        assert!(may(&client, "https://one.app.example/bye"));
        for refused in ["https://a.b.app.example/bye", "https://app.example/bye", "https://*.app.example/bye"]
        {
            assert!(!may(&client, refused), "{refused}");
        }
        let strict = Client { is_first_party: false, ..client.clone() };
        assert!(!may(&strict, "https://one.app.example/bye"));
        // What an imported row holds and could not be registered.
        for registered in ["javascript:alert(1)", "https://*.example/", "https://a.example/#x"] {
            assert!(!may(&with(&[registered]), registered), "{registered}");
        }
    }

    #[test]
    fn the_default_is_the_first_address_and_never_a_wildcard() {
        assert_eq!(
            default_return(&with(&["https://a.example/", "https://b.example/"])),
            Some("https://a.example/")
        );
        assert_eq!(default_return(&with(&["https://*.app.example/", "https://b.example/"])), None);
        assert_eq!(default_return(&with(&[])), None);
    }
}
