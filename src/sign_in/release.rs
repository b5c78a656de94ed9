//! Gives a page that keeps its own token the access token, and how long it is good. The page never gets another token, and no
//! session begins.

use std::rc::Rc;

use serde_json::json;

use crate::config::settings::Settings;
use crate::oidc::id_token::IdToken;
use crate::oidc::token::tokens::TokenSet;
use crate::session::attempt::Attempt;
use crate::step::answers::json_answer;
use crate::step::decision::Step;
use crate::step::event::Event;
use crate::step::visit::Visit;

/// The response with the access token. The ID token was verified before.
pub(super) fn release<C, W>(
    settings: &Settings,
    visit: &Visit,
    attempt: &Attempt,
    tokens: &TokenSet,
    id_token: IdToken,
) -> Step<C, W> {
    let mut body = json!({ "access_token": tokens.access_token.expose(), "token_type": "Bearer" });
    if let (Some(span), Some(body)) = (tokens.expires_in.said(), body.as_object_mut()) {
        body.insert("expires_in".to_owned(), json!(span.as_secs()));
    }
    let completed = Event::SignInCompleted {
        request: visit.reference(),
        provider: attempt.provider.clone(),
        subject: id_token.subject.clone(),
        session: None,
    };
    let delete_cookie = attempt.forget(&settings.session.cookie);
    let mut response = json_answer(&body, vec![delete_cookie]);
    visit.add_cors_headers(settings, &mut response);
    let mut step = Step::answered(response, vec![completed, Event::SignInTook(visit.now.since(attempt.created))]);
    step.note.subject = Some(Rc::from(id_token.subject));
    step
}
