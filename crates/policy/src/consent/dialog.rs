//! What a consent dialog says, and what its answer means (RFC 6749 §3.3; Auth0's consent dialog).

use records::{ResourceServer, ScopeSet, ScopeToken};

use crate::scope::is_of_openid_connect;

/// One line of a consent dialog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The scopes it speaks of; never empty.
    pub scopes: Vec<ScopeToken>,
    /// What it says: plain text, to be escaped where it is shown.
    pub text: String,
    /// Whether they were not allowed before: all of them, or none.
    pub is_new: bool,
    /// Whether the person may leave it out.
    pub is_optional: bool,
}

/// The claims about a person, by scope, as the dialog calls them.
const PROFILE: &[(&str, &str)] =
    &[("profile", "profile"), ("email", "email"), ("address", "address"), ("phone", "phone number")];

/// The lines of a dialog about `scopes`, of which `missing` are new; every scope stands in exactly one line.
///
/// First what OpenID Connect defines, then the API's scopes in its owner's order. `describes` shows these by
/// their descriptions, one a line. Otherwise `read:posts write:posts` is "Posts: read and write your posts",
/// and what has no colon is shown by its name. What is new never shares a line with what is not, and an
/// optional scope has its own.
pub fn lines(
    scopes: &ScopeSet,
    missing: &ScopeSet,
    api: Option<&ResourceServer>,
    describes: bool,
) -> Vec<Line> {
    let mut lines = Vec::new();
    for is_new in [false, true] {
        let marked: Vec<&ScopeToken> =
            scopes.iter().filter(|scope| missing.contains(scope) == is_new).collect();
        lines.extend(about_the_person(&marked, is_new));
    }
    let of_api = api.map(|api| api.scopes.as_slice()).unwrap_or_default();
    let mut groups: Vec<Group<'_>> = Vec::new();
    for scope in of_api {
        if scopes.contains(&scope.value) && !is_of_openid_connect(&scope.value) {
            let description = if describes { plain_text(&scope.description) } else { String::new() };
            let is_new = missing.contains(&scope.value);
            add(&mut groups, Group::of(&scope.value, description, is_new, scope.is_optional, describes));
        }
    }
    for scope in scopes.iter().filter(|scope| !is_of_openid_connect(scope)) {
        // Whoever resolved the scopes left no such out; what is granted is shown all the same.
        if !of_api.iter().any(|defined| defined.value == *scope) {
            add(&mut groups, Group::of(scope, String::new(), missing.contains(scope), false, describes));
        }
    }
    lines.extend(groups.into_iter().map(Group::into_line));
    lines
}

/// The lines on what OpenID Connect defines, of scopes that are all new or all not.
fn about_the_person(scopes: &[&ScopeToken], is_new: bool) -> Vec<Line> {
    let named = |name: &str| scopes.iter().find(|scope| scope.as_str() == name).map(|scope| (*scope).clone());
    let line = |scopes, text| Line { scopes, text, is_new, is_optional: false };
    let (shown, words): (Vec<ScopeToken>, Vec<&str>) =
        PROFILE.iter().filter_map(|(name, words)| Some((named(name)?, *words))).unzip();
    let mut lines = Vec::new();
    if !shown.is_empty() {
        let scopes = named("openid").into_iter().chain(shown).collect();
        lines.push(line(scopes, format!("Profile: access to your {}", enumerated(&words))));
    } else if let Some(openid) = named("openid") {
        lines.push(line(vec![openid], "Sign you in".to_owned()));
    }
    if let Some(offline) = named("offline_access") {
        lines.push(line(vec![offline], "Offline access: keep this access while you are away".to_owned()));
    }
    lines
}

/// Scopes that become one line.
struct Group<'a> {
    scopes: Vec<ScopeToken>,
    resource: &'a str,
    actions: Vec<&'a str>,
    description: String,
    is_new: bool,
    is_optional: bool,
    is_open: bool,
}

