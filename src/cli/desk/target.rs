//! The request that somebody asks about, as a client sends it: a method, an address, header fields. Nothing is repaired: what a
//! browser would write in another way must be written so.

/// A request without credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) method: String,
    pub(crate) target: Target,
    /// Names in lower case, and values.
    pub(crate) headers: Vec<(String, String)>,
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// `http` or `https`.
    pub(crate) scheme: &'static str,
    /// The host, and the port if one is written.
    pub(crate) authority: String,
    /// The path and the query.
    pub(crate) target: String,
    /// What is behind a `#`, which no client sends.
    pub(crate) fragment: Option<String>,
}

impl Target {
    /// Takes an address apart.
    ///
    /// # Errors
    /// What was expected and found, as a sentence.
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        let expected = |found: &str| format!("expected an address such as https://app.example.com/x, found {found}");
        let (scheme, rest) = if let Some(rest) = url.strip_prefix("https://") {
            ("https", rest)
        } else if let Some(rest) = url.strip_prefix("http://") {
            ("http", rest)
        } else {
            return Err(expected("another scheme, or none"));
        };
        if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(expected("spaces or letters that are not ASCII; write them percent-encoded, as clients send them"));
        }
        let (rest, fragment) = rest.split_once('#').map_or((rest, None), |(rest, fragment)| (rest, Some(fragment.to_owned())));
        let end = rest.find(['/', '?', '\\']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at_checked(end).unwrap_or((rest, ""));
        if authority.is_empty() {
            return Err(expected("no host"));
        }
        if authority.contains('@') {
            return Err(expected("user information in it; leave it out"));
        }
        let target = if target.starts_with('/') { target.to_owned() } else { ["/", target].concat() };
        Ok(Self { scheme, authority: authority.to_owned(), target, fragment })
    }
}

/// The name and the value of a header field.
///
/// # Errors
/// What was expected and found, as a sentence.
pub(crate) fn field(line: &str) -> Result<(String, String), String> {
    let (name, value) = line.split_once(':').ok_or("expected a header as Name: value, found no colon")?;
    let name = name.trim().to_ascii_lowercase();
    let value = value.trim();
    let of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(of_token) || value.bytes().any(|byte| byte.is_ascii_control()) {
        return Err("expected a header as Name: value, found characters that no header has".to_owned());
    }
    if matches!(name.as_str(), "cookie" | "authorization" | "host") {
        let instead = if name == "host" { "--url" } else { "--claims, --token or --session with a file" };
        return Err(format!("expected another header than {name}; write {instead}"));
    }
    Ok((name, value.to_owned()))
}

/// The method of a request.
///
/// # Errors
/// What was expected and found, as a sentence.
pub(crate) fn method(text: &str) -> Result<String, String> {
    let of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let good = !text.is_empty() && text.bytes().all(of_token);
    if good { Ok(text.to_owned()) } else { Err("expected a method such as GET, found characters that no method has".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart_as_clients_do_it_and_nothing_is_repaired() {
        for (url, authority, target, fragment) in [
            ("https://app.example.com", "app.example.com", "/", None),
            ("https://App.Example.com:443/x?a#b?c", "App.Example.com:443", "/x?a", Some("b?c")),
            ("http://[::1]:8080?a=b", "[::1]:8080", "/?a=b", None),
            ("https://app.example.com//x/../%2e;y", "app.example.com", "//x/../%2e;y", None),
        ] {
            let parsed = Target::parse(url).unwrap();
            let fragment = fragment.map(str::to_owned);
            assert_eq!((parsed.authority.as_str(), parsed.target.as_str(), parsed.fragment), (authority, target, fragment));
        }
        for bad in ["app.example.com/x", "ftp://a/b", "https:///x", "https://a@b/", "https://a/ä", "https://a/b c"] {
            assert!(Target::parse(bad).unwrap_err().starts_with("expected an address"), "{bad}");
        }
    }

    #[test]
    fn no_credential_is_taken_from_an_argument() {
        assert_eq!(field("Sec-Fetch-Mode:  navigate"), Ok(("sec-fetch-mode".into(), "navigate".into())));
        for bad in ["cookie: a=b", "Authorization: Bearer x", "Host: a", "no colon", "a b: c", ": x", ":method: GET"] {
            assert!(field(bad).is_err(), "{bad}");
        }
        assert!(method("PROPFIND").is_ok() && method("get").is_ok() && method("").is_err() && method("G T").is_err());
    }
}
