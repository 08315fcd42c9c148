//! Reads a type from texts alone, as annotations are: the type itself says which of them is a number, a switch or a list.

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Map, Value};

use super::near;

/// Reads a type from a tree whose leaves are texts.
pub(crate) fn read<T: DeserializeOwned>(tree: &Value) -> Result<T, serde_path_to_error::Error<Error>> {
    serde_path_to_error::deserialize(Written::from(tree))
}

/// The elements of a list in one text: separated by commas, without the spaces around them.
pub(crate) fn elements(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|_| !text.trim().is_empty())
}

/// A value of which nothing is known but its text; or values with names, or in a row.
enum Written<'a> {
    Text(&'a str),
    Fields(&'a Map<String, Value>),
    Items(&'a [Value]),
    Nothing,
}

impl<'a> From<&'a Value> for Written<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::String(text) => Self::Text(text.trim()),
            Value::Object(fields) => Self::Fields(fields),
            Value::Array(items) => Self::Items(items),
            _ => Self::Nothing,
        }
    }
}

impl<'de> IntoDeserializer<'de, Error> for Written<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Written<'de> {
    type Error = Error;

    /// What has no other form is a text.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Text(text) => visitor.visit_str(text),
            Self::Fields(fields) => {
                let fields = fields.iter().map(|(name, value)| (name.as_str(), Self::from(value)));
                visitor.visit_map(MapDeserializer::new(fields))
            }
            Self::Items(items) => visitor.visit_seq(SeqDeserializer::new(items.iter().map(Self::from))),
            Self::Nothing => visitor.visit_unit(),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Text("true") => visitor.visit_bool(true),
            Self::Text("false") => visitor.visit_bool(false),
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Self::Text(text) = self else { return self.deserialize_any(visitor) };
        match text.parse() {
            Ok(number) => visitor.visit_i64(number),
            Err(_) => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Self::Text(text) = self else { return self.deserialize_any(visitor) };
        visitor.visit_seq(SeqDeserializer::new(elements(text).map(Self::Text)))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let Self::Text(text) = self else { return self.deserialize_any(visitor) };
        visitor.visit_enum(text.into_deserializer())
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if let Self::Text(text) = self {
            let known = near::list(known.iter().map(|field| format!(".{field}")));
            return Err(Error::custom(format!("the text \"{text}\", expected an annotation for each field: {known}")));
        }
        if let Self::Fields(fields) = self
            && let Some(unknown) = fields.keys().find(|name| !known.contains(&name.as_str()))
        {
            let known: Vec<String> = known.iter().map(|known| (*known).to_owned()).collect();
            let allowed = near::allowed(unknown, &known);
            return Err(Error::custom(format!("unknown field `{unknown}`, expected {allowed}")));
        }
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct tuple tuple_struct
        map identifier ignored_any
    }
}
