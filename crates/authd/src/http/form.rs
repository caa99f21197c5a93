//! Forms that our own pages post: a few fields, some of them more than once (WHATWG URL §5.1).

use bytes::Bytes;
use http::HeaderMap;
use hyper::body::Body;

use super::limits::Limits;
use super::request::body_of;
use super::response::Answer;

/// The most fields that are read; the rest is ignored.
const MOST: usize = 2048;

/// A form's fields, in their order.
#[derive(Debug, Default)]
pub struct Form(Vec<(String, String)>);

/// Reads a form body.
pub async fn read<B>(body: B, headers: &HeaderMap, limits: &Limits) -> Result<Form, Answer>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let body = body_of(body, headers, limits).await?;
    Ok(Form(url::form_urlencoded::parse(&body).into_owned().take(MOST).collect()))
}

impl Form {
    /// The value of a field that was sent exactly once.
    pub fn one<'f>(&'f self, name: &'f str) -> Option<&'f str> {
        let mut values = self.all(name);
        let first = values.next();
        first.filter(|_| values.next().is_none())
    }

    /// Every value of a field.
    pub fn all<'f>(&'f self, name: &'f str) -> impl Iterator<Item = &'f str> {
        self.0.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.as_str())
    }
}
