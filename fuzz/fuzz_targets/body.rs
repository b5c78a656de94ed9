//! Fuzzes the bodies of requests to the token endpoint and to a callback by `form_post`: the first byte chooses which, the rest
//! is the body. None may lead to anything but a refusal.

#![no_main]

use accredit::http::body::Body;
use accredit::step::decision::{BodyNews, Decision};
use accredit_fuzz::{CONFIGURATION, check, with_worker_of};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((which, body)) = bytes.split_first() else { return };
    let (path, media_type) =
        if which % 2 == 0 { ("/api/token", "application/json") } else { ("/api/callback", "application/x-www-form-urlencoded") };
    let fields = [
        (":method", "POST"),
        (":authority", "app.example.com"),
        (":path", path),
        ("origin", "https://app.example.com"),
        ("content-type", media_type),
    ];
    let provider = "\"userinfo\": true, \"response_mode\": \"form_post\", \"redirect_uri\": \"https://app.example.com/page\"";
    let endpoints = "\"endpoints\": {\"authorize\": \"/api/authorize\", \"token\": \"/api/token\"}, \"logout\":";
    let configuration = CONFIGURATION.replace("\"userinfo\": true", provider).replace("\"logout\":", endpoints);
    with_worker_of(&configuration, |worker| {
        let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).collect();
        let Decision::ReadBody { pending, .. } = worker.begin(fields).decision else { panic!("not read") };
        let step = worker.gateway.resume_body(&mut worker.world, *pending, BodyNews::Came(Body::Read(body.to_vec().into())));
        check(&step);
        let Decision::Respond(response) = step.decision else { panic!("a body of a stranger went on") };
        assert_eq!(response.status, 400);
    });
});
