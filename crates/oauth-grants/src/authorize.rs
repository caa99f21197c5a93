//! The authorization endpoint as named steps: read, validate, decide, answer (RFC 6749 §3.1; OpenID Connect Core 1.0 §3).
//!
//! ```text
//! AuthorizeParams ── validate ──> ValidRequest ── decide ──> Step ── ResponseTarget::deliver ──> Delivery
//!        │                             │                       │
//!     PageError                  AuthorizeError          Login, Consent, ConfirmCallback
//!   shown, never redirected        redirected            become pages, and this is entered again
//! ```
//!
//! What may be redirected is a type: only a [`ValidRequest`], or a refusal that carries a [`ResponseTarget`], knows where
//! to, and both exist only once client and redirect URI were checked.

pub mod consent;
mod decide;
mod error;
mod flow;
mod params;
mod response;
mod validate;

pub use decide::{
    Asked, AuthorizeDecision, Facts, Hint, Issue, Step, consent_holds, decide, requested_scopes,
};
pub use error::{AUTHORIZE_ERRORS, AuthorizeError, AuthorizeErrorKind, PageError};
pub use flow::{Answers, ConsentGiven, Destination, FLOW_LIFETIME, Flow, RESUME_WITHIN};
pub use params::{AuthorizeParams, KNOWN};
pub use response::{Delivery, Fields, ResponseMode, ResponseTarget, ResponseType};
pub use validate::{Rejected, ValidRequest, validate};

#[cfg(test)]
mod tests;
