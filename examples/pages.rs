//! Renders the page of every reason for which a request can be refused, without Envoy. The end-to-end tests open them all in a
//! browser: an Envoy could not be brought to show some of them. It is never part of a release.
//!
//! Each line of standard input is one JSON object with `fields`, the configuration as a `Struct` holds it; `environment`, the
//! environment variables; and `language`, the request's `Accept-Language`. For each, standard output has one line for each reason:
//! a JSON object with `reason`, `status`, `headers` and `body`.

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::time::Duration;

use accredit::answer::refusal::Visitor;
use accredit::cli::wire::in_wire_form;
use accredit::config;
use accredit::http::message::{Headers, Request};
use accredit::http::return_to::ReturnTo;
use accredit::step::answers::Circumstances;
use accredit::step::visit::Visit;
use accredit::words::reason::{Failure, Reason};
use accredit::words::time::Timestamp;
use prost::Message;
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let mut output = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let asked: Value = serde_json::from_str(&line?)?;
        let fields = asked.get("fields").and_then(Value::as_object).ok_or("expected fields in each line")?;
        let variable = |name: &str| asked.get("environment")?.get(name)?.as_str().map(str::to_owned);
        let settings = config::load(&in_wire_form(fields).encode_to_vec(), &variable).map_err(|refusals| refusals.to_string())?;
        let origin = settings.origins.first().ok_or("expected an origin")?;
        let language = asked.get("language").and_then(Value::as_str).unwrap_or_default();
        let fields = [
            (":method", "GET"),
            (":authority", origin.authority()),
            (":path", "/page"),
            ("sec-fetch-mode", "navigate"),
            ("accept-language", language),
        ];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
        let request = Request::from_headers(Headers::new(fields.to_vec())).map_err(|reason| reason.id())?;
        let visit = Visit::new(Timestamp::from_seconds(0), Duration::ZERO, request, origin.clone(), "1b2c3d4e-request".into());
        for reason in Reason::ALL {
            let visitor = Visitor { name: "alice@example.com".into(), claim_names: vec!["groups".into()], provider: None };
            let circumstances =
                Circumstances { rule: Some("rules[1]".into()), visitor: Some(visitor), ..Circumstances::default() };
            let failure = Failure::new(*reason, "what came, and what the rule wanted");
            let answer = visit.refusal_under(&settings, &failure, &ReturnTo::front_page(), circumstances);
            let told = json!({"reason": reason.id(), "status": answer.status, "headers": answer.headers, "body": answer.body});
            writeln!(output, "{told}")?;
        }
    }
    Ok(())
}
