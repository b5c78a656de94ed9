//! Sign-in by name and password: they are read, counted, and checked by the user service; then a session begins. A wrong password
//! and an unknown name make the same calls, the same answer and the same counts. (This is not OAuth's password grant: no provider
//! sees the password, and no client asks for anybody else.)

use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::access::browser;
use crate::accounts::call;
use crate::accounts::credentials::{Credentials, Verify};
use crate::accounts::template::Filling;
use crate::accounts::throttle::Counted;
use crate::accounts::user::{Mapping, User};
use crate::config::settings::{PASSWORD, Password, Settings};
use crate::flow::body;
use crate::flow::ending::{json_answer, redirect};
use crate::flow::establish::{begin, kept};
use crate::flow::event::{Event, Outcome};
use crate::flow::gateway::Gateway;
use crate::flow::step::{Decision, Note, Pending, Step};
use crate::flow::visit::Visit;
use crate::session::content::{NewSession, Tokens};
use crate::words::body::{Body, Form, form_parameters, json_members};
use crate::words::message::Reply;
use crate::words::reason::{Failure, Reason};
use crate::words::secret::Secret;
use crate::words::url::{ReturnTo, query_parameters};
use crate::words::world::World;

/// Names are at most this long, in bytes: twice as long as any e-mail address.
const LONGEST_ACCOUNT: usize = 512;

/// And passwords. Hashing more takes the user service long.
const LONGEST_PASSWORD: usize = 4_096;

/// Name and password are being checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Checking {
    /// The request, without its body.
    pub visit: Visit,
    /// What the attempt was counted as.
    pub counted: Counted,
}

/// What is needed, all of it or nothing: the configuration says so.
fn settings_of(settings: &Settings) -> Option<(&Password, &Verify, &Mapping)> {
    let accounts = settings.accounts.as_ref()?;
    Some((settings.password.as_ref()?, accounts.verify.as_ref()?, &accounts.mapping))
}

/// The password endpoint: POST, as JSON or as a form.
pub fn attempt(gateway: &mut Gateway, world: &mut dyn World, visit: Visit) -> Step {
    let settings = Rc::clone(&gateway.settings);
    let Some((password, verify, _)) = settings_of(&settings) else { return misplaced(&settings, &visit) };
    if visit.request.method != "POST" {
        return visit.refuse_method(&settings, "POST");
    }
    if let Err(failure) = check_site(&settings, password, &visit) {
        return visit.refuse(&settings, failure);
    }
    let (mut visit, form) = match body::read(&settings, world, visit, &[Form::Json, Form::UrlEncoded]) {
        Ok(read) => read,
        Err(step) => return *step,
    };
    let credentials = credentials(password, visit.body.bytes(), form);
    visit.body = Body::Unread;
    let credentials = match credentials {
        Ok(credentials) => credentials,
        Err(failure) => return visit.refuse(&settings, failure),
    };
    let address = world.client_address();
    let counted = match password.throttle.begin(world, visit.now, &credentials.account, address.as_deref()) {
        Ok(counted) => counted,
        Err(wait) => return slow_down(&settings, &visit, wait),
    };
    match verify.request(&credentials) {
        Ok(call) => Step::calling(call, Pending::CheckingPassword(Box::new(Checking { visit, counted }))),
        Err(_) => {
            // Nobody was asked.
            password.throttle.taken_back(world, visit.now, &counted);
            failed(&settings, &visit, Failure::new(Reason::BodyMalformed, "expected a name that can stand in a path"))
        }
    }
}

/// The user service answered.
pub fn checked(gateway: &mut Gateway, world: &mut dyn World, checking: &Checking, reply: &Reply) -> Step {
    let settings = Rc::clone(&gateway.settings);
    let visit = &checking.visit;
    let Some((password, ..)) = settings_of(&settings) else { return misplaced(&settings, visit) };
    match settled(&settings, world, checking, reply) {
        Some(Ok(user)) => signed_in(gateway, world, visit, password, &user),
        Some(Err(failure)) => failed(&settings, visit, failure),
        None => misplaced(&settings, visit),
    }
}

/// The user service answered, and the request is gone: no session begins, and a failure is told of like any other.
pub fn unheard(settings: &Settings, world: &mut dyn World, checking: &Checking, reply: &Reply) -> Option<Event> {
    let failure = settled(settings, world, checking, reply)?.err()?;
    Some(Event::SignInFailed { place: checking.visit.place(), provider: Some(PASSWORD.to_owned()), failure })
}

