//! The leaf values a user writes as text: one macro gives each of them its serde form from `FromStr` and `Display`.

use std::fmt;

use serde::Deserializer;
use serde::de::{Error, Visitor};

use crate::problem::Malformed;

/// Implements `Serialize` and `Deserialize` through the type's own text form, so that a file, an annotation, a flag
/// and a stored status all read and write it alike.
macro_rules! serde_as_text {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::text::read(deserializer, str::parse)
            }
        }
    };
}

pub(crate) use serde_as_text;

/// Reads a text of a form. What is no text at all is told the same form.
pub(crate) fn read<'de, D: Deserializer<'de>, T>(deserializer: D, parse: Parse<T>) -> Result<T, D::Error> {
    deserializer.deserialize_str(Form(parse))
}

type Parse<T> = fn(&str) -> Result<T, Malformed>;

struct Form<T>(Parse<T>);

impl<T> Visitor<'_> for Form<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No form has this text, so what is said of it names the form.
        f.write_str((self.0)("\0").err().map_or("a text", |malformed| malformed.allowed))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.0)(text).map_err(E::custom)
    }
}
