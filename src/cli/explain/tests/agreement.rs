//! The command and the filter's own gateway, asked the same: here somebody signs in at the provider of the stage, and there the
//! same claims stand in a file. `PROPTEST_CASES=100000 cargo test agree` tries more requests.

use std::cell::RefCell;
use std::collections::BTreeMap;

use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof};
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use serde_json::{Value, json};

use crate::access::requirement::report::{Holds, Joined, Report};
use crate::cli::desk::answer::Answer;
use crate::cli::desk::target::{Question, Target};
use crate::cli::desk::who::{By, Somebody, Who};
use crate::cli::desk::world::DeskWorld;
use crate::cli::desk::{Desk, Told};
use crate::cli::envoy::passage::Passage;
use crate::cli::explain::account::account;
use crate::cli::explain::arguments::navigation;
use crate::config::{self, Refusal};
use crate::gateway::pending::Step;
use crate::gateway::tests::stage::{BEGINNING, Stage, document, outcome};
use crate::http::message::Headers;
use crate::oidc::testing::ISSUER;
use crate::step::decision::Decision;
use crate::step::event::Event;
use crate::words::reason::Reason;

/// How many requests are made up.
const REQUESTS: u32 = 3_000;

/// Rules, of which each configuration has some, in another order.
fn rules() -> Vec<Value> {
    let staff = || json!({"claim": "groups", "any_of": ["staff"]});
    vec![
        json!({"match": {"path_separated_prefix": "/public"}, "require": "public"}),
        json!({"match": {"path_separated_prefix": "/members"}, "require": staff()}),
        json!({"match": {"path": "/members"}, "require": "authenticated"}),
        json!({"match": {"path": "/members/*/edit"}, "require": {"all": [staff(), {"claim": "level", "any_of": [1, 2]}]}}),
        json!({"match": {"path": "/**/secret/**"}, "require": {"any": [{"email_domain": ["example.com"]}, {"claim": "groups", "any_of": ["admins"]}]}}),
        json!({"match": {"path": "/*.json"}, "require": {"not": {"claim": "status", "any_of": ["suspended"]}}}),
        json!({"match": {"path_separated_prefix": "/api", "methods": ["GET"]}, "require": "authenticated", "unauthenticated": "respond"}),
        json!({"match": {"path_separated_prefix": "/api"}, "require": {"bearer": "main", "scope": ["write"]}}),
        json!({"match": {"path_separated_prefix": "/robots"}, "require": "authenticated", "credentials": "bearer"}),
        json!({"match": {"path_separated_prefix": "/people"}, "require": "authenticated", "credentials": "session"}),
        json!({"match": {"host": "b.example.com"}, "require": staff()}),
        json!({"match": {"path_separated_prefix": "/files"}, "allow_in_path": ["%2F", ";"], "require": "authenticated", "unauthenticated": "redirect"}),
        json!({"match": {"path_separated_prefix": "/strong"}, "require": {"acr": ["gold"]}}),
        json!({"match": {"path_separated_prefix": "/fresh"}, "require": {"max_auth_age": "5m"}}),
        json!({"match": {"path_separated_prefix": "/mcp", "mcp": {"tools": ["delete_*"]}}, "require": {"scope": ["write"]}}),
        json!({"match": {"path_separated_prefix": "/mcp", "mcp": {"methods": ["tools/list"]}}, "require": "authenticated"}),
        json!({"match": {"path_separated_prefix": "/mcp"}, "require": {"scope": ["read"], "mcp": {"scopes": {"tools/call": {"write_*": ["write"]}}}}}),
    ]
}

/// Some of the rules, in an order that this number chooses.
fn configuration(number: usize) -> Value {
    let mut rules = rules();
    let turned = number * 5 % rules.len();
    rules.rotate_left(turned);
    let mut position = 0;
    rules.retain(|_| {
        position += 1;
        number == 0 || !(position * (number + 2)).is_multiple_of(5)
    });
    let mut document = document();
    document["origins"] = json!(["https://app.example.com", "https://b.example.com"]);
    document["providers"][0]["bearer"] = json!({"audiences": ["api"]});
    document["resources"] = json!([{
        "path": "/mcp", "scopes": ["read"], "body_checked_by": "server", "allowed_origins": ["https://pages.example"],
        "authorization_server_metadata": "redirect", "older_versions": if number % 3 == 1 { "refuse" } else { "allow" },
    }]);
    document["session"]["claims"] = json!(["status", "level"]);
    document["rules"] = Value::Array(rules);
    // Only what is hidden by an earlier rule, and so refused, is removed: any other refusal would be a mistake of this test.
    let loads = |document: &Value| config::load(document.to_string().as_bytes(), &|_| None);
    while let Err(refusals) = loads(&document) {
        let hides = |refusal: &&Refusal| refusal.sentence.contains("found that all are taken by");
        let hidden = refusals
            .all()
            .iter()
            .find(hides)
            .and_then(|refusal| refusal.path.strip_prefix("rules[")?.split(']').next()?.parse().ok());
        let hidden: usize = hidden.unwrap_or_else(|| panic!("{refusals}"));
        document["rules"].as_array_mut().unwrap().remove(hidden);
    }
    document
}