impl<'a> Group<'a> {
    fn of(
        scope: &'a ScopeToken,
        description: String,
        is_new: bool,
        is_optional: bool,
        describes: bool,
    ) -> Self {
        let parts = scope.as_str().split_once(':');
        let parts =
            parts.filter(|(action, resource)| !describes && !action.is_empty() && !resource.is_empty());
        Self {
            scopes: vec![scope.clone()],
            resource: parts.map_or("", |(_, resource)| resource),
            actions: parts.into_iter().map(|(action, _)| action).collect(),
            description,
            is_new,
            is_optional,
            is_open: parts.is_some() && !is_optional,
        }
    }

    fn into_line(self) -> Line {
        let name = || self.scopes.first().map_or_else(String::new, |scope| scope.as_str().to_owned());
        let text = if !self.description.is_empty() {
            self.description
        } else if self.actions.is_empty() {
            name()
        } else {
            let resource = self.resource.replace('_', " ");
            let actions: Vec<String> = self.actions.iter().map(|action| action.replace('_', " ")).collect();
            format!("{}: {} your {resource}", capitalised(&resource), enumerated(&actions))
        };
        Line { scopes: self.scopes, text, is_new: self.is_new, is_optional: self.is_optional }
    }
}

/// Adds to the group of the same resource, or as one of its own.
fn add<'a>(groups: &mut Vec<Group<'a>>, group: Group<'a>) {
    let same = groups.iter_mut().find(|known| {
        known.is_open && group.is_open && known.resource == group.resource && known.is_new == group.is_new
    });
    match same {
        Some(known) => {
            known.scopes.extend(group.scopes);
            known.actions.extend(group.actions);
        }
        None => groups.push(group),
    }
}

