//! Headers that a server behind the gateway may believe: they say who is asking, or for which path, method or host. When a client
//! sends them, they are removed in every spelling, whatever the configuration sets. Which request has them is not known here.
//!
//! Not removed are headers that prove themselves by a signature which applications check (`x-goog-iap-jwt-assertion`,
//! `cf-access-jwt-assertion`), credentials (`x-auth-token`), headers that describe the way of a request (`x-forwarded-for`,
//! `x-forwarded-proto`, `cf-connecting-ip`, certificates that a proxy in front verified), and names so common that their meaning
//! is unknown (`x-user-id`, `x-auth-user`).

/// The header that names the provider where a person signed in. It is set where there are several, because `sub` is unique within
/// one only.
pub const PROVIDER: &str = "x-forwarded-provider";

/// The header that carries the provider's access token (`forward.access_token`).
pub const ACCESS_TOKEN: &str = "x-forwarded-access-token";

/// The header that carries the provider's ID token (`forward.id_token`).
pub const ID_TOKEN: &str = "x-forwarded-id-token";

/// The header that carries the identity JWT (`forward.identity_jwt`), unless another is configured.
pub const IDENTITY_JWT: &str = "x-forwarded-identity";

/// Headers that say who is asking, ours and those that other gateways set.
const IDENTITY: [&str; 26] = [
    "x-forwarded-user",
    "x-forwarded-email",
    "x-forwarded-groups",
    "x-forwarded-preferred-username",
    ACCESS_TOKEN,
    ID_TOKEN,
    PROVIDER,
    IDENTITY_JWT,
    // Kong.
    "x-userinfo",
    "x-credential-identifier",
    "x-anonymous-consumer",
    // IBM's and Oracle's access managers, SiteMinder.
    "iv-user",
    "iv-groups",
    "iv-creds",
    "oam-remote-user",
    "sm-universalid",
    // Louketo (gatekeeper), Caddy's security module, Google's gateways for APIs.
    "x-auth-username",
    "x-auth-email",
    "x-auth-groups",
    "x-auth-roles",
    "x-auth-userid",
    "x-auth-subject",
    "x-token-subject",
    "x-endpoint-api-userinfo",
    "x-apigateway-api-userinfo",
    "x-sso-user",
];

/// How the names of further headers begin that say who is asking: each text stands for a family of headers, and has at least
/// [`SHORTEST_FAMILY`] bytes.
const IDENTITY_FAMILIES: [&str; 27] = [
    // oauth2-proxy and others that use its names; Grafana; Authentik; Kong and others; Vouch; Pomerium; Apache's
    // mod_auth_openidc.
    "x-auth-request-",
    "x-webauth-",
    "x-authentik-",
    "x-authenticated-",
    "x-consumer-",
    "x-vouch-",
    "x-pomerium-claim-",
    "oidc-",
    // Google's proxy, Amazon's load balancer, Azure's App Service, Cloudflare Access, Tailscale.
    "x-goog-authenticated-user-",
    "x-amzn-oidc-",
    "x-ms-client-principal",
    "x-ms-token-",
    "cf-access-authenticated-user-",
    "tailscale-user-",
    "tailscale-app-capabilities",
    // CGI and Authelia; Kubernetes and others with a proxy in front.
    "remote-user",
    "remote-group",
    "remote-email",
    "remote-name",
    "x-remote-user",
    "x-remote-group",
    "x-remote-email",
    "x-remote-name",
    "x-remote-extra-",
    // Shibboleth, SiteMinder.
    "shib-",
    "sm-user",
    // Caddy's security module.
    "x-token-user-",
];

/// Headers from which some servers read another path, method or host than the one that was decided on. Accredit never sets them.
/// (gunicorn takes `SCRIPT_NAME`, sent as a header, for a part of the path; CGI programs take `Proxy` for the variable
/// `HTTP_PROXY`, which names the proxy for their own calls.)
const MISLEADING: [&str; 23] = [
    "script-name",
    "path-info",
    "x-script-name",
    "x-forwarded-prefix",
    "x-forwarded-path",
    "x-forwarded-method",
    "x-forwarded-uri",
    "x-original-uri",
    "x-original-url",
    "x-original-path",
    "x-original-method",
    "x-rewrite-url",
    "x-override-url",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "forwarded",
    "x-forwarded-host",
    "x-forwarded-server",
    "x-original-host",
    "x-host",
    "x-http-host-override",
    "proxy",
];

