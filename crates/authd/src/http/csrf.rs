//! Was a form sent from one of our own pages? (RFC 6454 §7; Fetch Metadata; threats LC-01.)
//!
//! What decides is the cookie that a flow names, which other sites' forms come without. This refuses the same forms by
//! what browsers say about them, before anything is read.

use http::{HeaderMap, header};
use records::Origin;

/// Whether nothing says that the form came from elsewhere. Old browsers say nothing.
///
/// Our pages have the referrer policy `no-referrer`, and by that a browser says `Origin: null` about their forms (Fetch
/// §3.2, "append a request `Origin` header"). So does a sandboxed frame of another site: `null` counts as ours only where
/// the browser says `same-origin` beside it, which no page can have it say.
pub fn same_origin(headers: &HeaderMap, origin: &Origin) -> bool {
    let said = |name: &str| {
        headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("?")).collect::<Vec<_>>()
    };
    let ours = origin.issuer().trim_end_matches('/');
    let site = said("sec-fetch-site");
    let vouched = site == ["same-origin"];
    said(header::ORIGIN.as_str()).iter().all(|said| *said == ours || (*said == "null" && vouched))
        && site.iter().all(|said| matches!(*said, "same-origin" | "none"))
}

/// Whether nothing says that the request is anything but a person's going to a page: not a picture, a script's fetch, a
/// frame, or a look-ahead (threats LO-05). Old browsers say nothing.
pub fn is_page_visit(headers: &HeaderMap) -> bool {
    let all = |name: &str, wanted: &str| {
        headers.get_all(name).iter().all(|value| value.as_bytes() == wanted.as_bytes())
    };
    all("sec-fetch-mode", "navigate")
        && all("sec-fetch-dest", "document")
        && !headers.contains_key("sec-purpose")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lc_01_a_form_from_another_site_is_recognised() {
        let origin = Origin::parse("https://first.example/").unwrap();
        let with = |pairs: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, value.parse().unwrap());
            }
            same_origin(&headers, &origin)
        };
        assert!(with(&[]));
        assert!(with(&[("origin", "https://first.example"), ("sec-fetch-site", "same-origin")]));
        assert!(with(&[("sec-fetch-site", "none")]));
        // What browsers send from a page with `Referrer-Policy: no-referrer`, as ours are.
        assert!(with(&[("origin", "null"), ("sec-fetch-site", "same-origin")]));
        for refused in [
            &[("origin", "https://second.example")][..],
            &[("origin", "null")],
            &[("origin", "null"), ("sec-fetch-site", "none")],
            &[("origin", "null"), ("sec-fetch-site", "cross-site")],
            &[("origin", "null"), ("sec-fetch-site", "same-origin"), ("sec-fetch-site", "same-origin")],
            &[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")],
            &[("origin", "http://first.example")],
            &[("origin", "https://first.example.evil.example")],
            &[("origin", "https://first.example"), ("origin", "https://evil.example")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
        ] {
            assert!(!with(refused), "{refused:?}");
        }
    }

    #[test]
    fn lo_05_pictures_frames_fetches_and_look_aheads_are_no_visits() {
        let with = |pairs: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, value.parse().unwrap());
            }
            is_page_visit(&headers)
        };
        assert!(with(&[]));
        assert!(with(&[
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
            ("sec-fetch-site", "cross-site")
        ]));
        for refused in [
            &[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")][..],
            &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")],
            &[("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")],
            &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"), ("sec-purpose", "prefetch")],
            &[("sec-fetch-mode", "navigate"), ("sec-fetch-mode", "cors")],
        ] {
            assert!(!with(refused), "{refused:?}");
        }
    }
}
