//! The consent dialog: what it shows, and what its answer writes (RFC 6749 §10.2; LC-17).

use policy::consent::{Line, accepted, lines, plain_text, union};
use records::{
    Client, ConsentAnswer, ConsentRecord, ConsentRecordId, Invalid, ResourceServer, ScopeSet, Session,
    ShownScope, TenantSettings, User, UserGrant, UserGrantId, Versioned, Write,
};

use super::ConsentGiven;
use super::Flow;
use super::decide::{Asked, is_since};
use crate::Moment;
use crate::crypto::sha256;
use crate::generate::hexadecimal;

/// What is known when a dialog is shown or answered.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'f> {
    /// What holds for the tenant.
    pub settings: &'f TenantSettings,
    /// Who asks.
    pub client: &'f Client,
    /// What the access token is for; `None`: the userinfo endpoint alone.
    pub api: Option<&'f ResourceServer>,
    /// In which session the person is asked.
    pub session: &'f Versioned<Session>,
    /// Who is asked.
    pub user: &'f Versioned<User>,
    /// What the person allowed this client on this audience before.
    pub grant: Option<&'f Versioned<UserGrant>>,
}

/// The dialog's lines.
pub fn shown(asked: &Asked, facts: &Facts<'_>) -> Vec<Line> {
    lines(&asked.scopes, &asked.missing, facts.api, facts.settings.use_scope_descriptions_for_consent)
}

/// What an answer writes, and what the flow keeps of it. `chosen` are the optional scopes that were ticked; `None` where
/// the person declined. Scopes that were not asked for add nothing.
///
/// # Errors
/// None in practice: the ids that are made fit their alphabet.
pub fn answer(
    asked: &Asked,
    facts: &Facts<'_>,
    chosen: Option<&ScopeSet>,
    flow: &Flow,
    moment: &Moment,
) -> Result<(Vec<Write>, ConsentGiven), Invalid> {
    let allowed = chosen.map(|chosen| accepted(&asked.scopes, facts.api, chosen));
    let mut writes = vec![
        Write::RelyOnSession(facts.session.map(|session| session.id.clone())),
        Write::RelyOnUser(facts.user.map(|user| user.id.clone())),
        Write::RecordConsent(record(asked, facts, allowed.as_ref(), flow, moment)?),
    ];
    if let Some(allowed) = &allowed {
        writes.push(grant(asked, facts, allowed, moment)?);
    }
    let given = ConsentGiven { session: facts.session.record.id.clone(), accepted: allowed.is_some() };
    Ok((writes, given))
}

fn grant(asked: &Asked, facts: &Facts<'_>, allowed: &ScopeSet, moment: &Moment) -> Result<Write, Invalid> {
    let left_out = asked.scopes.difference(allowed);
    let live = facts.grant.filter(|grant| is_since(&grant.record, facts.client, facts.api));
    let Some(present) = facts.grant else {
        return Ok(Write::CreateUserGrant(UserGrant {
            id: UserGrantId::parse(&hexadecimal(&moment.bytes::<12>("user grant id")))?,
            user: facts.user.record.id.clone(),
            client: facts.client.id.clone(),
            audience: asked.audience.clone(),
            scopes: allowed.clone(),
            left_out,
            created_at: moment.now,
            updated_at: moment.now,
        }));
    };
    let scopes = union(live.map(|live| &live.record), allowed);
    // What is left out now is not allowed any more either: the person took the tick away.
    let scopes = scopes.difference(&left_out);
    let before = live.map(|live| live.record.left_out.difference(allowed)).unwrap_or_default();
    let left_out = left_out.iter().chain(before.iter()).cloned().collect();
    let next = UserGrant { scopes, left_out, updated_at: moment.now, ..present.record.clone() };
    Ok(Write::ReplaceUserGrant(present.clone(), next))
}

fn record(
    asked: &Asked,
    facts: &Facts<'_>,
    allowed: Option<&ScopeSet>,
    flow: &Flow,
    moment: &Moment,
) -> Result<ConsentRecord, Invalid> {
    let lines = shown(asked, facts);
    let line_of = |line: &Line| {
        line.scopes
            .iter()
            .map(|scope| ShownScope {
                value: scope.clone(),
                text: line.text.clone(),
                is_new: line.is_new,
                is_optional: line.is_optional,
            })
            .collect::<Vec<_>>()
    };
    Ok(ConsentRecord {
        id: record_id(flow)?,
        user: facts.user.record.id.clone(),
        session: facts.session.record.id.clone(),
        client: facts.client.id.clone(),
        client_name: plain_text(&facts.client.name),
        audience: asked.audience.clone(),
        shown: lines.iter().flat_map(line_of).collect(),
        answer: allowed.map_or(ConsentAnswer::Declined, |scopes| ConsentAnswer::Accepted(scopes.clone())),
        decided_at: moment.now,
    })
}

/// The id of the record of a flow's answer: one a flow, so that a form that is sent again and again fills nothing. Sorts
/// by the time at which the flow began.
///
/// # Errors
/// None in practice: what is made fits the alphabet.
pub fn record_id(flow: &Flow) -> Result<ConsentRecordId, Invalid> {
    let hash = sha256(&[b"authd consent record 1\0", flow.id.as_str().as_bytes()]);
    ConsentRecordId::parse(&format!(
        "{:012x}-{}",
        flow.expires_at.0,
        hexadecimal(hash.first_chunk::<8>().unwrap_or(&[0; 8]))
    ))
}

/// What a dialog says, in one text that its flow carries: an answer is an answer to what was shown and to nothing else.
pub fn fingerprint(asked: &Asked, facts: &Facts<'_>) -> String {
    let mut parts: Vec<String> = vec![
        facts.client.id.to_string(),
        plain_text(&facts.client.name),
        facts.api.map(|api| plain_text(&api.name)).unwrap_or_default(),
        asked.scopes.to_string(),
    ];
    for line in shown(asked, facts) {
        parts.push(format!("{}{}{:?}{}", line.is_new, line.is_optional, line.scopes, line.text));
    }
    // Lengths keep the parts apart.
    let text: String = parts.iter().map(|part| format!("{}:{part}", part.len())).collect();
    let hash = sha256(&[b"authd dialog 1\0", text.as_bytes()]);
    hexadecimal(hash.first_chunk::<16>().unwrap_or(&[0; 16]))
}
