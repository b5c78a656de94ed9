//! An OpenID provider as a plain value. It panics when a client does not follow the protocol, and misbehaves as a test says.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::stage::query_parameters;
use crate::crypto::key::Algorithm;
use crate::crypto::testing::{P256, TestKey};
use crate::http::message::{HttpCall, Reply};
use crate::oidc::authorization::code_challenge;
use crate::oidc::testing::{ISSUER, json_reply, reply};
use crate::words::time::Timestamp;

/// What the provider remembers of a code that it has issued.
struct Grant {
    nonce: String,
    challenge: String,
    redirect_uri: String,
}

/// An OpenID provider.
pub(crate) struct Provider {
    pub(crate) metadata: Value,
    /// Its metadata as a transmitter of security events.
    pub(crate) transmitter: Value,
    /// The keys that it publishes, with their `kid`.
    pub(crate) publishes: Vec<(&'static TestKey, &'static str)>,
    /// The key that it signs with.
    pub(crate) signs: (&'static TestKey, Algorithm, &'static str),
    /// Claims of every ID token, in place of the usual ones; `null` removes one.
    pub(crate) claims: Value,
    /// Members of the token response, in place of the usual ones.
    pub(crate) token_response: Value,
    pub(crate) userinfo: Value,
    /// The key that it signs userinfo with; without one, userinfo is JSON.
    pub(crate) signs_userinfo: Option<(&'static TestKey, Algorithm, &'static str)>,
    /// The introspection response for every token.
    pub(crate) introspection: Value,
    /// The reply to every call, in place of the usual ones.
    pub(crate) instead: Option<Reply>,
    /// The paths of the calls so far.
    pub(crate) asked: Vec<String>,
    /// Every code and token that it has issued.
    pub(crate) secrets: Vec<String>,
    /// Whether it issues refresh tokens. Each can be used once; a second use invalidates all of them (RFC 9700, section 4.14.2).
    pub(crate) issues_refresh_tokens: bool,
    /// Members of the refresh response, in place of the usual ones.
    pub(crate) refresh_response: Value,
    /// The reply to every refresh request, in place of the usual one.
    pub(crate) instead_of_refreshing: Option<Reply>,
    /// The number of refresh requests, failed ones included.
    pub(crate) refreshes: usize,
    /// The refresh tokens that can be used.
    pub(crate) refresh_tokens: BTreeSet<String>,
    /// The forms by which tokens for applications were asked for: by token exchange, or by client credentials.
    pub(crate) exchanged: Vec<BTreeMap<String, String>>,
    /// The client authentication of each of these.
    pub(crate) exchanged_by: Vec<String>,
    /// Members of the response to these, in place of the usual ones.
    pub(crate) exchange_response: Value,
    /// The reply to each of these, in place of the usual one.
    pub(crate) instead_of_exchanging: Option<Reply>,
    grants: BTreeMap<String, Grant>,
}

impl Provider {
    pub(crate) fn new() -> Self {
        let endpoint = |name: &str| format!("{ISSUER}/{name}");
        Self {
            metadata: json!({
                "issuer": ISSUER,
                "authorization_endpoint": endpoint("auth"),
                "token_endpoint": endpoint("token"),
                "jwks_uri": endpoint("keys"),
                "userinfo_endpoint": endpoint("userinfo"),
                "introspection_endpoint": endpoint("introspect"),
                "end_session_endpoint": endpoint("logout"),
            }),
            transmitter: json!({"issuer": ISSUER, "jwks_uri": endpoint("keys")}),
            publishes: vec![(&P256, "first")],
            signs: (&P256, Algorithm::ES256, "first"),
            claims: json!({"groups": ["staff"], "email": "alice@example.com", "email_verified": true, "address": "kept nowhere"}),
            token_response: json!({}),
            userinfo: json!({"sub": "alice"}),
            signs_userinfo: None,
            introspection: json!({"active": false}),
            instead: None,
            asked: Vec::new(),
            secrets: Vec::new(),
            issues_refresh_tokens: false,
            refresh_response: json!({}),
            instead_of_refreshing: None,
            refreshes: 0,
            refresh_tokens: BTreeSet::new(),
            exchanged: Vec::new(),
            exchanged_by: Vec::new(),
            exchange_response: json!({}),
            instead_of_exchanging: None,
            grants: BTreeMap::new(),
        }
    }

    /// The person signs in and consents; returns the URL to which the provider redirects.
    pub(crate) fn agree(&mut self, authorize: &str) -> String {
        let (endpoint, query) = authorize.split_once('?').unwrap();
        assert_eq!(endpoint, format!("{ISSUER}/auth"));
        let mut asked = query_parameters(Some(query));
        let mut take = |name: &str| asked.remove(name).unwrap();
        assert_eq!([take("response_type"), take("code_challenge_method")], ["code", "S256"]);
        let code = format!("the-code-{}", self.grants.len());
        let grant = Grant { nonce: take("nonce"), challenge: take("code_challenge"), redirect_uri: take("redirect_uri") };
        // The redirect URI of a page on another origin is returned whole, others as path and query.
        let callback = grant.redirect_uri.strip_prefix("https://app.example.com").unwrap_or(&grant.redirect_uri);
        let target = format!("{callback}?code={code}&state={}", take("state"));
        self.secrets.push(code.clone());
        self.grants.insert(code, grant);
        target
    }

