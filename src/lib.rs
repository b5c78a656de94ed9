//! Accredit: a sign-in gateway for Envoy, in one WebAssembly filter.
//!
//! Requests come in as values, decisions go out as values; everything between is a function that can be read, tested and
//! trusted without Envoy. The rooms, from the ground floor up; each uses only rooms on lower floors:
//!
//! | floor | room | what it knows |
//! |---|---|---|
//! | 0 | [`words`] | the vocabulary: reasons, principals, secrets, how we write to ourselves, the [`words::world::World`] |
//! | 1 | [`crypto`], [`http`] | signatures and sealing; requests, responses and calls as values |
//! | 2 | [`oidc`], [`session`], [`access`], [`answer`], [`accounts`] | the protocol; what a browser carries; who may go where; what is said instead; the user service |
//! | 3 | [`config`] | what an operator writes, and every way it can be wrong |
//! | 4 | [`step`] | what a journey may say: values only |
//! | 5 | [`upkeep`] | what is kept of providers and sessions without anybody asking |
//! | 6 | [`authenticate`] | from what a request carries to who is asking |
//! | 7 | [`sign_in`] | from "please sign in" to a session, a page's token or a popup's message |
//! | 8 | [`gateway`] | which journey a request takes, and how it goes on after a wait |
//! | 9 | `shell` | Envoy's callbacks and host calls; no decision about identity (WebAssembly only) |

// The library itself is linted without this; tests may count.
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::string_slice))]

pub mod access;
pub mod accounts;
pub mod answer;
pub mod authenticate;
pub mod config;
pub mod crypto;
pub mod gateway;
pub mod http;
pub mod oidc;
pub mod session;
#[cfg(target_arch = "wasm32")]
mod shell;
pub mod sign_in;
pub mod step;
pub mod upkeep;
pub mod words;
