//! Sign-in by name and password: they are read, counted, and checked by the user service; then a session begins. A wrong password
//! and an unknown name make the same calls, the same answer and the same counts. (This is not OAuth's password grant: no provider
//! sees the password, and no client asks for anybody else.)

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
use crate::http::url::{ReturnTo, query_parameters};
use crate::session::content::{NewSession, Tokens};
use crate::sign_in::begun::begin;
use crate::step::answers::{json_answer, redirect};
use crate::step::body::{self, Wanted};
use crate::step::decision::{Journey, Step};
use crate::step::event::Event;
use crate::step::stop::{Stop, Whose};
use crate::step::visit::Visit;
use crate::upkeep::kept::kept;
use crate::words::reason::{Failure, Reason};
use crate::words::secret::Secret;
use crate::words::time::Timestamp;
use crate::words::world::World;

/// Names are at most this long, in bytes: twice as long as any e-mail address.
const LONGEST_ACCOUNT: usize = 512;

/// And passwords. Hashing more takes the user service long.
const LONGEST_PASSWORD: usize = 4_096;

/// Name and password are being checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Checking {
    /// What the attempt was counted as.
    counted: Counted,
}

/// What is needed, all of it or nothing: the configuration says so.
fn settings_of(settings: &Settings) -> Result<(&Password, &Verify, &Mapping), Failure> {
    let misplaced = || Failure::new(Reason::Internal, "a new configuration takes no passwords");
    let accounts = settings.accounts.as_ref().ok_or_else(misplaced)?;
    let password = settings.password.as_ref().ok_or_else(misplaced)?;
    Ok((password, accounts.verify.as_ref().ok_or_else(misplaced)?, &accounts.mapping))
}

/// The password endpoint: POST, as JSON or as a form.
pub fn attempt(scene: &mut Scene<'_>, visit: &mut Visit) -> Journey<Checking> {
    let settings = scene.settings;
    let (password, verify, _) = settings_of(settings)?;
    if visit.request.method != "POST" {
        return Err(Stop::method("POST"));
    }
    check_site(settings, password, visit)?;
    let form = match body::read(scene.world, visit, &[MediaType::Json, MediaType::UrlEncoded])? {
        Wanted::Read(form) => form,
        Wanted::ToRead(limit, until) => return Ok(Step::reading(limit, until)),
    };
    let credentials = credentials(password, visit.body.bytes(), form);
    visit.body = Body::Unread;
    let (call, counted) = counted(scene.world, visit.now, password, verify, &credentials?)?;
    Ok(Step::calling(call, Checking { counted }))
}

/// Counts the attempt, and asks the user service about it.
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
            // Nobody was asked.
            password.throttle.taken_back(world, now, &counted);
            let failure = Failure::new(Reason::BodyMalformed, "expected a name that can stand in a path");
            Err(Stop::new(Whose::Password, failure))
        }
    }
}

/// RFC 6585, section 4.
fn slow_down(wait: Duration) -> Stop {
    let seconds = wait.as_secs().max(1);
    let failure = Failure::new(Reason::TooManyFailures, format!("to wait: {seconds} s"));
    Stop { fields: vec![("retry-after", seconds.to_string())], ..Stop::new(Whose::Password, failure) }
}

/// The user service answered.
pub fn checked(scene: &mut Scene<'_>, visit: &Visit, checking: &Checking, reply: &Reply) -> Journey<Checking> {
    let (password, ..) = settings_of(scene.settings)?;
    let user = settled(scene.settings, scene.world, visit.now, checking, reply)?;
    user.and_then(|user| signed_in(scene, visit, password, &user)).map_err(|failure| Stop::new(Whose::Password, failure))
}

/// The user service answered, and the request is gone: no session begins, and a failure is told of like any other.
pub fn unheard(settings: &Settings, world: &mut dyn World, visit: &Visit, checking: &Checking, reply: &Reply) -> Option<Event> {
    let failure = settled(settings, world, visit.now, checking, reply).ok()?.err()?;
    Some(Event::SignInFailed { request: visit.reference(), provider: Some(PASSWORD.to_owned()), failure })
}

/// What the answer says of the password, and of the attempt: it counts, whatever became of the request, of the time or of the
/// service, unless the password was right or never reached the service. Else whoever hangs up when a yes would have come, or whose
/// wrong password makes a service fail or take too long, could guess for nothing.
fn settled(
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

/// A page of another site must not sign anybody in as somebody else, nor guess. Programs say nothing of sites; where the session
/// would be a cookie, a browser must.
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
        MediaType::UrlEncoded => {
            let mut parameters = form_parameters(bytes)?;
            let mut text = |name: &str| parameters.remove(name).map(Secret::new);
            (text(&settings.account), text(&settings.password))
        }
    };
    // Many a service stumbles over control characters, and only where it knows the name.
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
    // How and when it was proved (RFC 8176: by password).
    claims.extend([("auth_time".to_owned(), json!(visit.now.seconds())), ("amr".to_owned(), json!(["pwd"]))]);
    let new = NewSession {
        origin: visit.origin.to_string(),
        provider: PASSWORD.to_owned(),
        subject: user.subject.clone(),
        provider_subject: None,
        provider_session: None,
        auth_time: Some(visit.now.seconds()),
        claims: kept(settings, &claims),
        fingerprint: password.fingerprint.clone(),
        tokens: Tokens::default(),
        tokens_end: None,
    };
    let begun = begin(scene, visit, new, password.delivery.cookie)?;
    let subject = user.subject.clone();
    let completed = Event::SignInCompleted { request: visit.reference(), provider: PASSWORD.to_owned(), subject };
    // A form of a page has nobody who would read an answer.
    let mut response = match browser::wants_page(&visit.request) && password.delivery.cookie {
        true => redirect(303, return_to(settings, visit).as_str(), begun.cookies),
        false => {
            let told = Filling { user: Some(&user.profile), ..begun.filling(visit.now) };
            json_answer(password.delivery.answer.json(&told).as_str(), begun.cookies)
        }
    };
    visit.let_page_read(settings, &mut response);
    let mut step = Step::answered(response, vec![completed]);
    step.note.subject = Some(Rc::from(user.subject.as_str()));
    Ok(step)
}

/// Where a form's page wants to go, by `return_to` in the endpoint's address.
fn return_to(settings: &Settings, visit: &Visit) -> ReturnTo {
    let parameters = query_parameters(visit.request.query.as_deref()).unwrap_or_default();
    let wanted = parameters.get("return_to").and_then(|text| ReturnTo::parse(text, &settings.listed_origins()).ok());
    wanted.unwrap_or_else(ReturnTo::front_page)
}