/// Fields that must not come in a trailer (RFC 9110, section 6.5.1): those for framing, routing, request modifiers,
/// authentication and content format. A star at the end stands for whatever follows. Fields about the whole message, such as
/// `content-digest`, may come there.
const NOT_IN_TRAILERS: [&str; 32] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "http2-settings",
    "expect",
    "max-forwards",
    "cache-control",
    "pragma",
    "range",
    "if-*",
    "authorization",
    "proxy-*",
    "cookie",
    "cookie2",
    "set-cookie*",
    "origin",
    "referer",
    "sec-*",
    "content-type",
    "content-encoding",
    "content-range",
    "content-location",
    "x-forwarded-*",
    "x-real-ip",
    "x-request-id",
    "x-envoy-*",
    "access-control-*",
];

/// Whether a field of this name, in whatever spelling, must not come in a trailer.
pub fn must_not_trail(name: &[u8]) -> bool {
    let name = spelled(name);
    let is = |listed: &str| listed.strip_suffix('*').map_or(name == listed, |begins| name.starts_with(begins));
    NOT_IN_TRAILERS.iter().any(|listed| is(listed))
}

/// Whether some servers read another path, method or host from the header of this name, given in lower case.
pub fn misleads(name: &str) -> bool {
    MISLEADING.contains(&name)
}

/// The shortest text that may stand for a family of headers, in bytes. Families are looked up by their first and third byte.
pub const SHORTEST_FAMILY: usize = 3;

/// The number of lists that families are spread over.
const BUCKETS: usize = 32;

/// The names of all headers to remove, indexed, because every header of every request is looked up.
#[derive(Clone, Debug)]
pub struct Believed {
    /// Whole names: a list for each length.
    names: Vec<Vec<Box<str>>>,
    /// The beginnings of families: a list for each [`bucket`].
    families: Vec<Vec<Box<str>>>,
}

impl Believed {
    /// The headers that are always removed, and `further` ones. A star at the end of a name makes it a family.
    pub fn new<'a>(further: impl Iterator<Item = &'a str>) -> Self {
        let mut believed = Self { names: Vec::new(), families: vec![Vec::new(); BUCKETS] };
        IDENTITY.iter().chain(&MISLEADING).for_each(|name| believed.add(name, false));
        IDENTITY_FAMILIES.iter().for_each(|family| believed.add(family, true));
        for name in further {
            believed.add(name.trim_end_matches('*'), name.ends_with('*'));
        }
        believed
    }

    fn add(&mut self, name: &str, is_family: bool) {
        let name = spelled(name.as_bytes());
        let (lists, number) =
            if is_family { (&mut self.families, bucket(name.as_bytes())) } else { (&mut self.names, name.len()) };
        lists.resize(lists.len().max(number.saturating_add(1)), Vec::new());
        if let Some(alike) = lists.get_mut(number) {
            alike.push(name.into_boxed_str());
        }
    }

    /// All names, and the beginnings of families with a star behind them.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn all(&self) -> impl Iterator<Item = String> {
        let names = self.names.iter().flatten().map(|name| name.to_string());
        names.chain(self.families.iter().flatten().map(|family| format!("{family}*")))
    }

    /// Whether a header of this name, in whatever spelling, is to be removed.
    pub fn has(&self, name: &[u8]) -> bool {
        // Compared from the end, because many begin with the same letters.
        let is = |ours: &str| ours.bytes().rev().zip(name.iter().rev()).all(|(ours, theirs)| ours == folded(*theirs));
        let begins =
            |ours: &str| ours.len() <= name.len() && ours.bytes().zip(name).all(|(ours, theirs)| ours == folded(*theirs));
        self.names.get(name.len()).is_some_and(|alike| alike.iter().any(|ours| is(ours)))
            || self.families.get(bucket(name)).is_some_and(|alike| alike.iter().any(|ours| begins(ours)))
    }
}

/// The number of the list that a family stands in, by its first and third byte: many begin with `x-`.
fn bucket(name: &[u8]) -> usize {
    let [first, _, third, ..] = name else { return 0 };
    usize::from(folded(*first) ^ folded(*third)) % BUCKETS
}

/// A header's name as careless servers read it: in lower case, and with `-` for every character that is neither a letter nor a
/// digit.
pub fn spelled(name: &[u8]) -> String {
    name.iter().map(|byte| char::from(folded(*byte))).collect()
}

/// How careless servers read each byte of a header's name. It is a table because every header of every request is looked up.
const FOLDED: [u8; 256] = {
    let mut table = [b'-'; 256];
    let mut byte = 0_u8;
    while byte < 0x80 {
        if byte.is_ascii_alphanumeric() {
            #[allow(clippy::indexing_slicing, reason = "a byte is smaller than the table, for constants")]
            {
                table[byte as usize] = byte.to_ascii_lowercase();
            }
        }
        byte = byte.saturating_add(1);
    }
    table
};

fn folded(byte: u8) -> u8 {
    FOLDED.get(usize::from(byte)).copied().unwrap_or(b'-')
}

#[cfg(test)]
mod tests;
