//! What a sealed session holds and weighs, claim by claim. Only who has the key can open one. Tokens in it are counted, and never
//! written.

use serde_json::{Value, json};

use crate::cli::input;
use crate::cli::moment::moment;
use crate::cli::terminal::{Form, Outcome, Terminal, Trouble};
use crate::crypto::seal::{Purpose, Sealer, UnusableSealingKey};
use crate::http::cookie::SameSite;
use crate::http::message::Headers;
use crate::session::content::Session;
use crate::session::cookie::{self, CookieSettings, Found, Shape};
use crate::words::secret::Secret;

/// Where the session is, and which keys may open it.
#[derive(Debug, clap::Args)]
pub(super) struct Inspect {
    /// The file with the cookies, as a browser sends them (`name=value; name-1=value`); without it, or as `-`, the standard input.
    #[arg(default_value = "-")]
    file: String,
    /// The environment variable with a key of `session.keys`; may be given several times.
    #[arg(long = "key-variable", value_name = "NAME", default_value = "ACCREDIT_KEY")]
    keys: Vec<String>,
    /// The name of the cookie: `session.cookie.name`.
    #[arg(long = "cookie", value_name = "NAME", default_value = "__Host-accredit")]
    name: String,
}

/// Opens a session, and writes what it holds, with the bytes of each part.
///
/// # Errors
/// If a key or the session cannot be read, no key opens it, or the result cannot be written.
pub(super) fn inspect(arguments: &Inspect, terminal: &mut Terminal<'_>) -> Result<Outcome, Trouble> {
    let keys = arguments.keys.iter().map(|name| input::secret(name)).collect::<Result<Vec<_>, _>>()?;
    let sealer = Sealer::new(&keys).map_err(|(position, why)| {
        let variable = arguments.keys.get(position).map_or("", String::as_str);
        let found = match why {
            UnusableSealingKey::NotBase64 => "a text that is no base64",
            UnusableSealingKey::TooShort => "fewer than 32 bytes",
            UnusableSealingKey::Repeated => "a key that was named before",
        };
        Trouble::told(format!("{variable}: expected a key as session.keys has it, found {found}"))
    })?;
    let text = input::text(&arguments.file)?;
    tell(&sealer, &sealed(&arguments.name, &text)?, terminal)
}

/// Writes what a sealed session holds.
fn tell(sealer: &Sealer, sealed: &[u8], terminal: &mut Terminal<'_>) -> Result<Outcome, Trouble> {
    let plain = sealer.open(Purpose::Session, sealed);
    let plain = plain.ok_or_else(|| Trouble::told("no key opens it: it is no session, or was sealed with another key"))?;
    let session = Session::parse(&plain);
    let session = session.ok_or_else(|| Trouble::told("it was opened, but an earlier or a later build of Accredit made it"))?;
    match terminal.form() {
        Form::Json => terminal.json(&as_json(&session, sealed.len()))?,
        Form::Words => in_words(&session, sealed.len(), terminal)?,
    }
    Ok(Outcome::Fine)
}

/// The sealed text, put together from the cookies as the filter does it.
fn sealed(name: &str, text: &str) -> Result<Vec<u8>, Trouble> {
    let line = text.trim();
    let line = line.strip_prefix("Cookie:").or_else(|| line.strip_prefix("cookie:")).unwrap_or(line).trim();
    let headers = Headers::new(vec![("cookie".to_owned(), line.as_bytes().to_vec())]);
    let settings = CookieSettings::new(name.to_owned(), SameSite::Lax, Shape::Split);
    match cookie::read(&settings, &headers) {
        Found::Sealed(sealed) => Ok(sealed.into_owned()),
        Found::Torn | Found::Several => {
            Err(Trouble::told(format!("the session is not whole: {}", cookie::missing(&settings, &headers))))
        }
        Found::Nothing => Err(Trouble::told(format!("expected cookies, such as {name}=…, found none of that name"))),
    }
}

/// The claims, each with the bytes that it takes as JSON, the largest first.
fn weighed(session: &Session) -> Vec<(&str, &Value, usize)> {
    let weight = |value: &Value| value.to_string().len();
    let mut claims: Vec<_> = session.claims.iter().map(|(name, value)| (name.as_str(), value, weight(value))).collect();
    claims.sort_by_key(|(_, _, bytes)| std::cmp::Reverse(*bytes));
    claims
}

/// The names of the tokens that the session holds, and the bytes of each.
fn tokens(session: &Session) -> Vec<(&'static str, usize)> {
    let tokens = &session.tokens;
    let all = [("access_token", &tokens.access_token), ("id_token", &tokens.id_token), ("refresh_token", &tokens.refresh_token)];
    all.into_iter().filter_map(|(name, token)| Some((name, token.as_ref().map(Secret::len)?))).collect()
}

