//! Sign-in by name and password: the attempt is counted, the user service checks the password, then a session begins. A wrong
//! password and an unknown name never differ in calls, response or counters. (This is not the password grant of RFC 6749, section
//! 4.3: no authorization server sees the password, and no client acts for somebody else.)

use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::access::browser;
use crate::accounts::call;
use crate::accounts::credentials::{NameAndPassword, Verify};
use crate::accounts::template::Filling;
use crate::accounts::throttle::Counted;
use crate::accounts::user::{Mapping, User};
use crate::authenticate::scene::Scene;
use crate::config::settings::{PASSWORD, Password, Settings};
use crate::http::body::{Body, MediaType, form_parameters, json_members};
use crate::http::message::{HttpCall, Reply};
use crate::http::return_to::ReturnTo;
use crate::http::url::query_parameters;
use crate::session::content::{NewSession, Tokens};
use crate::sign_in::begin_session::begin_session;
use crate::step::answers::{json_answer, redirect};
use crate::step::body::{self, WantedBody};
use crate::step::decision::{Journey, Step};
use crate::step::event::Event;
use crate::step::stop::{JourneyKind, Stop};
use crate::step::visit::Visit;
use crate::upkeep::kept_claims::kept_claims;
use crate::words::reason::{Failure, Reason};
use crate::words::secret::Secret;
use crate::words::time::Timestamp;
use crate::words::world::World;

/// The longest name, in bytes: twice the length of the longest e-mail address.
const LONGEST_ACCOUNT: usize = 512;

/// The longest password, in bytes. Longer ones would take the user service long to hash.
const LONGEST_PASSWORD: usize = 4_096;

/// A sign-in that waits for the user service to check name and password.
#[derive(Clone, Debug, PartialEq)]
pub struct Checking {
    /// The counters in which the attempt was counted.
    counted: Counted,
}

/// The settings of this sign-in. A configuration has all of them or none; none, if another one was loaded meanwhile.
fn settings_of(settings: &Settings) -> Result<(&Password, &Verify, &Mapping), Failure> {
    let not_configured = || Failure::new(Reason::Internal, "a new configuration takes no passwords");
    let accounts = settings.accounts.as_ref().ok_or_else(not_configured)?;
    let password = settings.password.as_ref().ok_or_else(not_configured)?;
    Ok((password, accounts.verify.as_ref().ok_or_else(not_configured)?, &accounts.mapping))
}

/// The password endpoint: POST with JSON or a form.
pub fn begin(scene: &mut Scene<'_>, visit: &mut Visit) -> Journey<Checking> {
    let settings = scene.settings;
    let (password, verify, _) = settings_of(settings)?;
    if visit.request.method != "POST" {
        return Err(Stop::method("POST"));
    }
    check_site(settings, password, visit)?;
    let form = match body::read(scene.world, visit, &[MediaType::Json, MediaType::UrlEncoded])? {
        WantedBody::Read(form) => form,
        WantedBody::ToRead(limit, until) => return Ok(Step::reading(limit, until)),
    };
    let credentials = credentials(password, visit.body.bytes(), form);
    visit.body = Body::Unread;
    let (call, counted) = counted(scene.world, visit.now, password, verify, &credentials?)?;
    Ok(Step::calling(call, Checking { counted }))
}

/// Counts the attempt, and makes the call that checks the password. It is counted before the reply, so that many guesses at a
/// time are limited too.
fn counted(
    world: &mut dyn World,
    now: Timestamp,
    password: &Password,
    verify: &Verify,
    credentials: &NameAndPassword,
) -> Result<(HttpCall, Counted), Stop> {
    let address = world.client_address();
    let counted = password.throttle.begin(world, now, &credentials.account, address.as_deref()).map_err(slow_down)?;
    match verify.request(credentials) {
        Ok(call) => Ok((call, counted)),
        Err(_) => {
            // The password was not checked.
            password.throttle.taken_back(world, now, &counted);
            let failure = Failure::new(Reason::BodyMalformed, "expected a name that can stand in a path");
            Err(Stop::new(JourneyKind::Password, failure))
        }
    }
}

/// The refusal after too many failures: 429 with `Retry-After` (RFC 6585, section 4).
fn slow_down(wait: Duration) -> Stop {
    let seconds = wait.as_secs().max(1);
    let failure = Failure::new(Reason::TooManyFailures, format!("to wait: {seconds} s"));
    Stop { fields: vec![("retry-after", seconds.to_string())], ..Stop::new(JourneyKind::Password, failure) }
}

/// Takes the user service's reply.
pub fn checked(scene: &mut Scene<'_>, visit: &Visit, checking: &Checking, reply: &Reply) -> Journey<Checking> {
    let (password, ..) = settings_of(scene.settings)?;
    let user = settle(scene.settings, scene.world, visit.now, checking, reply)?;
    user.and_then(|user| signed_in(scene, visit, password, &user)).map_err(|failure| Stop::new(JourneyKind::Password, failure))
}

/// Takes the user service's reply after the request has ended: no session begins, and a failure is reported like any other.
pub fn orphaned_reply(
    settings: &Settings,
    world: &mut dyn World,
    visit: &Visit,
    checking: &Checking,
    reply: &Reply,
) -> Option<Event> {
    let failure = settle(settings, world, visit.now, checking, reply).ok()?.err()?;
    Some(Event::SignInFailed { request: visit.reference(), provider: Some(PASSWORD.to_owned()), failure })
}