/// Claims of people and programs.
fn people() -> Vec<Value> {
    vec![
        json!({"sub": "alice"}),
        json!({"sub": "bob", "groups": ["staff"], "level": 2, "email": "bob@example.com", "email_verified": true}),
        json!({"sub": "carol", "groups": ["admins", "staff"], "level": "2", "status": "suspended"}),
        json!({"sub": "dave", "status": "active", "email": "dave@example.com", "email_verified": false}),
        json!({"sub": "erin", "groups": "staff", "acr": "gold", "auth_time": BEGINNING.seconds() - 60}),
        json!({"sub": "frank", "scope": "read write", "level": 1, "auth_time": 1}),
        json!({"sub": "gina", "scope": "read"}),
        // These tokens are for one service alone.
        json!({"sub": "heidi", "scope": "read write", "aud": "https://app.example.com/mcp"}),
        json!({"sub": "ivan", "scope": "read write", "aud": "api", "groups": ["staff"]}),
    ]
}

/// For whom a token is of which nothing else is said, and of which the command says nothing either.
const EVERYWHERE: [&str; 3] = ["api", "https://app.example.com/mcp", "https://b.example.com/mcp"];

/// Who sends a request: nobody, or one of [`people`] in one of two ways.
type Sender = Option<(usize, By)>;

/// The filter's own gateway, and a browser that is signed in for real, or a token that the provider has signed.
struct Filter {
    stage: Stage,
    credential: Option<(&'static str, String)>,
}

impl Filter {
    fn new(document: &Value, sender: Sender) -> Self {
        let mut stage = Stage::ready(document);
        let credential = sender.map(|(person, by)| {
            let claims = people()[person].clone();
            match by {
                By::Session => {
                    stage.provider.claims = claims;
                    stage.sign_in("/people-or-any-page");
                    let cookies = stage.browser.jar.iter().filter(|(name, _)| *name == "__Host-accredit");
                    let cookies: Vec<_> = cookies.map(|(name, (value, _))| format!("{name}={value}")).collect();
                    ("cookie", cookies.join("; "))
                }
                // Nobody sends a session as a bearer token here.
                By::Token | By::SessionToken => {
                    let mut all = json!({"iss": ISSUER, "aud": EVERYWHERE, "exp": stage.worker.world.now.seconds() + 300});
                    all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
                    let (key, algorithm, kid) = stage.provider.signs;
                    ("authorization", format!("Bearer {}", key.token(algorithm, &json!({"kid": kid}), &all)))
                }
            }
        });
        Self { stage, credential }
    }