/// When it began, when its cookie was last written, when it ends.
fn moments(session: &Session) -> [(&'static str, String); 3] {
    [("created", session.created), ("renewed", session.renewed), ("ends", session.ends)].map(|(name, time)| (name, moment(time)))
}

fn names(session: &Session) -> Vec<(&'static str, &str)> {
    let mut names = vec![("id", session.id.as_str()), ("origin", &session.origin), ("provider", &session.provider)];
    names.push(("subject", &session.subject));
    names.extend(session.provider_subject.as_deref().map(|subject| ("provider_subject", subject)));
    names.extend(session.provider_session.as_deref().map(|sid| ("provider_session", sid)));
    names
}

fn in_words(session: &Session, sealed: usize, terminal: &mut Terminal<'_>) -> Result<(), Trouble> {
    for (name, value) in names(session) {
        terminal.line(format_args!("{name}: {value}"))?;
    }
    for (name, value) in moments(session) {
        terminal.line(format_args!("{name}: {value}"))?;
    }
    terminal.line("claims, the largest first:")?;
    for (name, value, bytes) in weighed(session) {
        terminal.line(format_args!("  {bytes:>5} bytes  {name}: {value}"))?;
    }
    for (name, bytes) in tokens(session) {
        terminal.line(format_args!("{name}: {bytes} bytes"))?;
    }
    let cookies = cookie::count(sealed);
    terminal.line(format_args!("sealed: {sealed} bytes in {cookies} cookies; {} bytes are possible", cookie::LARGEST))
}

fn as_json(session: &Session, sealed: usize) -> Value {
    let claims = weighed(session).into_iter().map(|(name, value, bytes)| json!({"name": name, "value": value, "bytes": bytes}));
    let claims: Vec<_> = claims.collect();
    let tokens: Vec<_> = tokens(session).into_iter().map(|(name, bytes)| json!({"name": name, "bytes": bytes})).collect();
    let mut whole = json!({
        "claims": claims,
        "tokens": tokens,
        "sealed_bytes": sealed,
        "cookies": cookie::count(sealed),
        "possible_bytes": cookie::LARGEST,
    });
    let texts = names(session).into_iter().map(|(name, value)| (name, Value::from(value)));
    let moments = moments(session).into_iter().map(|(name, value)| (name, Value::from(value)));
    if let Some(members) = whole.as_object_mut() {
        members.extend(texts.chain(moments).map(|(name, value)| (name.to_owned(), value)));
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::content::tests::{LIFETIMES, alice, at};
    use crate::session::content::{NewSession, Tokens};
    use crate::words::world::testing::Still;

    fn sealer(byte: u8) -> Sealer {
        Sealer::new(&[Secret::new("ab".repeat(31) + &format!("{byte:02}"))]).unwrap()
    }

    /// What is written of a session, and its sealed text.
    fn told(new: NewSession, form: Form, opens: u8) -> (Result<String, String>, String) {
        let mut world = Still::default();
        let session = Session::begin(&mut world, at(0), LIFETIMES, new).unwrap();
        let text = sealer(1).seal(&mut world, Purpose::Session, &session.write()).unwrap();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let result = tell(&sealer(opens), text.as_bytes(), &mut Terminal::new(&mut out, &mut err, form));
        let result = match result {
            Ok(Outcome::Fine) => Ok(String::from_utf8(out).unwrap()),
            other => Err(format!("{other:?}")),
        };
        (result, text)
    }

    #[test]
    fn a_session_is_shown_claim_by_claim_the_largest_first_and_its_tokens_only_by_their_size() {
        let claims = json!({"sub": "alice", "groups": ["staff", "admins"]}).as_object().unwrap().clone();
        let tokens = Tokens { access_token: Some(Secret::new("a-token-of-hers")), ..Tokens::default() };
        let (told, _) = told(NewSession { claims, tokens, ..alice() }, Form::Words, 1);
        let told = told.unwrap();
        for line in [
            "subject: alice",
            "origin: https://app.example.com",
            "created: Mon, 12 Jan 1970 13:46:40 GMT",
            "access_token: 15 bytes",
        ] {
            assert!(told.lines().any(|found| found == line), "{told}");
        }
        let [groups, sub] =
            ["   18 bytes  groups: [\"staff\",\"admins\"]", "    7 bytes  sub: \"alice\""].map(|claim| told.find(claim));
        assert!(groups.is_some() && groups < sub, "{told}");
        assert!(!told.contains("a-token-of-hers"), "{told}");
    }

    #[test]
    fn json_has_the_same_and_no_token() {
        let tokens = Tokens { refresh_token: Some(Secret::new("a-token-of-hers")), ..Tokens::default() };
        let (told, sealed) = told(NewSession { tokens, ..alice() }, Form::Json, 1);
        let told = told.unwrap();
        let value: Value = serde_json::from_str(&told).unwrap();
        assert_eq!((&value["subject"], &value["cookies"]), (&json!("alice"), &json!(1)));
        assert_eq!(value["sealed_bytes"], json!(sealed.len()));
        assert_eq!(value["tokens"], json!([{"name": "refresh_token", "bytes": 15}]));
        assert!(!told.contains("a-token-of-hers"));
    }

    #[test]
    fn nobody_without_the_key_sees_anything() {
        let (told, _) = told(alice(), Form::Words, 2);
        assert!(told.unwrap_err().contains("no key opens it"));
    }

    #[test]
    fn cookies_are_put_together_as_the_filter_does_and_a_missing_one_is_named() {
        let whole = |text: &str| sealed("__Host-accredit", text).map(|sealed| String::from_utf8(sealed).unwrap()).ok();
        for text in
            ["__Host-accredit=2.ab; theme=x; __Host-accredit-1=cd", "Cookie: __Host-accredit-1=cd; __Host-accredit=2.ab\n"]
        {
            assert_eq!(whole(text).as_deref(), Some("abcd"));
        }
        assert_eq!(whole("__Host-accredit=abcd").as_deref(), Some("abcd"));
        for (text, said) in [("__Host-accredit=2.ab", "__Host-accredit-1"), ("theme=x", "none of that name"), ("", "none")] {
            let trouble = format!("{:?}", sealed("__Host-accredit", text));
            assert!(trouble.contains(said), "{trouble}");
        }
    }
}