/// What the answer says of the password, and of the attempt: it counts, whatever became of the request, of the time or of the
/// service, unless the password was right or never reached the service. Else whoever hangs up when a yes would have come, or whose
/// wrong password makes a service fail or take too long, could guess for nothing.
fn settled(settings: &Settings, world: &mut dyn World, checking: &Checking, reply: &Reply) -> Option<Result<User, Failure>> {
    let (password, verify, mapping) = settings_of(settings)?;
    let (now, counted) = (checking.visit.now, &checking.counted);
    let user = verify.response(mapping, reply);
    if user.is_ok() {
        password.throttle.succeeded(world, now, counted);
    } else if call::reached_nobody(reply) {
        password.throttle.taken_back(world, now, counted);
    }
    Some(user)
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

fn credentials(settings: &Password, bytes: &[u8], form: Form) -> Result<Credentials, Failure> {
    let (account, password) = match form {
        Form::Json => {
            let mut members = json_members(bytes)?;
            let mut text = |name: &str| match members.remove(name) {
                Some(Value::String(text)) => Some(Secret::new(text)),
                Some(_) | None => None,
            };
            (text(&settings.account), text(&settings.password))
        }
        Form::UrlEncoded => {
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
        (Some(account), Some(password)) => Ok(Credentials { account: account.expose().to_owned(), password }),
        _ => {
            let (account, password) = (&settings.account, &settings.password);
            let detail = format!(
                "expected {account} and {password}, each a text without control characters, of at most {LONGEST_ACCOUNT} and {LONGEST_PASSWORD} bytes"
            );
            Err(Failure::new(Reason::BodyMalformed, detail))
        }
    }
}

fn signed_in(gateway: &mut Gateway, world: &mut dyn World, visit: &Visit, password: &Password, user: &User) -> Step {
    let settings = Rc::clone(&gateway.settings);
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
        claims: kept(&settings, &claims),
        fingerprint: password.fingerprint.clone(),
        tokens: Tokens::default(),
        tokens_end: None,
    };
    let begun = match begin(gateway, world, visit, new, password.delivery.cookie) {
        Ok(begun) => begun,
        Err(failure) => return failed(&settings, visit, failure),
    };
    let subject = user.subject.clone();
    let completed = Event::SignInCompleted { place: visit.place(), provider: PASSWORD.to_owned(), subject };
    // A form of a page has nobody who would read an answer.
    let mut response = match browser::wants_page(&visit.request) && password.delivery.cookie {
        true => redirect(303, return_to(&settings, visit).as_str(), begun.cookies),
        false => {
            let told = Filling { user: Some(&user.told), ..begun.filling(visit.now) };
            json_answer(password.delivery.answer.json(&told).as_str(), begun.cookies)
        }
    };
    visit.let_page_read(&settings, &mut response);
    let mut step = Step::answered(response, vec![completed]);
    step.note.subject = Some(Rc::from(user.subject.as_str()));
    step
}

/// Where a form's page wants to go, by `return_to` in the endpoint's address.
fn return_to(settings: &Settings, visit: &Visit) -> ReturnTo {
    let parameters = query_parameters(visit.request.query.as_deref()).unwrap_or_default();
    let wanted = parameters.get("return_to").and_then(|text| ReturnTo::parse(text, &settings.listed_origins()).ok());
    wanted.unwrap_or_else(ReturnTo::front_page)
}

/// Ends an attempt with a refusal; for a wrong name or password in the words that are configured.
fn failed(settings: &Settings, visit: &Visit, failure: Failure) -> Step {
    let mut response = visit.refusal(settings, failure.reason, &ReturnTo::front_page());
    let refusal = settings.password.as_ref().and_then(|password| password.refusal.as_ref());
    if let (Reason::CredentialsRefused, Some(refusal), false) = (failure.reason, refusal, browser::wants_page(&visit.request)) {
        response.body.clone_from(refusal);
        let json = ("content-type".to_owned(), "application/json".to_owned());
        response.headers.iter_mut().filter(|(name, _)| name == "content-type").for_each(|field| *field = json.clone());
    }
    let outcome = Event::Outcome(Outcome::of_status(response.status));
    let failed = Event::SignInFailed { place: visit.place(), provider: Some(PASSWORD.to_owned()), failure };
    Step { decision: Decision::Respond(response), events: vec![failed, outcome], note: Note::default() }
}

/// RFC 6585, section 4.
fn slow_down(settings: &Settings, visit: &Visit, wait: Duration) -> Step {
    let seconds = wait.as_secs().max(1);
    let mut step = failed(settings, visit, Failure::new(Reason::TooManyFailures, format!("to wait: {seconds} s")));
    if let Decision::Respond(response) = &mut step.decision {
        response.headers.push(("retry-after".to_owned(), seconds.to_string()));
    }
    step
}

fn misplaced(settings: &Settings, visit: &Visit) -> Step {
    visit.refuse(settings, Failure::new(Reason::Internal, "a new configuration takes no passwords"))
}