/// `a`, `a and b`, `a, b and c`.
fn enumerated<T: AsRef<str>>(words: &[T]) -> String {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    match words.split_last() {
        None => String::new(),
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

/// A text that somebody else wrote, without what could make it read as another: controls and line breaks
/// become spaces, marks that turn the direction of writing and invisible ones go. Surrounding spaces go too.
pub fn plain_text(text: &str) -> String {
    let is_invisible = |c: char| {
        matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
    };
    let is_break = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let shown: String =
        text.chars().filter(|c| !is_invisible(*c)).map(|c| if is_break(c) { ' ' } else { c }).collect();
    shown.trim().to_owned()
}

/// What a person who accepts a dialog about `scopes` allows: everything, but of the optional scopes only the
/// `chosen`.
///
/// A form that names what was not asked for adds nothing.
pub fn accepted(scopes: &ScopeSet, api: Option<&ResourceServer>, chosen: &ScopeSet) -> ScopeSet {
    let is_optional = |scope: &ScopeToken| {
        let defined = api.into_iter().flat_map(|api| &api.scopes).find(|defined| defined.value == *scope);
        !is_of_openid_connect(scope) && defined.is_some_and(|defined| defined.is_optional)
    };
    scopes.iter().filter(|scope| !is_optional(scope) || chosen.contains(scope)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::resource_server;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn set(text: &str) -> ScopeSet {
        ScopeSet::parse(text).unwrap()
    }

    /// The texts, the new ones marked with `+`, the optional ones with `?`.
    fn texts(scopes: &str, missing: &str, api: Option<&ResourceServer>, describes: bool) -> Vec<String> {
        let lines = lines(&set(scopes), &set(missing), api, describes);
        lines
            .into_iter()
            .map(|line| {
                let new = if line.is_new { "+" } else { "" };
                let optional = if line.is_optional { "?" } else { "" };
                format!("{new}{optional}{}", line.text)
            })
            .collect()
    }

    /// An API whose scopes stand in this order, with these descriptions.
    fn api(scopes: &[(&str, &str)]) -> ResourceServer {
        let mut api = resource_server(&scopes.iter().map(|(value, _)| *value).collect::<Vec<_>>().join(" "));
        api.scopes.sort_by_key(|scope| scopes.iter().position(|(value, _)| *value == scope.value.as_str()));
        for (scope, (_, description)) in api.scopes.iter_mut().zip(scopes) {
            scope.description = (*description).to_owned();
        }
        api
    }

    #[test]
    fn scopes_of_one_resource_share_a_line() {
        let api =
            api(&[("read:posts", ""), ("read:messages", ""), ("write:messages", ""), ("write:posts", "")]);
        let all = "read:posts write:posts read:messages write:messages";
        assert_eq!(
            texts(all, "", Some(&api), false),
            ["Posts: read and write your posts", "Messages: read and write your messages"]
        );
    }

    #[test]
    fn actions_are_enumerated_in_the_owners_order_and_underscores_are_spaces() {
        let api = api(&[("update:user_data", ""), ("read:user_data", ""), ("delete:user_data", "")]);
        let all = "delete:user_data read:user_data update:user_data";
        assert_eq!(texts(all, "", Some(&api), false), ["User data: update, read and delete your user data"]);
        assert_eq!(texts("read:user_data", "", Some(&api), false), ["User data: read your user data"]);
    }

    #[test]
    fn what_is_no_action_on_a_resource_is_shown_by_its_name() {
        let api = api(&[("read", ""), ("write", ""), ("x:", ""), (":y", ""), (":", "")]);
        assert_eq!(texts("read write x: :y :", "", Some(&api), false), ["read", "write", "x:", ":y", ":"]);
        assert_eq!(texts("a:b:c", "", None, false), ["B:c: a your b:c"]);
    }

    #[test]
    fn descriptions_stand_one_a_line_and_a_missing_one_is_the_name() {
        let api = api(&[("read:posts", "Read what you wrote"), ("write:posts", ""), ("read", " ")]);
        let all = "read:posts write:posts read";
        assert_eq!(texts(all, "", Some(&api), true), ["Read what you wrote", "write:posts", "read"]);
    }

    #[test]
    fn what_is_new_is_marked_and_stands_apart() {
        let api = api(&[("read:posts", "Read"), ("write:posts", "Write"), ("delete:posts", "Delete")]);
        let all = "read:posts write:posts delete:posts openid profile email";
        assert_eq!(
            texts(all, "write:posts delete:posts email", Some(&api), false),
            [
                "Profile: access to your profile",
                "+Profile: access to your email",
                "Posts: read your posts",
                "+Posts: write and delete your posts",
            ]
        );
        assert_eq!(
            texts(all, "write:posts", Some(&api), true),
            ["Profile: access to your profile and email", "Read", "+Write", "Delete"]
        );
    }

    #[test]
    fn an_optional_scope_has_its_own_line() {
        let mut api = api(&[("read:posts", ""), ("write:posts", "Write"), ("delete:posts", "")]);
        api.scopes[1].is_optional = true;
        let all = "read:posts write:posts delete:posts";
        assert_eq!(
            texts(all, all, Some(&api), false),
            ["+Posts: read and delete your posts", "+?Posts: write your posts"]
        );
        assert_eq!(texts(all, all, Some(&api), true), ["+read:posts", "+?Write", "+delete:posts"]);
    }

    #[test]
    fn openid_connects_scopes_are_told_in_words() {
        for (scopes, expected) in [
            ("", &[][..]),
            ("openid", &["+Sign you in"][..]),
            ("openid profile", &["+Profile: access to your profile"]),
            ("openid profile email", &["+Profile: access to your profile and email"]),
            (
                "openid profile email address phone",
                &["+Profile: access to your profile, email, address and phone number"],
            ),
            ("email", &["+Profile: access to your email"]),
            (
                "openid offline_access",
                &["+Sign you in", "+Offline access: keep this access while you are away"],
            ),
        ] {
            assert_eq!(texts(scopes, scopes, None, false), expected, "{scopes}");
            assert_eq!(texts(scopes, scopes, None, true), expected, "{scopes}");
        }
    }

    #[test]
    fn an_api_cannot_give_openid_connects_scopes_other_words() {
        let mut api = api(&[("offline_access", "Nothing at all"), ("openid", "Nothing")]);
        api.scopes[0].is_optional = true;
        assert_eq!(
            texts("openid offline_access", "", Some(&api), true),
            ["Sign you in", "Offline access: keep this access while you are away"]
        );
        assert_eq!(
            accepted(&set("openid offline_access"), Some(&api), &set("")),
            set("openid offline_access")
        );
    }

    #[test]
    fn a_scope_that_the_api_does_not_define_is_shown_all_the_same() {
        assert_eq!(texts("unknown read", "unknown", Some(&api(&[("read", "")])), true), ["read", "+unknown"]);
    }

    //= LC-16
    #[test]
    fn lc_16_texts_of_others_lose_controls_and_marks_of_direction() {
        for (text, shown) in [
            ("Read your\r\ncalendar\0", "Read your  calendar"),
            ("\u{202e}drowssap\u{202c} your", "drowssap your"),
            ("\u{2066}a\u{2067}b\u{2068}c\u{2069}", "abc"),
            ("a\u{200e}\u{200f}\u{61c}b", "ab"),
            ("a\u{200b}\u{2060}\u{feff}\u{ad}b", "ab"),
            ("a\u{2028}b\u{2029}c\u{85}d", "a b c d"),
            ("\u{1b}[31mred", "[31mred"),
            ("<b>bold</b>", "<b>bold</b>"),
            ("اقرأ تقويمك", "اقرأ تقويمك"),
            ("日本語 👩‍👩‍👧", "日本語 👩‍👩‍👧"),
            ("\u{202e}", ""),
        ] {
            assert_eq!(plain_text(text), shown, "{text:?}");
            let described = api(&[("read", text)]);
            let expected = if shown.is_empty() { "read" } else { shown };
            assert_eq!(texts("read", "", Some(&described), true), [expected], "{text:?}");
        }
    }

    //= LC-17
    #[test]
    fn lc_17_a_form_adds_nothing_and_leaves_out_optional_scopes_alone() {
        let mut api = api(&[("read", ""), ("write", ""), ("delete", "")]);
        api.scopes[1].is_optional = true;
        api.scopes[2].is_optional = true;
        let scopes = set("openid read write");
        for (chosen, expected) in [
            ("", "openid read"),
            ("write", "openid read write"),
            ("delete", "openid read"),
            ("write delete admin", "openid read write"),
        ] {
            assert_eq!(accepted(&scopes, Some(&api), &set(chosen)), set(expected), "{chosen}");
        }
        assert_eq!(accepted(&scopes, None, &set("")), scopes, "without an API nothing is optional");
    }

    proptest! {
        #[test]
        fn every_scope_stands_in_exactly_one_line_and_lines_are_all_new_or_all_not(
            scopes in "((openid|profile|email|offline_access|read:a|write:a|read:b|read|write) ){0,9}",
            missing in "((openid|profile|email|offline_access|read:a|write:a|read:b|read|write) ){0,9}",
            optional in 0_usize..4,
            describes: bool,
        ) {
            let mut api = api(&[("write:a", "Write"), ("read:a", ""), ("read", "Read"), ("openid", "x")]);
            api.scopes[optional].is_optional = true;
            let (scopes, missing) = (set(&scopes), set(&missing));
            let lines = lines(&scopes, &missing, Some(&api), describes);
            let mut seen = BTreeSet::new();
            for line in &lines {
                prop_assert!(!line.scopes.is_empty() && !line.text.is_empty());
                prop_assert!(!line.is_optional || line.scopes.len() == 1);
                for scope in &line.scopes {
                    prop_assert!(seen.insert(scope.clone()), "{} twice", scope);
                    prop_assert_eq!(line.is_new, missing.contains(scope));
                }
            }
            prop_assert_eq!(seen.into_iter().collect::<ScopeSet>(), scopes);
        }
    }
}
