//! Which names a session has, in each of their groups.

use super::*;
use crate::session::ended::names::{Kind, names};

#[test]
fn a_session_has_every_name_under_each_key_and_in_the_group_that_is_looked_up_for_it() {
    let keys = keys(&[1, 2]);
    let verified = serde_json::json!({"email": "a@EXAMPLE.com", "email_verified": true});
    for (sid, claims) in
        [(None, serde_json::json!({})), (Some("s1"), serde_json::json!({})), (None, verified.clone()), (Some("s1"), verified)]
    {
        let address = claims.get("email").map(|_| "a@example.com");
        let mut session = of("idp", "alice", sid);
        session.claims = std::rc::Rc::new(claims.as_object().unwrap().clone());
        let found = ended(&[1, 2]).names(&session);
        let all = |list: &[(Kind, &[&str])]| list.iter().flat_map(|(kind, parts)| names(&keys, *kind, parts)).collect::<Vec<_>>();

        let own = all(&[(Kind::Session, &[&session.id])]);
        let person = all(&[(Kind::Person, &["idp", "alice"])]);
        let without_sid = if sid.is_none() { all(&[(Kind::PersonWithoutSid, &["idp", "alice"])]) } else { Vec::new() };
        let of_sid = sid.map(|sid| all(&[(Kind::AtProvider, &["idp", sid])])).unwrap_or_default();
        let at_provider = [own.clone(), person, without_sid, of_sid.clone()].concat();
        assert_eq!((found.own(), found.provider_session(), found.at_provider()), (&own[..], &of_sid[..], &at_provider[..]));

        let mut reported = at_provider;
        for (sub, with_sid, with_address) in
            [(1, 1, 1), (1, 1, 0), (1, 0, 1), (0, 1, 1), (0, 0, 1)].map(|(sub, sid, address)| (sub == 1, sid == 1, address == 1))
        {
            if (!with_sid || sid.is_some()) && (!with_address || address.is_some()) {
                let [sub, sid, address] = [sub.then_some("alice"), sid.filter(|_| with_sid), address.filter(|_| with_address)];
                reported.extend(all(&[(Kind::Matching, &["idp", sub.unwrap_or(""), sid.unwrap_or(""), address.unwrap_or("")])]));
            }
        }
        assert_eq!(found.reported(), reported, "{sid:?} {claims}");

        let here = all(&[
            (Kind::PersonHere, &["idp", "alice"]),
            (Kind::SubjectHere, &["idp", "alice"]),
            (Kind::EverybodyHere, &["idp"]),
        ]);
        assert_eq!((found.here(), found.everybody()), (&here[..], &all(&[(Kind::EverybodyHere, &[""])])[..]));
    }
}
