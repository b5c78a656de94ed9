//! Tells Envoy what happened: counters, audit lines, filter state for the access log. What an event is called, and what may be
//! said of it, the event knows.

use std::borrow::Cow;
use std::cell::RefCell;

use proxy_wasm::types::LogLevel;

use crate::config::settings::FilterState;
use crate::shell::host_calls;
use crate::step::decision::Note;
use crate::step::event::Event;
use crate::words::quote::escape_invisible;

/// Filter state, as `wasm.accredit.subject` in Envoy's access log.
const SUBJECT: &str = "accredit.subject";

/// Filter state, as `wasm.accredit.rule` in Envoy's access log.
const RULE: &str = "accredit.rule";

/// Counters that were defined already, in the order in which they were first needed: what happens all the time stands in front.
/// Their names come from a closed list.
#[derive(Default)]
pub(super) struct Counters(RefCell<Vec<(Cow<'static, str>, u32)>>);

impl Counters {
    /// Counts events and writes their audit lines.
    pub(super) fn report(&self, events: &[Event]) {
        for event in events {
            self.count(event.counter());
            if let Some(line) = event.audit() {
                log(if event.is_trouble() { LogLevel::Warn } else { LogLevel::Info }, &line);
            }
        }
    }

    fn count(&self, name: Cow<'static, str>) {
        let Ok(mut defined) = self.0.try_borrow_mut() else { return };
        // Most are texts of the program, found at the same address each time; whatever is not is compared.
        let found = defined.iter().find(|(other, _)| std::ptr::eq(&**other, &*name));
        let id = match found.or_else(|| defined.iter().find(|(other, _)| *other == name)) {
            Some((_, id)) => *id,
            None => {
                let Ok(id) = host_calls::define_counter(&name) else { return };
                defined.push((name, id));
                id
            }
        };
        // A counter that cannot be counted must not stop a request.
        let _ = host_calls::increment(id);
    }
}

/// Leaves on the current stream what Envoy's access log is to print of a note.
pub(super) fn note(note: &Note, wanted: FilterState) {
    for (name, wanted, text) in [(SUBJECT, wanted.subject, &note.subject), (RULE, wanted.rule, &note.rule)] {
        if let (true, Some(text)) = (wanted, text) {
            let _ = host_calls::set_property(name, escape_invisible(text).as_bytes());
        }
    }
}

/// Writes a line to Envoy's log, whatever strangers have to say in it.
pub(super) fn log(level: LogLevel, line: &str) {
    let _ = host_calls::log(level, &escape_invisible(line));
}
