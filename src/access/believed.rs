//! Headers that somebody behind us may believe: who asks, or for which path, method or host. A client's are taken away, in every
//! spelling, whatever the configuration sets. Which requests they come with is not known here.
//!
//! What is proved by a signature that applications check themselves (`x-goog-iap-jwt-assertion`, `cf-access-jwt-assertion`) is no
//! lie and stays, and so does what is a credential (`x-auth-token`), what tells of the way (`x-forwarded-for`, `x-forwarded-proto`,
//! `cf-connecting-ip`, certificates that a proxy in front verified), and what is named too plainly to be known (`x-user-id`,
//! `x-auth-user`).

/// Which provider signed the person in: set where there are several, because `sub` is unique within one only.
pub const PROVIDER: &str = "x-forwarded-provider";

/// The header for `forward.access_token`.
pub const ACCESS_TOKEN: &str = "x-forwarded-access-token";

/// The header for `forward.id_token`.
pub const ID_TOKEN: &str = "x-forwarded-id-token";

/// The header for `forward.identity_jwt`, unless another is configured.
pub const IDENTITY_JWT: &str = "x-forwarded-identity";

/// Who asks, by one name each.
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

/// Who asks, by names that begin alike. Each has [`SHORTEST_FAMILY`] characters at least.
const IDENTITY_FAMILIES: [&str; 27] = [
    // oauth2-proxy and whoever speaks its words; Grafana; Authentik; Kong and others; Vouch; Pomerium; Apache's mod_auth_openidc.
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

/// From which some servers read another path, method or host than the one that was decided on. They are never set here.
/// (gunicorn takes `SCRIPT_NAME`, sent as a header, for a part of the path; CGI takes `Proxy` for `HTTP_PROXY`, by which programs
/// call others.)
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

/// What no trailer may say (RFC 9110, section 6.5.1): where the message ends, where it goes, what is asked of whoever gets it, who
/// sends it and what its content is. A star stands for whatever follows. What tells of the whole message (`content-digest`) may stand
/// there.
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

/// Whether a field must not come in a trailer, in whatever spelling.
pub fn must_not_trail(name: &str) -> bool {
    let name = spelled(name);
    let is = |listed: &str| listed.strip_suffix('*').map_or(name == listed, |begins| name.starts_with(begins));
    NOT_IN_TRAILERS.iter().any(|listed| is(listed))
}

/// Whether a header has another meaning to servers than who asks, its name in lower case.
pub fn misleads(name: &str) -> bool {
    MISLEADING.contains(&name)
}

/// What a family's names have in common is at least so long, in bytes: by the first and the third it is found.
pub const SHORTEST_FAMILY: usize = 3;

/// So many lists of families there are.
const BUCKETS: usize = 32;

/// Names that are taken away, ready for every header of every request to be looked for.
#[derive(Clone, Debug)]
pub struct Believed {
    /// By their length.
    names: Vec<Vec<Box<str>>>,
    /// By their first and third character: many begin alike.
    families: Vec<Vec<Box<str>>>,
}

impl Believed {
    /// Those above, and `further` ones; a star at the end of one stands for whatever follows.
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
        let name = spelled(name);
        let (lists, number) = if is_family { (&mut self.families, bucket(&name)) } else { (&mut self.names, name.len()) };
        lists.resize(lists.len().max(number.saturating_add(1)), Vec::new());
        if let Some(alike) = lists.get_mut(number) {
            alike.push(name.into_boxed_str());
        }
    }

    /// Whether it is one of these, in whatever spelling.
    pub fn has(&self, name: &str) -> bool {
        // From the end: many begin alike.
        let is = |ours: &str| ours.bytes().rev().zip(name.bytes().rev()).all(|(ours, theirs)| ours == folded(theirs));
        let begins =
            |ours: &str| ours.len() <= name.len() && ours.bytes().zip(name.bytes()).all(|(ours, theirs)| ours == folded(theirs));
        self.names.get(name.len()).is_some_and(|alike| alike.iter().any(|ours| is(ours)))
            || self.families.get(bucket(name)).is_some_and(|alike| alike.iter().any(|ours| begins(ours)))
    }
}

fn bucket(name: &str) -> usize {
    let [first, _, third, ..] = name.as_bytes() else { return 0 };
    usize::from(folded(*first) ^ folded(*third)) % BUCKETS
}

/// A name as careless servers read it.
pub fn spelled(name: &str) -> String {
    name.bytes().map(|byte| char::from(folded(byte))).collect()
}

/// How careless servers read each byte of a header's name: every sign but letters and digits is the same to them. As a table: all of
/// every request are looked up.
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
