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
/// First what OpenID Connect defines, then the API's scopes in its owner's order. `describes` shows these by their
/// descriptions, one a line. Otherwise `read:posts write:posts` is "Posts: read and write your posts", and what has no
/// colon is shown by its name. What is new never shares a line with what is not, and an optional scope has its own.
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

/// A text that somebody else wrote, without what could make it read as another: controls and line breaks become spaces,
/// marks that turn the direction of writing and invisible ones go. Surrounding spaces go too.
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

/// What a person who accepts a dialog about `scopes` allows: everything, but of the optional scopes only the `chosen`.
///
/// A form that names what was not asked for adds nothing.
pub fn accepted(scopes: &ScopeSet, api: Option<&ResourceServer>, chosen: &ScopeSet) -> ScopeSet {
    let is_optional = |scope: &ScopeToken| {
        let defined = api.into_iter().flat_map(|api| &api.scopes).find(|defined| defined.value == *scope);
        !is_of_openid_connect(scope) && defined.is_some_and(|defined| defined.is_optional)
    };
    scopes.iter().filter(|scope| !is_optional(scope) || chosen.contains(scope)).cloned().collect()
}
