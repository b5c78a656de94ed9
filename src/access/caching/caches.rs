//! Fields of a response that tell caches to keep it, beside `Cache-Control`. Whether a cache may keep it is not decided here.

/// Fields that some cache obeys before `Cache-Control`, or beside it: Fastly, Varnish and others of the Edge Architecture
/// (`surrogate-control`), Akamai (`edge-control`), nginx (`x-accel-expires`), Cloudflare's WordPress cache (`cf-edge-cache`).
const BY_NAME: [&str; 5] = ["expires", "surrogate-control", "edge-control", "x-accel-expires", "cf-edge-cache"];

/// How the names of fields end that say the same as `Cache-Control` to one kind of cache (RFC 9213, section 2.2):
/// `cdn-cache-control`, `cloudflare-cdn-cache-control`, `akamai-cache-control`, `x-litespeed-cache-control` and those that are
/// still to be invented.
const TARGETED: &str = "-cache-control";

/// Whether a field of a response, its name in lower case, can tell a cache to keep what `Cache-Control` forbids. Where Accredit
/// writes `Cache-Control`, such a field must be removed.
pub fn speaks_past_cache_control(name: &[u8]) -> bool {
    name.ends_with(TARGETED.as_bytes()) || BY_NAME.iter().any(|listed| listed.as_bytes() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_field_of_a_vendor_makes_a_cache_keep_an_answer_that_is_for_one_person() {
        for name in [
            "expires",
            "cdn-cache-control",
            "surrogate-control",
            "cloudflare-cdn-cache-control",
            "akamai-cache-control",
            "vercel-cdn-cache-control",
            "netlify-cdn-cache-control",
            "x-litespeed-cache-control",
            "x-accel-expires",
            "edge-control",
            "cf-edge-cache",
        ] {
            assert!(speaks_past_cache_control(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn other_fields_stay() {
        for name in ["cache-control", "set-cookie", "vary", "etag", "age", "cache-status", "surrogate-key", "cache-tag"] {
            assert!(!speaks_past_cache_control(name.as_bytes()), "{name}");
        }
    }
}
