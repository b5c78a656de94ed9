use super::stage::{CLIENT_SECRET, KEY, Stage, Worker, changed, document, forwarded, query_parameters};
use crate::authenticate::identity::Identity;
use crate::authenticate::session::authenticate;
use crate::config;
use crate::gateway::pending::Step;
use crate::http::message::{Headers, Request};
use crate::step::audit;
use crate::step::decision::Decision;
use crate::step::visit::Visit;
use serde_json::json;
use std::time::Duration;

/// Everything that could be printed, and every secret that must not be in it.
#[derive(Default)]
struct Record {
    printed: Vec<String>,
    secrets: Vec<String>,
}

impl Record {
    fn step(&mut self, step: &Step) {
        self.printed.push(format!("{step:?}"));
        self.printed.extend(step.events.iter().filter_map(audit::line));
        self.printed.extend(step.events.iter().map(|event| event.metric().name.into_owned()));
        if let Decision::Respond(response) = &step.decision {
            let cookies = response.headers.iter().filter(|(name, _)| name == "set-cookie");
            let values = cookies.filter_map(|(_, cookie)| Some(cookie.split(';').next()?.split_once('=')?.1.to_owned()));
            self.secrets.extend(values);
        }
    }

    /// Goes on with a request as [`Stage::settle`] does, and records every step.
    fn send(&mut self, stage: &mut Stage, headers: Headers) -> Step {
        let mut step = stage.worker.begin(headers);
        loop {
            self.step(&step);
            step = match step.decision {
                Decision::Forward(_) | Decision::Respond(_) => return step,
                Decision::ReadBody { .. } => panic!("no body is read on this way"),
                Decision::Call(call, pending) => {
                    self.secrets.push(String::from_utf8_lossy(&call.body).into_owned());
                    self.secrets
                        .extend(call.headers.iter().filter(|(name, _)| *name == "authorization").map(|(_, value)| value.clone()));
                    let reply = stage.provider.answer(&call, stage.worker.world.now);
                    self.printed.push(format!("{reply:?}"));
                    stage.worker.resume(*pending, reply)
                }
                Decision::Await { resource, until, pending } => {
                    let mut news = stage.worker.news(&resource, until);
                    while news.is_none() {
                        let upkeep = stage.worker.tick();
                        self.printed.push(format!("{upkeep:?}"));
                        for fetch in upkeep.fetches {
                            self.secrets.push(String::from_utf8_lossy(&fetch.call.body).into_owned());
                            let reply = stage.provider.answer(&fetch.call, stage.worker.world.now);
                            let upkeep = stage.worker.fetch_answered(&fetch, &reply);
                            self.printed.push(format!("{upkeep:?}"));
                        }
                        stage.worker.wait(std::time::Duration::from_millis(20));
                        news = stage.worker.news(&resource, until);
                    }
                    stage.worker.resume(*pending, news.unwrap())
                }
            };
        }
    }

    fn go(&mut self, stage: &mut Stage, headers: Headers) -> Step {
        let step = self.send(stage, headers);
        if let Decision::Respond(response) = &step.decision {
            stage.browser.take_response(response);
        }
        step
    }
}

/// A request that waits.
pub(super) fn visit(worker: &Worker, headers: Headers) -> Visit {
    let origin = worker.gateway.settings.origins[0].clone();
    Visit::new(worker.world.now, Duration::ZERO, Request::from_headers(headers).unwrap(), origin, "r-1".into())
}

/// Who is asking with this browser, as the gateway finds out.
fn identity(stage: &mut Stage) -> Identity {
    let visit = visit(&stage.worker, stage.browser.navigate("/page"));
    let Worker { gateway, world } = &mut stage.worker;
    let (verified, renewal) = authenticate(&mut gateway.scene(world), &visit, &mut Vec::new()).unwrap();
    Identity::Known(verified, renewal)
}

#[test]
fn nothing_that_is_printed_on_the_way_holds_a_code_a_token_a_cookie_or_a_secret() {
    let mut document = changed(document(), "/forward", json!({"access_token": true, "id_token": true}));
    document["logout"] = json!({"provider": true});
    document["providers"][0]["userinfo"] = json!(true);
    let mut stage = Stage::new(&document);
    stage.provider.issues_refresh_tokens = true;
    stage.provider.token_response = json!({"expires_in": 1_800});
    let mut record = Record::default();
    record.secrets.extend([CLIENT_SECRET, KEY].map(str::to_owned));
    record.printed.push(format!("{:?}", config::load(document.to_string().as_bytes(), &|_| None).unwrap()));

    let visit = stage.browser.send("GET", "/page", &[("sec-fetch-mode", "navigate"), ("authorization", "Bearer of-the-client")]);
    record.secrets.push("of-the-client".into());
    let sent = record.go(&mut stage, visit);
    let address = super::stage::location(&sent).to_owned();
    let asked = query_parameters(address.split_once('?').map(|(_, query)| query));
    record.secrets.extend(["state", "nonce", "code_challenge"].map(|name| asked[name].clone()));
    let callback = stage.provider.agree(&address);
    let back = stage.browser.navigate(&callback);
    record.go(&mut stage, back);
    stage.browser.jar.insert("theirs".into(), ("a-cookie-of-the-application".into(), "/".into()));
    record.secrets.push("a-cookie-of-the-application".into());
    let page = stage.browser.navigate("/page");
    record.go(&mut stage, page);
    record.printed.push(format!("{:?}", identity(&mut stage)));
    stage.worker.wait(std::time::Duration::from_secs(1_200));
    let page = stage.browser.navigate("/page");
    let step = record.go(&mut stage, page);
    let renewal = forwarded(&step).renewal.clone().unwrap();
    record.printed.push(format!("{renewal:?}"));
    // The tokens have ended: the session waits for new ones.
    stage.worker.wait(std::time::Duration::from_secs(600));
    let page = stage.browser.navigate("/page");
    let step = record.go(&mut stage, page);
    assert_eq!(stage.provider.refreshes, 1);
    record.printed.push(format!("{:?}", forwarded(&step).renewal));
    // Failures print no more than successes do.
    let replayed = stage.browser.navigate(&callback);
    record.go(&mut stage, replayed);
    stage.browser.jar.insert("__Host-accredit".into(), ("a-forged-session".into(), "/".into()));
    record.secrets.push("a-forged-session".into());
    let forged = stage.browser.script("GET", "/page?token=in-the-query");
    record.secrets.push("in-the-query".into());
    record.go(&mut stage, forged);
    let logout = stage.browser.navigate("/api/logout");
    record.go(&mut stage, logout);

    record.secrets.extend(stage.provider.secrets.iter().cloned());
    record.secrets.retain(|secret| secret.len() > 3);
    assert!(record.secrets.len() >= 15 && record.printed.len() > 20);
    for secret in &record.secrets {
        for printed in &record.printed {
            assert!(!printed.contains(secret.as_str()), "{secret} is in {printed}");
        }
    }
}
