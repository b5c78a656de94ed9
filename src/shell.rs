//! Connects the gateway with Envoy: takes Envoy's callbacks, and makes host calls. It never decides about identity or access.

mod bodies;
mod calls;
mod current;
mod host;
mod host_calls;
mod progress;
mod queues;
mod report;
mod root;
mod runner;
mod stream;
mod timer;
mod unanswered;

/// The allocator, the one `static`: it hands out memory, and no code can find there what another configuration stored.
#[global_allocator]
static ALLOCATOR: ::dlmalloc::GlobalDlmalloc = ::dlmalloc::GlobalDlmalloc;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(proxy_wasm::types::LogLevel::Info);
    proxy_wasm::set_root_context(|id| Box::new(root::Root::new(id)));
}}
