//! A filter without any decision: its cost is only that of being called. It lets every request pass without reading it. If it has a
//! configuration, it makes the same host calls as Accredit for a remembered session, with fixed texts.

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, MapType, MetricType};

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Root { counters: None }));
}}

struct Root {
    counters: Option<[u32; 2]>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        let counter = |name| hostcalls::define_metric(MetricType::Counter, name).unwrap_or_default();
        self.counters = (size > 0).then(|| ["noop_remembered", "noop_forwarded"].map(counter));
        true
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        Some(match self.counters {
            None => Box::new(Nothing),
            Some(counters) => Box::new(Calls { counters }),
        })
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Nothing;

impl Context for Nothing {}

impl HttpContext for Nothing {}

struct Calls {
    counters: [u32; 2],
}

impl Context for Calls {}

impl HttpContext for Calls {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let headers = hostcalls::get_map_bytes(MapType::HttpRequestHeaders).unwrap_or_default();
        if headers.is_empty() || hostcalls::get_current_time().is_err() {
            return Action::Pause;
        }
        for counter in self.counters {
            let _ = hostcalls::increment_metric(counter, 1);
        }
        for (name, value) in IDENTITY {
            let _ = hostcalls::set_map_value(MapType::HttpRequestHeaders, name, Some(value));
        }
        let _ = hostcalls::remove_map_value(MapType::HttpRequestHeaders, "cookie");
        let _ = hostcalls::set_map_value(MapType::HttpRequestHeaders, "cache-control", Some("no-store"));
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let _ = hostcalls::get_map_bytes(MapType::HttpResponseHeaders);
        Action::Continue
    }
}

/// A person in 15 groups, as long as the header in the other lines of the bench.
const IDENTITY: [(&str, &str); 4] = [
    ("x-forwarded-user", "f3b1c9d2-7a64-4e0b-9c55-0d1e2f3a4b5c"),
    ("x-forwarded-email", "alice.example@example.com"),
    ("x-forwarded-preferred-username", "alice"),
    (
        "x-forwarded-groups",
        "team-002-members,team-003-members,team-004-members,team-005-members,team-006-members,team-007-members,team-008-members,\
         team-009-members,team-010-members,team-011-members,team-012-members,team-013-members,team-014-members,team-015-members,\
         oracle-ai-users",
    ),
];
