//! Accredit: a sign-in gateway for Envoy, in one WebAssembly filter.
//!
//! Requests come in as values, decisions go out as values; everything between is a function that can be read, tested and
//! trusted without Envoy. The modules are called rooms, and stand on floors: a room uses only rooms on lower floors.
//!
//! | floor | room | what it knows |
//! |---|---|---|
//! | 0 | [`words`] | the vocabulary: reasons, principals, secrets, the format of what only we read, the [`words::world::World`] |
//! | 1 | [`crypto`], [`http`] | signatures and sealing; requests, responses and calls as values |
//! | 2 | [`oidc`], [`session`], [`access`], [`answer`], [`accounts`], [`revocations`] | OpenID Connect; what a session holds and how a browser carries it; who may go where; what a refusal says; the user service; the store of what has ended |
//! | 3 | [`config`] | what an operator writes, and every way it can be wrong |
//! | 4 | [`step`] | what a journey (the code that handles one kind of request) returns, as values: what it decides, waits for, and is stopped by |
//! | 5 | [`upkeep`] | the background: metadata, keys and sessions' tokens are fetched and renewed |
//! | 6 | [`authenticate`] | from the credential that a request carries to who is asking |
//! | 7 | [`sign_in`] | from the authorization request to a session, a page's token or a popup's message |
//! | 8 | [`gateway`] | which journey a request takes, and how it goes on after a wait |
//! | 9 | `shell` | Envoy's callbacks and host calls; no decision about identity (WebAssembly only) |
//! | 9 | `cli` | the command `accredit`, which asks the same code without Envoy (native only) |

// In tests, arithmetic and slices of strings may panic. The library itself is linted without this exception.
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::string_slice))]

pub mod access;
pub mod accounts;
pub mod answer;
pub mod authenticate;
#[cfg(not(target_arch = "wasm32"))]
pub mod cli;
pub mod config;
pub mod crypto;
pub mod gateway;
pub mod http;
pub mod oidc;
pub mod revocations;
pub mod session;
#[cfg(target_arch = "wasm32")]
mod shell;
pub mod sign_in;
pub mod step;
pub mod upkeep;
pub mod words;
