//! The `claims` parameter: claims that are asked for one by one (OpenID Connect Core 1.0 §5.5).

use std::fmt;

use records::{ScopeSet, ScopeToken, UserId};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, json};

use super::claims::{CLAIMS, known};
use crate::params::is_deeper_than;

/// The longest parameter, in bytes.
pub const LONGEST: usize = 4096;
/// The deepest nesting, the parameter itself counted. What is understood needs four.
const DEEPEST: usize = 8;
/// What may be asked for apart from claims about the person.
const ABOUT_THE_LOGIN: &[&str] = &["sub", "auth_time", "acr"];

/// Why the parameter is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimsRefusal {
    /// Longer than [`LONGEST`].
    TooLong,
    /// Nested deeper than 8 levels.
    TooDeep,
    /// Not one JSON object, or an object with a member of the same name twice.
    NotJsonObject,
    /// A member that is understood does not hold what it should.
    Malformed,
}

/// Where a claim is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    IdToken,
    UserInfo,
}

impl Target {
    const ALL: [(Self, &'static str); 2] = [(Self::IdToken, "id_token"), (Self::UserInfo, "userinfo")];
}

/// One claim that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Asked {
    target: Target,
    name: &'static str,
    is_essential: bool,
    /// The values that would do (`value`, `values`); `None`: any. Kept for `sub` and `acr`, where they bind.
    values: Option<Vec<String>>,
}

/// What the parameter asks for, as far as it is understood; the rest is ignored, as the standard wants.
///
/// A claim about the person whose value is prescribed is treated as one that is merely asked for: it is released with
/// the value that it has, as §5.5.1 allows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimsRequest {
    asked: Vec<Asked>,
}

impl ClaimsRequest {
    /// Reads the parameter.
    ///
    /// # Errors
    /// [`ClaimsRefusal`]
    pub fn parse(text: &str) -> Result<Self, ClaimsRefusal> {
        if text.len() > LONGEST {
            return Err(ClaimsRefusal::TooLong);
        }
        if is_deeper_than(DEEPEST, text.as_bytes()) {
            return Err(ClaimsRefusal::TooDeep);
        }
        let Ok(Strict(Value::Object(members))) = serde_json::from_str(text) else {
            return Err(ClaimsRefusal::NotJsonObject);
        };
        let mut asked = Vec::new();
        for (target, name) in Target::ALL {
            match members.get(name) {
                None | Some(Value::Null) => {}
                Some(Value::Object(claims)) => {
                    for (name, value) in claims {
                        asked.extend(read(target, name, value)?);
                    }
                }
                Some(_) => return Err(ClaimsRefusal::Malformed),
            }
        }
        Ok(Self { asked })
    }

    /// What was understood, in JSON that [`ClaimsRequest::parse`] reads back.
    pub fn to_json(&self) -> String {
        let mut members = Map::new();
        for (target, name) in Target::ALL {
            let claims: Map<String, Value> = self
                .of(target)
                .map(|asked| {
                    let mut claim = Map::new();
                    if asked.is_essential {
                        claim.insert("essential".into(), json!(true));
                    }
                    if let Some(values) = &asked.values {
                        claim.insert("values".into(), json!(values));
                    }
                    let claim = if claim.is_empty() { Value::Null } else { Value::Object(claim) };
                    (asked.name.to_owned(), claim)
                })
                .collect();
            if !claims.is_empty() {
                members.insert(name.into(), Value::Object(claims));
            }
        }
        Value::Object(members).to_string()
    }

    /// Whether nothing that is understood is asked for.
    pub fn is_empty(&self) -> bool {
        self.asked.is_empty()
    }

    /// The person whom the tokens must be about, where just one is named (§5.5.1): a hint for the login page.
    pub fn sub(&self) -> Option<&str> {
        match self.named("sub").find_map(|asked| asked.values.as_deref()) {
            Some([one]) => Some(one),
            _ => None,
        }
    }

    /// Whether tokens about this person may answer. Where not, nobody's do (§5.5.1: the request fails).
    pub fn allows_subject(&self, user: &UserId) -> bool {
        //= OpenID Connect Core 1.0 §5.5.1
        self.named("sub")
            .filter_map(|asked| asked.values.as_ref())
            .all(|values| values.iter().any(|value| value == user.as_str()))
    }

    /// Whether an authentication context is demanded that this server cannot give: it knows none by name (§5.5.1.1).
    pub fn demands_unknown_acr(&self) -> bool {
        //= OpenID Connect Core 1.0 §5.5.1.1
        self.named("acr").any(|asked| asked.is_essential && asked.values.is_some())
    }

    /// Whether the ID token is to say when the person authenticated.
    pub fn names_auth_time(&self) -> bool {
        self.asks(Target::IdToken, "auth_time")
    }

    /// The claims about the person that are wanted at the userinfo endpoint.
    pub fn of_user_info(&self) -> Vec<&'static str> {
        self.of(Target::UserInfo).filter_map(|asked| known(asked.name)).collect()
    }

    /// The scopes that would release the claims about the person: whoever agrees to these agrees to all of it.
    pub fn covering_scopes(&self) -> ScopeSet {
        let is_asked = |name| self.asked.iter().any(|asked| asked.name == name);
        let rows = CLAIMS.iter().filter(|row| is_asked(row.name));
        rows.filter_map(|row| ScopeToken::parse(row.scope).ok()).collect()
    }

    pub(super) fn asks(&self, target: Target, name: &str) -> bool {
        self.of(target).any(|asked| asked.name == name)
    }

    fn of(&self, target: Target) -> impl Iterator<Item = &Asked> {
        self.asked.iter().filter(move |asked| asked.target == target)
    }

    fn named(&self, name: &'static str) -> impl Iterator<Item = &Asked> {
        self.asked.iter().filter(move |asked| asked.name == name)
    }
}

/// Reads what is said about one claim; `None` for one that is not understood.
fn read(target: Target, name: &str, said: &Value) -> Result<Option<Asked>, ClaimsRefusal> {
    let about_the_login = || ABOUT_THE_LOGIN.iter().copied().find(|known| *known == name);
    let Some(name) = known(name).or_else(about_the_login) else {
        return Ok(None);
    };
    let said = match said {
        Value::Null => return Ok(Some(Asked { target, name, is_essential: false, values: None })),
        Value::Object(said) => said,
        _ => return Err(ClaimsRefusal::Malformed),
    };
    let is_essential = match said.get("essential") {
        None => false,
        Some(Value::Bool(is_essential)) => *is_essential,
        Some(_) => return Err(ClaimsRefusal::Malformed),
    };
    let one = said.get("value").map(std::slice::from_ref);
    let values = match (one, said.get("values")) {
        _ if known(name).is_some() || name == "auth_time" => None,
        (None, None) => None,
        (Some(values), None) => Some(values),
        (None, Some(Value::Array(values))) => Some(values.as_slice()),
        _ => return Err(ClaimsRefusal::Malformed),
    };
    let texts = |values: &[Value]| values.iter().map(|value| value.as_str().map(str::to_owned)).collect();
    let values = match values {
        None => None,
        Some(values) => Some(Option::<Vec<String>>::ok_or(texts(values), ClaimsRefusal::Malformed)?),
    };
    Ok(Some(Asked { target, name, is_essential, values }))
}

/// A JSON value without a repeated member anywhere: which of two would count is a matter of taste, and of attacks.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(element)) = elements.next_element()? {
            list.push(element);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some((name, Strict(value))) = members.next_entry::<String, Strict>()? {
            if map.insert(name, value).is_some() {
                return Err(A::Error::custom("a member stands twice"));
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests;
