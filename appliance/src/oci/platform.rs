//! Platforms as people write them: `linux/arm64`, `linux/arm/v7`.

use std::{fmt, str::FromStr};

use super::Platform;

/// Why a text is no platform.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a platform; write `linux/amd64`, `linux/arm64` or `linux/arm/v7`")]
pub struct InvalidPlatform {
    text: String,
}

impl FromStr for Platform {
    type Err = InvalidPlatform;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = |part: &&str| {
            let word = |c: u8| c.is_ascii_alphanumeric() || b"._-".contains(&c);
            !part.is_empty() && part.len() <= 32 && part.bytes().all(word)
        };
        let parts: Vec<&str> = text.split('/').collect();
        match parts.as_slice() {
            [os, architecture, variant @ ..] if variant.len() <= 1 && parts.iter().all(fits) => Ok(Self {
                os: (*os).to_owned(),
                architecture: (*architecture).to_owned(),
                variant: variant.first().map(|variant| (*variant).to_owned()),
            }),
            _ => Err(InvalidPlatform {
                text: text.chars().take(100).collect(),
            }),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_are_read_and_printed() {
        for text in ["linux/amd64", "linux/arm/v7", "windows/amd64"] {
            assert_eq!(
                text.parse::<Platform>().map(|p| p.to_string()).as_deref(),
                Ok(text)
            );
        }
        for bad in ["linux", "linux/", "/arm64", "linux/arm/v7/x", "linux/a b", ""] {
            assert!(bad.parse::<Platform>().is_err(), "{bad}");
        }
    }
}
