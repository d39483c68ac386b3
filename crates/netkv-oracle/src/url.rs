//! Where a server is.

use std::fmt;
use std::net::IpAddr;

/// The beginning of a server's addresses, such as `http://127.0.0.1:9090` or `https://metrics.example/prometheus`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    text: String,
}

impl Base {
    /// Reads one.
    ///
    /// # Errors
    /// In words, if it is none. Passwords are refused: other users of the machine see a command line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
        let Some(rest) = rest.filter(|rest| !rest.is_empty() && !rest.starts_with('/')) else {
            return Err("allowed: http://HOST:PORT or https://HOST, and a path".to_owned());
        };
        if rest.contains(['?', '#']) || rest.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
            return Err("allowed: an address without query, fragment and blanks".to_owned());
        }
        if rest.split('/').next().is_some_and(|host| host.contains('@')) {
            return Err("no user and password in an address, which others can see; give them by a file".to_owned());
        }
        Ok(Self { text: text.trim_end_matches('/').to_owned() })
    }

    /// Whether it is on this machine.
    pub fn is_loopback(&self) -> bool {
        let rest = self.text.split_once("://").map_or("", |(_, rest)| rest);
        let authority = rest.split('/').next().unwrap_or_default();
        let host = match authority.strip_prefix('[') {
            Some(inside) => inside.split(']').next().unwrap_or_default(),
            None => authority.split(':').next().unwrap_or_default(),
        };
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl fmt::Display for Base {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_others_refused() {
        for (text, is_loopback) in [
            ("http://127.0.0.1:9090", true),
            ("http://127.9.9.9:9090/a/", true),
            ("http://[::1]:9090", true),
            ("http://localhost:1", true),
            ("https://metrics.example/prometheus", false),
            ("http://127.0.0.1.example:80", false),
        ] {
            let base = Base::parse(text).expect(text);
            assert_eq!((base.is_loopback(), base.to_string().as_str()), (is_loopback, text.trim_end_matches('/')));
        }
        for text in
            ["", "127.0.0.1:9090", "ftp://a", "http://", "http:///a", "http://a/?b", "http://u:p@a", "http://a b"]
        {
            Base::parse(text).expect_err(text);
        }
    }
}
