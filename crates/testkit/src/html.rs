//! Reads our own pages as a browser would, as far as tests need it: forms, their inputs and buttons, and text.

/// The one form of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// Where it goes.
    pub action: String,
    /// `name` and `value` of each input, a checkbox's only where it is checked.
    pub inputs: Vec<(String, String)>,
    /// `name` and `value` of each button.
    pub buttons: Vec<(String, String)>,
}

impl Form {
    /// Finds the form of a page, if it has one.
    pub fn of(html: &str) -> Option<Self> {
        let (_, rest) = html.split_once("<form")?;
        let (inside, _) = rest.split_once("</form>")?;
        let (open, inside) = inside.split_once('>')?;
        let named = |tag: &str| {
            attribute(tag, "name").map(|name| (name, attribute(tag, "value").unwrap_or_default()))
        };
        let is_sent =
            |tag: &&str| !tag.contains("type=\"checkbox\"") || tag.split_whitespace().any(|w| w == "checked");
        Some(Self {
            action: attribute(open, "action")?,
            inputs: tags(inside, "input").filter(is_sent).filter_map(named).collect(),
            buttons: tags(inside, "button").filter_map(named).collect(),
        })
    }

    /// The value of an input.
    pub fn input(&self, name: &str) -> Option<&str> {
        self.inputs.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

/// What stands between the angle brackets of each tag of this name.
pub(crate) fn tags<'h>(html: &'h str, name: &str) -> impl Iterator<Item = &'h str> {
    let opening = format!("<{name}");
    html.split('<').filter_map(move |part| {
        let tag = part.split('>').next()?;
        let rest = tag.strip_prefix(&opening[1..])?;
        rest.starts_with(|c: char| c.is_whitespace()).then_some(rest)
    })
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    rest.split('"').next().map(unescaped)
}

/// Undoes what an HTML writer does to text.
pub(crate) fn unescaped(text: &str) -> String {
    const NAMED: &[(&str, &str)] = &[
        ("&lt;", "<"),
        ("&#60;", "<"),
        ("&gt;", ">"),
        ("&#62;", ">"),
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#x27;", "'"),
        ("&#38;", "&"),
        ("&amp;", "&"),
    ];
    NAMED.iter().fold(text.to_owned(), |text, (entity, plain)| text.replace(entity, plain))
}

/// The text of the element with this id.
pub(crate) fn text_of(html: &str, id: &str) -> Option<String> {
    let (_, rest) = html.split_once(&format!("id=\"{id}\""))?;
    let (_, rest) = rest.split_once('>')?;
    rest.split('<').next().map(unescaped)
}

/// The text of each list item, without its tags.
pub(crate) fn items(html: &str) -> Vec<String> {
    let inside = |item: &str| {
        let item = item.split("</li>").next().unwrap_or_default();
        let text: String =
            item.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| text).collect();
        unescaped(text.trim())
    };
    html.split("<li>").skip(1).map(inside).collect()
}
