//! The stored form of a connection.

use records::{ClientId, Connection, ConnectionName, EnabledClients, UnixTime};
use serde::{Deserialize, Serialize};

use super::{Seals, Stored, Unreadable};
use crate::seal::SealError;
use crate::{Key, Kind};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Form {
    v: u32,
    name: String,
    /// Absent: every application.
    enabled_clients: Option<Vec<String>>,
    created_at: u64,
}

impl Stored for Connection {
    const KIND: Kind = Kind::Connection;
    type Form<'f> = Form;

    fn key(&self) -> Key {
        Key::of(&[self.name.as_str()])
    }

    fn to_form(&self, _: &Seals<'_>) -> Result<Form, SealError> {
        Ok(Form {
            v: Self::FORM,
            name: self.name.to_string(),
            enabled_clients: match &self.enabled_clients {
                EnabledClients::All => None,
                EnabledClients::Only(clients) => Some(clients.iter().map(ClientId::to_string).collect()),
            },
            created_at: self.created_at.0,
        })
    }

    fn from_form(form: Form, _: &Seals<'_>) -> Result<Self, Unreadable> {
        let clients = |clients: Vec<String>| -> Result<_, Unreadable> {
            Ok(EnabledClients::Only(clients.iter().map(|id| ClientId::parse(id)).collect::<Result<_, _>>()?))
        };
        Ok(Self {
            name: ConnectionName::parse(&form.name)?,
            enabled_clients: form.enabled_clients.map_or(Ok(EnabledClients::All), clients)?,
            created_at: UnixTime(form.created_at),
        })
    }
}
