//! A user service and a mail service as plain values. They do nothing by themselves.

use serde_json::{Value, json};

use crate::http::message::{HttpCall, Reply};
use crate::oidc::testing::{json_reply, reply};

/// The users, with their passwords, and the calls so far.
pub(crate) struct UserService {
    /// The users: JSON objects with `email`, `password` and other members.
    pub(crate) people: Vec<Value>,
    /// Replies in place of the usual ones, by the beginning of cluster and path.
    pub(crate) instead: Vec<(&'static str, Reply)>,
    /// Each call's method, cluster with path, and body.
    pub(crate) asked: Vec<(String, String, String)>,
    /// Whether another request creates the user just before ours.
    pub(crate) another_is_faster: bool,
}

impl UserService {
    pub(crate) fn new() -> Self {
        let alice = json!({
            "id": 17, "email": "alice@example.com", "emailVerified": true, "password": "right", "profile": {"role": "admin"},
            "hash": "$2b$"
        });
        Self { people: vec![alice], instead: Vec::new(), asked: Vec::new(), another_is_faster: false }
    }

    /// The calls in their order, such as `POST users/api/users/verify`.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.asked.iter().map(|(method, path, _)| format!("{method} {path}")).collect()
    }

    pub(crate) fn answer(&mut self, call: &HttpCall) -> Reply {
        let at = format!("{}{}", call.cluster, call.path);
        self.asked.push((call.method.to_owned(), at.clone(), String::from_utf8_lossy(&call.body).into_owned()));
        assert_eq!(call.headers.iter().any(|(name, _)| name == "content-type"), !call.body.is_empty());
        if let Some((_, instead)) = self.instead.iter().find(|(beginning, _)| at.starts_with(beginning)) {
            return instead.clone();
        }
        let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
        let (method, path) = (call.method, at.as_str());
        match (method, path) {
            ("POST", "users/api/users/verify") => match self.person(&body["email"]) {
                None => json_reply(404, &json!({"error": "unknown"})),
                Some(person) if person["password"] == body["password"] => json_reply(200, &person),
                Some(_) => json_reply(401, &json!({"error": "wrong"})),
            },
            ("POST", "users/api/users") => {
                if std::mem::take(&mut self.another_is_faster) {
                    self.create(json!({"email": body["email"], "firstName": "Quick"}));
                }
                if self.person(&body["email"]).is_some() {
                    return json_reply(409, &json!({}));
                }
                json_reply(201, &self.create(body))
            }
            ("POST", "mail/api/mail/send-welcome") => reply(202, &[], b""),
            ("GET", path) => {
                let email = path.strip_prefix("users/api/users/email/").unwrap().replace("%40", "@");
                self.person(&json!(email)).map_or_else(|| json_reply(404, &json!({})), |person| json_reply(200, &person))
            }
            other => panic!("nobody should ask for {other:?}"),
        }
    }

    fn person(&self, email: &Value) -> Option<Value> {
        self.people.iter().find(|person| person["email"] == *email).cloned()
    }

    fn create(&mut self, mut person: Value) -> Value {
        person["id"] = json!(100 + self.people.len());
        // A new user's e-mail address was verified by the provider.
        person["emailVerified"] = json!(true);
        self.people.push(person.clone());
        person
    }
}
