//! YAML with lines: reads members by name, and names what nobody read, so that nothing is ignored silently.

use std::collections::HashSet;

use records::SecretText;
use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};

/// A value and where it stands.
#[derive(Clone, Copy, Debug)]
pub struct Node<'y>(&'y MarkedYaml<'y>);

/// A mapping whose members are read one by one.
#[derive(Debug)]
pub struct Members<'y> {
    what: String,
    node: Node<'y>,
    read: HashSet<String>,
}

/// Loads one document. An empty one is `None`.
pub fn load(text: &str) -> Result<Option<MarkedYaml<'_>>, String> {
    let mut documents = MarkedYaml::load_from_str(text)
        .map_err(|error| format!("line {}: {}", error.marker().line(), error.info()))?;
    if documents.len() > 1 {
        return Err("more than one document: put everything into one".to_owned());
    }
    Ok(documents.pop())
}

impl<'y> Node<'y> {
    /// The document's root.
    pub fn root(document: &'y MarkedYaml<'y>) -> Self {
        Self(document)
    }

    /// The line it stands on, counted from 1.
    pub fn line(self) -> usize {
        self.0.span.start.line()
    }

    fn wants(self, what: &str, kind: &str) -> String {
        format!("line {}: {what} must be {kind}", self.line())
    }

    /// The members of a mapping. `what` names it in errors.
    pub fn members(self, what: &str) -> Result<Members<'y>, String> {
        match &self.0.data {
            YamlData::Mapping(_) => Ok(Members { what: what.to_owned(), node: self, read: HashSet::new() }),
            _ => Err(self.wants(what, "a mapping")),
        }
    }

    /// The items of a sequence.
    pub fn items(self, what: &str) -> Result<Vec<Self>, String> {
        match &self.0.data {
            YamlData::Sequence(items) => Ok(items.iter().map(Node).collect()),
            _ => Err(self.wants(what, "a list")),
        }
    }

    /// A text.
    pub fn text(self, what: &str) -> Result<&'y str, String> {
        match &self.0.data {
            YamlData::Value(Scalar::String(text)) => Ok(text),
            _ => Err(self.wants(what, "a text (quote it if it looks like a number)")),
        }
    }

    /// `true` or `false`.
    pub fn boolean(self, what: &str) -> Result<bool, String> {
        match &self.0.data {
            YamlData::Value(Scalar::Boolean(value)) => Ok(*value),
            _ => Err(self.wants(what, "true or false")),
        }
    }

    /// A number of seconds.
    pub fn seconds(self, what: &str) -> Result<u32, String> {
        match &self.0.data {
            YamlData::Value(Scalar::Integer(value)) => u32::try_from(*value).ok(),
            _ => None,
        }
        .ok_or_else(|| self.wants(what, "a whole number of seconds"))
    }
}

impl<'y> Members<'y> {
    /// The line that the mapping begins on.
    pub fn line(&self) -> usize {
        self.node.line()
    }

    /// Calls the mapping by a better name in errors, once one is known.
    pub fn called(&mut self, name: &str) {
        self.what = format!("{} {name:?}", self.what);
    }

    /// The member of this name, unless it is absent or null.
    pub fn member(&mut self, name: &str) -> Option<Node<'y>> {
        self.read.insert(name.to_owned());
        let YamlData::Mapping(members) = &self.node.0.data else { return None };
        members
            .iter()
            .find(|(key, _)| matches!(&key.data, YamlData::Value(Scalar::String(text)) if text == name))
            .map(|(_, value)| Node(value))
            .filter(|value| !matches!(value.0.data, YamlData::Value(Scalar::Null)))
    }

    fn path(&self, name: &str) -> String {
        format!("{}: `{name}`", self.what)
    }

    /// A text that must be there.
    pub fn required(&mut self, name: &str) -> Result<&'y str, String> {
        self.text(name)?.ok_or_else(|| format!("line {}: {} is missing", self.line(), self.path(name)))
    }

    /// A text.
    pub fn text(&mut self, name: &str) -> Result<Option<&'y str>, String> {
        let path = self.path(name);
        self.member(name).map(|node| node.text(&path)).transpose()
    }

    /// A secret text.
    pub fn secret(&mut self, name: &str) -> Result<Option<SecretText>, String> {
        Ok(self.text(name)?.map(|text| SecretText::new(text.to_owned())))
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, name: &str) -> Result<Option<bool>, String> {
        let path = self.path(name);
        self.member(name).map(|node| node.boolean(&path)).transpose()
    }

    /// A number of seconds.
    pub fn seconds(&mut self, name: &str) -> Result<Option<u32>, String> {
        let path = self.path(name);
        self.member(name).map(|node| node.seconds(&path)).transpose()
    }

    /// A number of hours, as seconds.
    pub fn hours(&mut self, name: &str) -> Result<Option<u32>, String> {
        let path = self.path(name);
        let Some(node) = self.member(name) else { return Ok(None) };
        let hours = match &node.0.data {
            YamlData::Value(Scalar::Integer(value)) => u32::try_from(*value).ok(),
            _ => None,
        };
        let seconds = hours.and_then(|hours| hours.checked_mul(3600));
        seconds.map(Some).ok_or_else(|| node.wants(&path, "a whole number of hours"))
    }

    /// A list of texts.
    pub fn texts(&mut self, name: &str) -> Result<Option<Vec<String>>, String> {
        let path = self.path(name);
        let Some(node) = self.member(name) else { return Ok(None) };
        let texts = node.items(&path)?.into_iter().map(|item| item.text(&path).map(str::to_owned));
        texts.collect::<Result<_, _>>().map(Some)
    }

    /// One of these names.
    pub fn one_of<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> Result<Option<T>, String> {
        let path = self.path(name);
        let Some(node) = self.member(name) else { return Ok(None) };
        let text = node.text(&path)?;
        choices.iter().find(|(choice, _)| *choice == text).map(|(_, value)| Some(*value)).ok_or_else(|| {
            let known: Vec<_> = choices.iter().map(|(choice, _)| *choice).collect();
            format!("line {}: {path} is {text:?}: use one of {}", node.line(), known.join(", "))
        })
    }

    /// Names the members that nobody read: `built_later` are known to Auth0 and not built here yet.
    pub fn finish(self, built_later: &[&str]) -> Result<(), Vec<String>> {
        let YamlData::Mapping(members) = &self.node.0.data else { return Ok(()) };
        let mut errors = Vec::new();
        for (key, _) in members {
            let line = key.span.start.line();
            let YamlData::Value(Scalar::String(name)) = &key.data else {
                errors.push(format!("line {line}: {}: a key is not a text", self.what));
                continue;
            };
            if self.read.contains(name.as_ref()) {
                continue;
            }
            errors.push(if built_later.contains(&name.as_ref()) {
                format!("line {line}: {}: `{name}` is not built yet", self.what)
            } else {
                format!("line {line}: {}: `{name}` is not a known key", self.what)
            });
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}