    /// The reply to a call.
    pub(crate) fn answer(&mut self, call: &HttpCall, now: Timestamp) -> Reply {
        assert_eq!((call.cluster.as_str(), call.authority.as_str()), ("sso", "sso.example.com"));
        let path = call.path.strip_prefix("/realms/main/").unwrap().to_owned();
        self.asked.push(path.clone());
        if let Some(reply) = &self.instead {
            return reply.clone();
        }
        match path.as_str() {
            ".well-known/openid-configuration" => json_reply(200, &self.metadata),
            ".well-known/ssf-configuration" => json_reply(200, &self.transmitter),
            "keys" => {
                let keys: Vec<_> = self.publishes.iter().map(|(key, kid)| key.jwk(&json!({"kid": kid}))).collect();
                json_reply(200, &json!({ "keys": keys }))
            }
            "token" => self.exchange(call, now),
            "userinfo" => match self.signs_userinfo {
                None => json_reply(200, &self.userinfo),
                Some((key, algorithm, kid)) => {
                    let token = key.token(algorithm, &json!({"kid": kid}), &self.userinfo);
                    reply(200, &[("content-type", "application/jwt")], token.as_bytes())
                }
            },
            "introspect" => json_reply(200, &self.introspection),
            "revoke" => self.revoke(call),
            other => panic!("nobody should ask for {other}"),
        }
    }

    /// Token revocation (RFC 7009, section 2.1), with our client authentication.
    fn revoke(&mut self, call: &HttpCall) -> Reply {
        let mut form = query_parameters(std::str::from_utf8(&call.body).ok());
        assert_eq!(form.remove("token_type_hint").as_deref(), Some("refresh_token"));
        assert!(form.contains_key("client_secret") || call.headers.iter().any(|(name, _)| name == "authorization"));
        self.refresh_tokens.remove(&form.remove("token").unwrap());
        reply(200, &[], b"")
    }

    fn exchange(&mut self, call: &HttpCall, now: Timestamp) -> Reply {
        let mut form = query_parameters(std::str::from_utf8(&call.body).ok());
        if !["authorization_code", "refresh_token"].contains(&form["grant_type"].as_str()) {
            return self.token_for_application(form, call);
        }
        let mut take = |name: &str| form.remove(name).unwrap();
        if take("grant_type") == "refresh_token" {
            return self.refresh(&take("refresh_token"), now);
        }
        let grant = self.grants.remove(&take("code"));
        let Some(grant) = grant else { return json_reply(400, &json!({"error": "invalid_grant"})) };
        let proved = (code_challenge(&take("code_verifier")), take("redirect_uri"));
        assert_eq!(proved, (grant.challenge, grant.redirect_uri));
        let mut response = self.tokens(&json!({"nonce": grant.nonce}), now);
        merge(&mut response, &self.token_response);
        json_reply(200, &response)
    }

    /// Token exchange (RFC 8693), and client credentials (RFC 6749, section 4.4), with our client authentication.
    fn token_for_application(&mut self, form: BTreeMap<String, String>, call: &HttpCall) -> Reply {
        let (_, client) =
            call.headers.iter().find(|(name, value)| name == "authorization" && value.starts_with("Basic ")).unwrap();
        self.exchanged_by.push(client.clone());
        let mut response = json!({
            "access_token": format!("for-the-application-{}", self.exchanged.len()), "token_type": "Bearer", "expires_in": 3_600
        });
        match form["grant_type"].as_str() {
            "urn:ietf:params:oauth:grant-type:token-exchange" => {
                assert_eq!(form["subject_token_type"], "urn:ietf:params:oauth:token-type:access_token");
                assert!(!form["subject_token"].is_empty());
                response["issued_token_type"] = json!(form["requested_token_type"]);
            }
            "client_credentials" => assert!(!form.contains_key("subject_token")),
            other => panic!("nobody should ask for {other}"),
        }
        self.exchanged.push(form);
        if let Some(reply) = &self.instead_of_exchanging {
            return reply.clone();
        }
        merge(&mut response, &self.exchange_response);
        json_reply(200, &response)
    }

    fn refresh(&mut self, refresh_token: &str, now: Timestamp) -> Reply {
        self.refreshes += 1;
        if let Some(reply) = &self.instead_of_refreshing {
            return reply.clone();
        }
        if !self.refresh_tokens.remove(refresh_token) {
            self.refresh_tokens.clear();
            return json_reply(400, &json!({"error": "invalid_grant"}));
        }
        let mut response = self.tokens(&json!({}), now);
        merge(&mut response, &self.token_response);
        merge(&mut response, &self.refresh_response);
        json_reply(200, &response)
    }

    fn tokens(&mut self, further: &Value, now: Timestamp) -> Value {
        let access_token = format!("the-access-token-{}", self.secrets.len());
        let mut claims =
            json!({"iss": ISSUER, "sub": "alice", "aud": "app", "iat": now.seconds(), "exp": now.seconds() + 36_000});
        merge(&mut claims, further);
        merge(&mut claims, &self.claims);
        let (key, algorithm, kid) = self.signs;
        let id_token = key.token(algorithm, &json!({"kid": kid}), &claims);
        self.secrets.extend([access_token.clone(), id_token.clone()]);
        let mut response = json!({"token_type": "Bearer", "access_token": access_token, "id_token": id_token});
        if self.issues_refresh_tokens {
            let refresh_token = format!("the-refresh-token-{}", self.secrets.len());
            self.secrets.push(refresh_token.clone());
            self.refresh_tokens.insert(refresh_token.clone());
            response["refresh_token"] = json!(refresh_token);
        }
        response
    }
}

/// Replaces members; `null` removes one.
fn merge(members: &mut Value, further: &Value) {
    let members = members.as_object_mut().unwrap();
    members.extend(further.as_object().unwrap().clone());
    members.retain(|_, value| !value.is_null());
}
