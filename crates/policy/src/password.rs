//! Is a new password good enough? (NIST SP 800-63B §5.1.1.2; Auth0's password strength "Good".)

use std::fmt;

/// The fewest characters.
pub const SHORTEST: usize = 8;

/// The most bytes.
pub const LONGEST: usize = 1024;

/// Why a password is not accepted. Never carries the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordRefusal {
    /// It has fewer than [`SHORTEST`] characters.
    TooShort,
    /// It has more than [`LONGEST`] bytes.
    TooLong,
    /// It has characters of fewer than three kinds.
    TooFewKinds(Kinds),
}

/// Which kinds of characters a password has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds {
    /// Lower-case letters.
    pub lower: bool,
    /// Upper-case letters.
    pub upper: bool,
    /// Digits.
    pub digit: bool,
    /// Anything else: punctuation, spaces, letters without case.
    pub special: bool,
}

impl Kinds {
    fn of(text: &str) -> Self {
        let mut kinds = Self::default();
        for c in text.chars() {
            match c {
                c if c.is_lowercase() => kinds.lower = true,
                c if c.is_uppercase() => kinds.upper = true,
                c if c.is_numeric() => kinds.digit = true,
                _ => kinds.special = true,
            }
        }
        kinds
    }

    fn named(self) -> [(bool, &'static str); 4] {
        [
            (self.lower, "lower-case letters"),
            (self.upper, "upper-case letters"),
            (self.digit, "digits"),
            (self.special, "special characters"),
        ]
    }
}

impl fmt::Display for PasswordRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort => write!(f, "The password must have at least {SHORTEST} characters."),
            Self::TooLong => write!(f, "The password must have at most {LONGEST} bytes."),
            Self::TooFewKinds(kinds) => {
                f.write_str(
                    "The password must have three of lower-case letters, upper-case letters, digits and special \
                     characters; it has no ",
                )?;
                let missing: Vec<&str> =
                    kinds.named().into_iter().filter(|(has, _)| !has).map(|(_, name)| name).collect();
                write!(f, "{}.", missing.join(", no "))
            }
        }
    }
}

impl std::error::Error for PasswordRefusal {}

/// Whether a new password is good enough: at least 8 characters of three of the four kinds, at most 1024
/// bytes.
///
/// # Errors
/// [`PasswordRefusal`] says what is missing.
pub fn validate(new: &str) -> Result<(), PasswordRefusal> {
    // The length in bytes first: a megabyte is not worth counting.
    if new.len() > LONGEST {
        return Err(PasswordRefusal::TooLong);
    }
    if new.chars().count() < SHORTEST {
        return Err(PasswordRefusal::TooShort);
    }
    let kinds = Kinds::of(new);
    if kinds.named().into_iter().filter(|(has, _)| *has).count() < 3 {
        return Err(PasswordRefusal::TooFewKinds(kinds));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_of_four_kinds_are_enough() {
        for password in
            ["Correct-Horse-9", "abcdefG1", "abcdef1!", "ABCDEF1!", "abcdefG!", "пароль-Ж", "密码密码密码aB"]
        {
            assert_eq!(validate(password), Ok(()), "{password}");
        }
    }

    #[test]
    fn what_is_missing_is_said() {
        for (password, says) in [
            ("", "at least 8 characters"),
            ("Ab1!xyz", "at least 8 characters"),
            ("äÄ1!äÄ1", "at least 8 characters"),
            ("abcdefgh", "it has no upper-case letters, no digits, no special characters."),
            ("abcdefg1", "it has no upper-case letters, no special characters."),
            ("12345678", "it has no lower-case letters, no upper-case letters, no special characters."),
            ("abcdefgH", "it has no digits, no special characters."),
        ] {
            let refusal = validate(password).unwrap_err().to_string();
            assert!(refusal.contains(says), "{password}: {refusal}");
        }
    }

    //= LC-15
    #[test]
    fn lc_15_long_passwords_are_good_and_huge_ones_are_refused() {
        for length in [64, 72, 73, 128, LONGEST] {
            let password = "Aa1!".repeat(length).chars().take(length).collect::<String>();
            assert_eq!(validate(&password), Ok(()), "{length}");
        }
        for length in [LONGEST + 1, 1_000_000] {
            let password = "Aa1!".repeat(length).chars().take(length).collect::<String>();
            assert_eq!(validate(&password), Err(PasswordRefusal::TooLong), "{length}");
        }
        assert_eq!(
            validate(&"é".repeat(LONGEST)),
            Err(PasswordRefusal::TooLong),
            "bytes count, not characters"
        );
    }

    #[test]
    fn a_refusal_never_shows_the_password() {
        for password in ["hunter2", "hunter2hunter2", &"hunter2".repeat(200)] {
            let refusal = validate(password).unwrap_err();
            assert!(!format!("{refusal} {refusal:?}").contains("hunter2"));
        }
    }
}