/// Reads the user service's reply, and settles what the attempt counts for: as a failure, unless the password was right or never
/// reached the user service. It counts as one too if the request has ended, or the user service failed or timed out. Otherwise
/// somebody could guess without being counted, by hanging up early or because wrong passwords make the user service fail.
///
/// # Errors
/// The outer one if another configuration without passwords was loaded meanwhile; the inner one if the password was not accepted.
fn settle(
    settings: &Settings,
    world: &mut dyn World,
    now: Timestamp,
    checking: &Checking,
    reply: &Reply,
) -> Result<Result<User, Failure>, Failure> {
    let (password, verify, mapping) = settings_of(settings)?;
    let counted = &checking.counted;
    let user = verify.response(mapping, reply);
    if user.is_ok() {
        password.throttle.succeeded(world, now, counted);
    } else if call::reached_nobody(reply) {
        password.throttle.taken_back(world, now, counted);
    }
    Ok(user)
}

/// Refuses a page of another site, which could sign a person in as somebody else (login CSRF), or guess. Programs send no
/// `Origin` and no `Sec-Fetch-Site`; that is accepted only where the session is no cookie.
fn check_site(settings: &Settings, password: &Password, visit: &Visit) -> Result<(), Failure> {
    let headers = &visit.request.headers;
    let says_nothing = !headers.contains("origin") && !headers.contains("sec-fetch-site");
    if browser::has_same_origin_evidence(headers, &visit.origin, &settings.trusted_origins)
        || says_nothing && !password.delivery.cookie
    {
        return Ok(());
    }
    Err(Failure::new(Reason::CrossSite, browser::evidence(headers, &visit.origin)))
}

fn credentials(settings: &Password, bytes: &[u8], form: MediaType) -> Result<NameAndPassword, Failure> {
    let (account, password) = match form {
        MediaType::Json => {
            let mut members = json_members(bytes)?;
            let mut text = |name: &str| match members.remove(name) {
                Some(Value::String(text)) => Some(Secret::new(text)),
                Some(_) | None => None,
            };
            (text(&settings.account), text(&settings.password))
        }
        // No other was asked for.
        MediaType::SecurityEvent => (None, None),
        MediaType::UrlEncoded => {
            let mut parameters = form_parameters(bytes, &[&settings.account, &settings.password])?;
            let mut text = |name: &str| parameters.remove(name).map(Secret::new);
            (text(&settings.account), text(&settings.password))
        }
    };
    // User services may fail on control characters, and perhaps only for names that exist: that would reveal which do.
    let plain = |text: &Secret| !text.expose().chars().any(char::is_control);
    let within = |text: &Secret, longest: usize| !text.is_empty() && text.len() <= longest && plain(text);
    let account = account.filter(|account| within(account, LONGEST_ACCOUNT) && !account.expose().trim().is_empty());
    let password = password.filter(|password| within(password, LONGEST_PASSWORD));
    match (account, password) {
        (Some(account), Some(password)) => Ok(NameAndPassword { account: account.expose().to_owned(), password }),
        _ => {
            let (account, password) = (&settings.account, &settings.password);
            let detail = format!(
                "expected {account} and {password}, each a text without control characters, of at most {LONGEST_ACCOUNT} and {LONGEST_PASSWORD} bytes"
            );
            Err(Failure::new(Reason::BodyMalformed, detail))
        }
    }
}

fn signed_in(scene: &mut Scene<'_>, visit: &Visit, password: &Password, user: &User) -> Result<Step<Checking>, Failure> {
    let settings = scene.settings;
    let mut claims = user.claims.clone();
    // When and how the person was authenticated: `pwd` is "by password" (RFC 8176, section 2).
    claims.extend([("auth_time".to_owned(), json!(visit.now.seconds())), ("amr".to_owned(), json!(["pwd"]))]);
    let new = NewSession {
        origin: visit.origin.to_string(),
        provider: PASSWORD.to_owned(),
        subject: user.subject.clone(),
        provider_subject: None,
        provider_session: None,
        auth_time: Some(visit.now.seconds()),
        issued: None,
        claims: kept_claims(settings, &claims),
        fingerprint: password.fingerprint.clone(),
        tokens: Tokens::default(),
        tokens_end: None,
    };
    let begun = begin_session(scene, visit, new, password.delivery.cookie)?;
    let (subject, session) = (user.subject.clone(), Some(begun.session.id.clone()));
    let completed = Event::SignInCompleted { request: visit.reference(), provider: PASSWORD.to_owned(), subject, session };
    // A form that a page posts by navigation is answered with a redirect: no script reads a response.
    let mut response = match browser::wants_page(&visit.request) && password.delivery.cookie {
        true => redirect(303, return_to(settings, visit).as_str(), begun.cookies),
        false => {
            let filling = Filling { user: Some(&user.profile), ..begun.filling(visit.now) };
            json_answer(password.delivery.answer.json(&filling).as_str(), begun.cookies)
        }
    };
    visit.add_cors_headers(settings, &mut response);
    let mut step = Step::answered(response, vec![completed]);
    step.note.subject = Some(Rc::from(user.subject.as_str()));
    Ok(step)
}

/// The page to go to after a posted form: `return_to` in the query of the form's action, or the front page.
fn return_to(settings: &Settings, visit: &Visit) -> ReturnTo {
    let parameters = query_parameters(visit.request.query.as_deref(), &["return_to"]).unwrap_or_default();
    let wanted = parameters.get("return_to").and_then(|text| ReturnTo::parse(text, &settings.listed_origins()).ok());
    wanted.unwrap_or_else(ReturnTo::front_page)
}
