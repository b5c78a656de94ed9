//! Fuzzes configurations: JSON, or an encoded `google.protobuf.Struct`. One that loads gets a request and two ticks; nothing may
//! panic.

#![no_main]

use accredit::config;
use accredit::gateway::Gateway;
use accredit::http::message::{Following, Headers};
use accredit_fuzz::{Still, navigation};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match config::load(bytes, &|name| Some(name.to_owned())) {
        Ok(settings) => {
            drop(format!("{settings:?}"));
            let mut world = Still::default();
            let Ok(mut gateway) = Gateway::new(&mut world, settings) else { panic!("there are random bytes") };
            drop(gateway.begin(&mut world, Headers::new(navigation("/page", "")), Following::Nothing));
            drop((gateway.tick(&mut world), gateway.tick(&mut world)));
        }
        Err(refusal) => assert!(!refusal.to_string().is_empty()),
    }
});
