//! Envoy's side of the house: callbacks in, host calls out, and not one decision about identity.

mod bodies;
mod calls;
mod current;
mod host;
mod host_calls;
mod house;
mod progress;
mod queues;
mod report;
mod root;
mod stream;
mod unanswered;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(proxy_wasm::types::LogLevel::Info);
    proxy_wasm::set_root_context(|id| Box::new(root::Root::new(id)));
}}
