//! Records for this crate's tests.
