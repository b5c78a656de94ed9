//! Which sessions an operator wants to end, as the body of the request says it. Whether the operator may is not known here, nor
//! whether there are such sessions.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

use crate::config::settings::PASSWORD;
use crate::http::body::json_members;
use crate::words::quote::quote;
use crate::words::time::Timestamp;

/// The longest text of a member, in characters.
const LONGEST: usize = 255;

/// What an operator wants to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedEnd {
    /// Whose sessions.
    pub whose: Whose,
    /// Those that began at this time or before, by our own clock.
    pub begun_by: Timestamp,
}

/// Whose sessions end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// This one, by its identifier.
    Session(String),
    /// Those of the person whom the provider knows by this.
    Person {
        /// The provider's configured name; empty where no provider has one.
        provider: String,
        /// `sub` at the provider.
        sub: String,
    },
    /// Those of the person whom the user service knows by this. The same text may be `sub` of somebody else at the provider.
    Subject {
        /// The configured name of the provider at which they signed in, or [`PASSWORD`].
        provider: String,
        /// The user service's subject.
        subject: String,
    },
    /// Those of everybody.
    Everybody {
        /// The provider's configured name; `None` for all.
        provider: Option<String>,
    },
}

/// Why a body cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misread {
    /// The member that is wrong; `None` if it is the body as a whole.
    pub member: Option<String>,
    /// A sentence for whoever has sent it.
    pub sentence: String,
}

impl WantedEnd {
    /// Reads the body of a request. `providers` are the names that sessions have for how somebody signed in; `accounts` is whether a
    /// user service knows them by subjects of its own.
    ///
    /// # Errors
    /// [`Misread`], if it is no JSON object; has a member that is unknown, comes twice, or is not what is expected; or does not
    /// say whose sessions end, or says it twice.
    pub fn read(body: &[u8], providers: &[&str], accounts: bool, now: Timestamp) -> Result<Self, Misread> {
        let mut members = json_members(body).map_err(|failure| match member_that_comes_twice(body) {
            Some(name) => misread(&name, "expected every member once, found one twice; remove one"),
            None => Misread { member: None, sentence: failure.detail },
        })?;
        let known = ["provider", "sub", "subject", "session", "everybody", "before"];
        if let Some(name) = members.keys().find(|name| !known.contains(&name.as_str())) {
            let sentence = format!("expected {}, found another member; remove it", known.join(", "));
            return Err(misread(name, &sentence));
        }
        let provider = text(&mut members, "provider")?;
        if provider.as_deref().is_some_and(|name| !providers.contains(&name)) {
            let names: Vec<_> = providers.iter().map(|name| quote(name).to_string()).collect();
            return Err(misread("provider", &format!("expected one of {}, found another text", names.join(", "))));
        }
        let [sub, subject, session] = ["sub", "subject", "session"].map(|name| text(&mut members, name));
        let (sub, subject, session) = (sub?, subject?, session?);
        if subject.is_some() && !accounts {
            return Err(misread(
                "subject",
                "expected sub, because no user service (accounts) has subjects, found subject; write sub",
            ));
        }
        let everybody = members.remove("everybody");
        if everybody.as_ref().is_some_and(|everybody| *everybody != Value::Bool(true)) {
            return Err(misread("everybody", "expected true, found another value; leave it out, or write true"));
        }
        let before = members.remove("before").map(|before| time(&before, now)).transpose()?;
        let begun_by = before.unwrap_or(now);
        let whose = match (session, sub, subject, everybody) {
            (Some(session), None, None, None) => {
                for (name, is_there) in [("provider", provider.is_some()), ("before", before.is_some())] {
                    if is_there {
                        return Err(misread(
                            name,
                            "expected none beside session, which is one session whenever it began; remove it",
                        ));
                    }
                }
                Whose::Session(session)
            }
            (None, Some(_), None, None) if accounts && provider.as_deref() == Some(PASSWORD) => {
                let sentence = "expected subject beside the provider password, because only the user service knows them, found sub; write subject";
                return Err(misread("sub", sentence));
            }
            (None, Some(sub), None, None) => Whose::Person { provider: of_provider(provider, providers)?, sub },
            (None, None, Some(subject), None) => Whose::Subject { provider: of_provider(provider, providers)?, subject },
            (None, None, None, Some(_)) => Whose::Everybody { provider },
            (None, None, None, None) => {
                let sentence = "expected sub, subject, session or everybody, found none; write one of them";
                return Err(misread("sub", sentence));
            }
            (_, _, _, Some(_)) => return Err(misread("everybody", TWICE)),
            (_, _, Some(_), None) => return Err(misread("subject", TWICE)),
            (_, Some(_), None, None) => return Err(misread("sub", TWICE)),
        };
        Ok(Self { whose, begun_by })
    }
}

const TWICE: &str = "expected one of sub, subject, session and everybody, found two; send two requests";

fn misread(member: &str, sentence: &str) -> Misread {
    let member = Some(member.chars().take(LONGEST).collect());
    Misread { member, sentence: sentence.to_owned() }
}

/// The provider at which a person signed in.
fn of_provider(provider: Option<String>, providers: &[&str]) -> Result<String, Misread> {
    match provider {
        Some(provider) => Ok(provider),
        // Where nobody signs in here, services make sessions, which name no provider.
        None if providers.is_empty() => Ok(String::new()),
        None => Err(misread("provider", "expected the provider at which they signed in, found none; write its name")),
    }
}

fn text(members: &mut Map<String, Value>, name: &str) -> Result<Option<String>, Misread> {
    match members.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() && text.chars().count() <= LONGEST => Ok(Some(text)),
        Some(_) => Err(misread(name, &format!("expected a text of 1 to {LONGEST} characters, found another value"))),
    }
}

/// A time, which is not later than now: in seconds since 1970.
fn time(value: &Value, now: Timestamp) -> Result<Timestamp, Misread> {
    let Some(seconds) = value.as_u64() else {
        let sentence = "expected a time in whole seconds since 1970, found another value; leave it out for now";
        return Err(misread("before", sentence));
    };
    if seconds > now.seconds() {
        let sentence = format!("expected at most {}, which is now, found a later time; leave it out for now", now.seconds());
        return Err(misread("before", &sentence));
    }
    Ok(Timestamp::from_seconds(seconds))
}

/// The first member of an object that comes twice in it; `None` if there is none, or if it is no object.
fn member_that_comes_twice(body: &[u8]) -> Option<String> {
    struct Names;
    impl<'de> Visitor<'de> for Names {
        type Value = Option<String>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
            let (mut names, mut twice) = (BTreeSet::new(), None);
            while let Some((name, IgnoredAny)) = members.next_entry::<String, IgnoredAny>()? {
                twice = twice.or_else(|| names.contains(&name).then(|| name.clone()));
                names.insert(name);
            }
            Ok(twice)
        }
    }
    serde_json::Deserializer::from_slice(body).deserialize_map(Names).ok()?
}
