//! PURE. A visitor's cookies, as a browser keeps them for one site (RFC 6265 §5).

use hyper::header::HeaderValue;

/// Cookies kept. The proxy sets two.
const COOKIES_MAX: usize = 8;

/// Names and values in the order in which they were first set.
#[derive(Debug, Default)]
pub(crate) struct Jar(Vec<(String, String)>);

impl Jar {
    /// Takes one `Set-Cookie` value; its attributes do not matter to a visit of seconds to one site.
    pub(crate) fn keep(&mut self, set_cookie: &HeaderValue) {
        let Ok(text) = set_cookie.to_str() else { return };
        let pair = text.split(';').next().unwrap_or_default();
        let Some((name, value)) = pair.split_once('=') else { return };
        let (name, value) = (name.trim(), value.trim());
        if let Some((_, kept)) = self.0.iter_mut().find(|(known, _)| known == name) {
            value.clone_into(kept);
        } else if self.0.len() < COOKIES_MAX {
            self.0.push((name.to_owned(), value.to_owned()));
        }
    }

    /// The `Cookie` value to send; `None` without cookies.
    pub(crate) fn cookie(&self) -> Option<HeaderValue> {
        let mut text = String::with_capacity(128);
        for (name, value) in &self.0 {
            if !text.is_empty() {
                text.push_str("; ");
            }
            text.push_str(name);
            text.push('=');
            text.push_str(value);
        }
        if text.is_empty() { None } else { HeaderValue::try_from(text).ok() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_last_value_of_each_name() {
        let mut jar = Jar::default();
        assert_eq!(jar.cookie(), None);
        for set in ["id=1; Path=/; HttpOnly", "facts=a", "nonsense", "id=2"] {
            jar.keep(&HeaderValue::from_static(set));
        }
        assert_eq!(jar.cookie().unwrap(), "id=2; facts=a");
    }

    #[test]
    fn does_not_grow_for_ever() {
        let mut jar = Jar::default();
        for number in 0..100 {
            jar.keep(&HeaderValue::try_from(format!("c{number}=1")).unwrap());
        }
        assert_eq!(jar.0.len(), COOKIES_MAX);
    }
}
