//! Fuzzes a provider's replies to every kind of call: the first two bytes are the status, the rest is the body. None may sign
//! anybody in.

#![no_main]

use accredit::gateway::pending::{AfterReply, PendingCall, PendingWait};
use accredit::http::message::Reply;
use accredit::oidc::id_token::IdToken;
use accredit::oidc::token::tokens::{Lifetime, TokenSet};
use accredit::sign_in::redeem::userinfo::{AskingUserinfo, UnverifiedUserinfo};
use accredit::sign_in::redeem::{AfterNews, SignInCall};
use accredit::sign_in::under_way::newer_keys::KeyFetch;
use accredit::sign_in::under_way::proved::{Exchanged, Proved};
use accredit::step::decision::News;
use accredit::words::principal::Claims;
use accredit::words::secret::Secret;
use accredit_fuzz::{Worker, answer, check, exchanging};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((status, body)) = bytes.split_first_chunk::<2>() else { return };
    // Two numbers stand for calls without a reply.
    let reply = match u16::from_be_bytes(*status) {
        0 => Reply::Reset,
        1 => Reply::NotSent,
        status => answer(status, body),
    };
    let mut worker = Worker::ready();
    let (exchanging, _) = exchanging(&mut worker);
    for fetch in std::mem::take(&mut worker.fetches) {
        drop(format!("{:?}", worker.gateway.fetch_answered(&mut worker.world, &fetch, &reply)));
    }
    check(&worker.gateway.resume_call(&mut worker.world, exchanging.clone(), &reply));
    let PendingCall { visit, then } = exchanging;
    let AfterReply::SigningIn(SignInCall::TokenEndpoint(attempt)) = then else { return };

    // An arbitrary ID token in a good token response.
    let text = String::from_utf8_lossy(body).into_owned();
    let exchanged = Exchanged { attempt: *attempt, tokens: tokens(text) };
    let verifying = PendingWait { visit: visit.clone(), then: AfterNews::Verifying(Box::new(exchanged.clone())) };
    check(&worker.gateway.resume_wait(&mut worker.world, verifying, News::Ready));

    // An arbitrary userinfo response, for a subject that no input contains.
    let subject = "nobody can guess this subject".to_owned();
    let expires = worker.world.now;
    let id_token = IdToken { claims: Claims::new(), subject, sid: None, auth_time: None, expires };
    let Exchanged { attempt, tokens } = exchanged;
    let proved = Proved { attempt, tokens, id_token };
    let waiting = Box::new(AskingUserinfo { proved: proved.clone(), key_fetch: KeyFetch::NotTried });
    let asking = PendingCall { visit: visit.clone(), then: AfterReply::SigningIn(SignInCall::UserinfoEndpoint(waiting)) };
    check(&worker.gateway.resume_call(&mut worker.world, asking, &reply));
    let unverified = Box::new(UnverifiedUserinfo { proved, reply });
    let verifying = PendingWait { visit, then: AfterNews::VerifyingUserinfo(unverified) };
    check(&worker.gateway.resume_wait(&mut worker.world, verifying, News::Ready));
});

fn tokens(id_token: String) -> TokenSet {
    TokenSet {
        access_token: Secret::new("access"),
        id_token: Secret::new(id_token),
        refresh_token: None,
        expires_in: Lifetime::NotSaid,
        provider_clock: None,
    }
}
