//! Whole journeys as values, under virtual time, on a stage: a worker, a provider and a browser, none of which acts by itself.
//! No Envoy is needed.

mod browser;
mod hung_up;
mod made_up;
mod provider;
mod stage;
mod user_service;

mod arbitrary;
mod background;
mod bearer;
mod bodies;
mod callback;
mod earlier_build;
mod elsewhere;
mod endpoints;
mod exchange;
mod fair;
mod first_visit;
mod form_post;
mod identity_jwt;
mod introspection;
mod keys;
mod matching;
mod new_tokens;
mod odd_refresh;
mod password;
mod popup;
mod popup_answers;
mod provider_errors;
mod refresh;
mod repeated;
mod roles;
mod rules;
mod session_jwt;
mod sessions;
mod sign_in;
mod sign_out;
mod signed_out;
mod signed_userinfo;
mod silence;
mod speculative;
mod step_up;
mod torn;
mod verified;
mod written_keys;