    fn ask(&mut self, question: &Question) -> Step {
        let Target { authority, target, .. } = &question.target;
        let mut fields = vec![(":method", question.method.as_str()), (":authority", authority), (":path", target)];
        fields.extend(question.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        fields.extend(self.credential.as_ref().map(|(name, value)| (*name, value.as_str())));
        let headers =
            Headers::new(fields.into_iter().map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).collect());
        let now = self.stage.worker.world.now;
        let begun = self.stage.worker.begin(headers);
        let step = self.stage.settle(begun);
        // A wait takes time, and in the end the session would have expired.
        self.stage.worker.world.now = now;
        step
    }
}

fn questions() -> impl Strategy<Value = Question> {
    prop_oneof![3 => usual_questions(), 1 => questions_of_agents()]
}

/// Requests for the resource, for what is beside it, and for its metadata.
fn questions_of_agents() -> impl Strategy<Value = Question> {
    let method = select(vec!["POST", "POST", "POST", "POST", "GET", "DELETE", "OPTIONS"]);
    let host = select(vec!["app.example.com", "app.example.com", "b.example.com", "evil.example"]);
    let path = prop_oneof![
        4 => select(vec!["/mcp", "/mcp", "/mcp", "/mcp/", "/mcp/x"]),
        1 => select(vec!["/mcpx", "/MCP", "/mcp;x", "/%6dcp", "/mcp?access_token=x"]),
        1 => select(vec![
            "/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp",
            "/.well-known/oauth-protected-resource/other", "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration",
        ]),
    ];
    let new = ("mcp-protocol-version", "2026-07-28");
    let call = ("mcp-method", "tools/call");
    let fields = select(vec![
        vec![new, call, ("mcp-name", "delete_note")],
        vec![new, call, ("mcp-name", "write_note")],
        vec![new, call, ("mcp-name", "read_note")],
        vec![new, ("mcp-method", "tools/list")],
        vec![new, call],
        vec![new],
        vec![("mcp-protocol-version", "2025-11-25"), call, ("mcp-name", "read_note")],
        vec![],
    ]);
    let origin = select(vec![
        None,
        None,
        None,
        Some("https://app.example.com"),
        Some("https://pages.example"),
        Some("https://evil.example"),
    ]);
    (method, host, path, fields, origin).prop_map(|(method, host, path, fields, origin)| {
        let headers = fields.into_iter().chain(origin.map(|origin| ("origin", origin)));
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let target = Target { scheme: "https", authority: host.into(), target: path.into(), fragment: None };
        Question { method: method.into(), target, headers }
    })
}

fn usual_questions() -> impl Strategy<Value = Question> {
    let method = prop_oneof![16 => select(vec!["GET", "GET", "GET", "HEAD", "POST", "DELETE", "OPTIONS"]), 1 => select(vec!["get", "PURGE", "M-SEARCH"])];
    let host = prop_oneof![
        19 => select(vec!["app.example.com", "app.example.com", "b.example.com"]),
        1 => select(vec!["App.Example.COM", "app.example.com:443", "b.example.com:8443", "app.example.com.", "evil.example"]),
    ];
    let plain = vec![
        "public",
        "members",
        "members.json",
        "Members",
        "api",
        "robots",
        "people",
        "files",
        "secret",
        "edit",
        "1",
        "strong",
        "fresh",
    ];
    let odd = vec!["a.json", "x;y", "x%2Fy", "%2e%2e", "..", "%61", "caf%C3%A9", "x.", ""];
    let segment = prop_oneof![12 => select(plain), 1 => select(odd)];
    let path = proptest::collection::vec(segment, 0..4).prop_map(|segments| format!("/{}", segments.join("/")));
    let path = prop_oneof![9 => path, 1 => select(vec!["/api/session", "/api/login", "/api/logout", "/api/callback"]).prop_map(str::to_owned)];
    let query = select(vec!["", "", "", "", "", "?", "?a=b", "?access_token=x", "?return_to=/x"]);
    let headers = select(vec![
        vec![],
        navigation().collect(),
        navigation().collect(),
        navigation().collect(),
        vec![("sec-fetch-site".to_owned(), "same-origin".to_owned())],
        vec![("sec-fetch-site".to_owned(), "same-origin".to_owned())],
        vec![("sec-fetch-site".to_owned(), "same-origin".to_owned())],
        vec![("origin".to_owned(), "https://evil.example".to_owned())],
        vec![("x-forwarded-user".to_owned(), "root".to_owned()), ("accept".to_owned(), "text/html".to_owned())],
        vec![("connection".to_owned(), "Upgrade, x-forwarded-user".to_owned()), ("upgrade".to_owned(), "websocket".to_owned())],
    ]);
    (method, host, path, query, headers).prop_map(|(method, host, path, query, headers)| {
        let target = Target { scheme: "https", authority: host.into(), target: path + query, fragment: None };
        Question { method: method.into(), target, headers }
    })
}

fn senders() -> impl Strategy<Value = Sender> {
    // Nobody could sign in with the audience of a token.
    let by = |person: usize, token: bool| if token || people()[person].get("aud").is_some() { By::Token } else { By::Session };
    let somebody = (0..people().len(), any::<bool>()).prop_map(move |(person, token)| Some((person, by(person, token))));
    prop_oneof![1 => Just(None), 3 => somebody]
}

#[test]
fn explain_and_the_filters_gateway_agree_on_three_thousand_requests_and_senders() {
    let numbers = 0..8_usize;
    let documents: Vec<_> = numbers.clone().map(configuration).collect();
    let filters = RefCell::new(BTreeMap::new());
    let desk = |document: &Value| {
        let settings = config::load(document.to_string().as_bytes(), &|_| None).unwrap();
        Desk::new(settings, Passage::UNCHANGED, DeskWorld::at(BEGINNING)).unwrap()
    };
    let desks: Vec<_> = documents.iter().map(|document| RefCell::new(desk(document))).collect();
    let names = RefCell::new(BTreeMap::<String, u32>::new());
    let kinds = RefCell::new(BTreeMap::<(bool, bool), u32>::new());
    run(&(numbers, senders(), questions()), |(number, sender, question)| {
        let mut filters = filters.borrow_mut();
        let key = (number, sender.map(|(person, by)| (person, by == By::Token)));
        let filter = filters.entry(key).or_insert_with(|| Filter::new(&documents[number], sender));
        let step = filter.ask(&question);
        let signed_out = step.events.iter().any(|event| matches!(event, Event::SignedOut { .. }));
        if signed_out {
            // The next request is that of a person who has signed in again.
            filters.remove(&key);
        }
        let who = sender.map_or(Who::Nobody, |(person, by)| {
            Who::Somebody(Somebody { claims: people()[person].as_object().unwrap().clone(), provider: None, by })
        });
        let mut desk = desks[number].borrow_mut();
        let told = desk.ask(&question, &who).unwrap();
        *names.borrow_mut().entry(told.answer.name().to_owned()).or_default() += 1;
        same_answer(&step, &told)?;
        let account = account(&desk, &question, &told);
        let way = told.way.as_ref().unwrap();
        if let Some(guarded) = &way.guarded {
            prop_assert_eq!(step.note.rule.as_deref(), account.decides.as_deref());
            let before = account.passed_over.iter().map(|(name, why)| (name.clone(), !why.is_empty())).collect::<Vec<_>>();
            let decides: Vec<_> = account.decides.as_deref().unwrap().split(", ").collect();
            prop_assert_eq!(decides.len(), guarded.together);
            *kinds.borrow_mut().entry((guarded.call.is_some(), decides.len() > 1)).or_default() += 1;
            let count = desk.settings().rules.all().iter().take_while(|rule| Some(&&*rule.name) != decides.last()).count();
            let others = (0..count).map(|index| format!("rules[{index}]")).filter(|name| !decides.contains(&name.as_str()));
            prop_assert_eq!(before, others.map(|name| (name, true)).collect::<Vec<_>>());
            let for_resource = desk.settings().resources.find(way.origin.as_ref().unwrap(), &way.request.as_ref().unwrap().path);
            prop_assert_eq!(account.resource.is_some(), for_resource.is_some());
            if let Some(report) = &guarded.condition {
                right(report)?;
                words_fit(report, &told.answer)?;
            }
        } else {
            prop_assert_eq!(step.note.rule.as_deref(), None);
        }
        if let (Decision::Forward(forward), Answer::LetThrough(explained)) = (&step.decision, &told.answer) {
            prop_assert_eq!(&forward.edits, &explained.edits);
            prop_assert_eq!((forward.private, account.adds.len()), (explained.private, forward.edits.add.len()));
        }
        Ok(())
    });
    let names = names.into_inner();
    // Requests that end in one way only would show little.
    for (name, least) in [("allowed", 500), ("denied", 500), ("sign_in", 80), ("answered", 10)] {
        assert!(names.get(name).is_some_and(|count| *count >= least), "{names:?}");
    }
    // The rules were asked what a request calls, and several of them together.
    let kinds = kinds.into_inner();
    assert!([(true, false), (true, true)].iter().all(|kind| kinds.get(kind).is_some_and(|count| *count >= 30)), "{kinds:?}");
}

fn same_answer(step: &Step, told: &Told) -> Result<(), TestCaseError> {
    let reason = told.answer.reason().map_or("", Reason::id);
    match &step.decision {
        Decision::Forward(_) => prop_assert!(told.answer.is_let_through(), "{:?} {:?}", told.answer, step.events),
        Decision::Respond(_) => {
            prop_assert_eq!((told.answer.status(), reason), (Some(outcome(step).0), outcome(step).1), "{:?}", step.events);
        }
        Decision::Call(..) | Decision::Await { .. } | Decision::ReadBody { .. } => {
            prop_assert_eq!(told.answer.name(), "unfinished");
        }
    }
    Ok(())
}

/// The parts of a report agree with the whole.
fn right(report: &Report) -> Result<(), TestCaseError> {
    let holds: Vec<_> = report.parts.iter().map(|part| part.holds).collect();
    let met = match report.joined {
        Joined::Alone => {
            prop_assert!(holds.is_empty() && !report.came.is_empty());
            return Ok(());
        }
        Joined::All => holds.iter().all(|holds| *holds == Holds::Yes),
        Joined::Any => holds.contains(&Holds::Yes),
        Joined::Not => holds == [Holds::No],
    };
    prop_assert_eq!(report.holds == Holds::Yes, met);
    report.parts.iter().try_for_each(right)
}

/// What the words call met is met.
fn words_fit(report: &Report, answer: &Answer) -> Result<(), TestCaseError> {
    let of_the_request = [Reason::CrossSite, Reason::TokenAmbiguous, Reason::McpFieldsInvalid, Reason::McpVersionRefused];
    let refused_before = answer.reason().is_some_and(|reason| of_the_request.contains(&reason));
    if !refused_before {
        prop_assert_eq!(answer.is_let_through(), report.holds == Holds::Yes, "{:?} {:?}", answer, report);
    }
    Ok(())
}

fn run<S: Strategy>(inputs: &S, test: impl Fn(S::Value) -> Result<(), TestCaseError>)
where
    S::Value: std::fmt::Debug,
{
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(REQUESTS);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    if let Err(why) = runner.run(inputs, test) {
        panic!("{why}");
    }
}
