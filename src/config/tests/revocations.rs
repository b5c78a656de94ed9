use super::*;

#[test]
fn sessions_are_refused_only_after_a_time_within_which_the_store_can_be_read() {
    for (when_stale, stale_after, timeout, refused) in [
        ("refuse", "5s", "1s", None),
        ("refuse", "4s", "1s", Some("found 4s; write 5s")),
        ("refuse", "1s", "1s", Some("found 1s; write 5s")),
        ("refuse", "10s", "3500ms", None),
        ("refuse", "10s", "4s", Some("found 10s; write 11s")),
        ("accept", "1s", "10s", None),
    ] {
        let redis = json!({"cluster": "redis", "timeout": timeout});
        let revocations = json!({"redis": redis, "when_stale": when_stale, "stale_after": stale_after});
        let loaded = load_json(&with("/revocations", revocations));
        let told = loaded.err().map(|refusals| refusals.to_string());
        match refused {
            None => assert_eq!(told, None),
            Some(words) => {
                let sentence = "revocations.stale_after: expected at least 3s and twice redis.timeout with refuse, ";
                let told = told.unwrap();
                assert!(told.contains(sentence) && told.contains(words), "{told}");
            }
        }
    }
}
