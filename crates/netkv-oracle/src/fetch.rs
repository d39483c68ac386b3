//! Asking an HTTP server, with limits on everything: time, size, redirects.

use crate::url::Base;
use std::io::Read;
use std::time::Duration;
use ureq::http::header::AUTHORIZATION;
use ureq::http::{HeaderValue, Response};
use ureq::{Agent, Body, Proxy};

/// Largest header of an answer, in bytes.
const MAX_HEADER_BYTES: usize = 64 << 10;

/// Longest query that goes into the address; longer ones are posted as forms. Chosen by us: servers take 8 kB and more.
const MAX_ADDRESS: usize = 2_000;

/// Letters of an unexpected answer that are shown.
const SHOWN: usize = 160;

/// Who asks.
pub struct Fetcher {
    agent: Agent,
    base: Base,
    authorization: Option<HeaderValue>,
    max_bytes: u64,
}

/// How long and how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// An answer, whole, comes within this time.
    pub timeout: Duration,
    /// It is no larger, in bytes.
    pub max_bytes: u64,
}

impl Fetcher {
    /// One that asks this server; `authorization` is the content of that header.
    ///
    /// # Errors
    /// If `authorization` can be no header.
    pub fn new(base: Base, patience: Patience, authorization: Option<&str>) -> Result<Self, String> {
        // The environment's: ALL_PROXY, HTTPS_PROXY, HTTP_PROXY and NO_PROXY. What is on this machine is asked without.
        let proxy = if base.is_loopback() { None } else { Proxy::try_from_env() };
        let agent = Agent::config_builder()
            .proxy(proxy)
            .timeout_global(Some(patience.timeout))
            .max_redirects(0)
            .max_response_header_size(MAX_HEADER_BYTES)
            .http_status_as_error(false)
            .user_agent(concat!("netkv/", env!("CARGO_PKG_VERSION")))
            .build();
        let header = |text: &str| {
            let mut value = HeaderValue::from_str(text).map_err(|_| "it can be no header".to_owned())?;
            value.set_sensitive(true);
            Ok::<_, String>(value)
        };
        let authorization = authorization.map(header).transpose()?;
        Ok(Self { agent: agent.into(), base, authorization, max_bytes: patience.max_bytes })
    }

    /// The server, as it may be shown.
    pub const fn base(&self) -> &Base {
        &self.base
    }

    /// What the server answers at a path, with these parameters.
    ///
    /// # Errors
    /// In words: it cannot be reached, takes too long, answers too much, or with an error.
    pub fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Vec<u8>, String> {
        let address = format!("{}{path}", self.base);
        let length: usize = parameters.iter().map(|(name, value)| name.len() + value.len()).sum();
        let answer = if length > MAX_ADDRESS {
            let mut request = self.agent.post(&address);
            if let Some(value) = &self.authorization {
                request = request.header(AUTHORIZATION, value);
            }
            request.send_form(parameters.iter().copied())
        } else {
            let mut request = self.agent.get(&address).query_pairs(parameters.iter().copied());
            if let Some(value) = &self.authorization {
                request = request.header(AUTHORIZATION, value);
            }
            request.call()
        };
        let (status, body) = self.body(answer.map_err(|error| self.cannot(&error))?)?;
        if status == 200 {
            return Ok(body);
        }
        let text = String::from_utf8_lossy(&body[..body.len().min(4 * SHOWN)]);
        let shown: String = text.chars().filter(|letter| !letter.is_control()).take(SHOWN).collect();
        Err(format!("{} answered with status {status}: {shown}", self.base))
    }

    fn body(&self, answer: Response<Body>) -> Result<(u16, Vec<u8>), String> {
        let status = answer.status().as_u16();
        let mut bytes = Vec::new();
        let mut reader = answer.into_body().into_reader().take(self.max_bytes + 1);
        reader.read_to_end(&mut bytes).map_err(|error| format!("{} broke off: {error}", self.base))?;
        if bytes.len() as u64 > self.max_bytes {
            let limit = self.max_bytes;
            return Err(format!("{} answered with more than {limit} bytes, the most that is read", self.base));
        }
        Ok((status, bytes))
    }

    fn cannot(&self, error: &ureq::Error) -> String {
        format!("{} cannot be asked: {error}", self.base)
    }
}
