//! Reports to Envoy what happened: counters, histograms and gauges, audit lines, filter state for the access log. It does not know
//! what an event means: each has its own metric and audit line.

use std::borrow::Cow;
use std::cell::RefCell;

use proxy_wasm::types::{LogLevel, MetricType};

use crate::config::settings::{Audit, FilterState};
use crate::shell::host::client_address;
use crate::shell::host_calls;
use crate::step::audit;
use crate::step::decision::Note;
use crate::step::event::Event;
use crate::step::metric::{Change, Metric};
use crate::words::quote::escape_invisible;

/// The filter state that Envoy's access log prints as `wasm.accredit.subject`.
const SUBJECT: &str = "accredit.subject";

/// The filter state that Envoy's access log prints as `wasm.accredit.rule`.
const RULE: &str = "accredit.rule";

/// The filter state that Envoy's access log prints as `wasm.accredit.audit`.
const AUDIT: &str = "accredit.audit";

/// Reports what happens under one configuration.
pub(super) struct Reporter {
    audit: Audit,
    filter_state: FilterState,
    /// The metrics that were defined so far, with their ids, in the order in which they were first needed: frequent ones soon
    /// stand in front. There cannot be many, because their names come from a closed list.
    defined: RefCell<Vec<(Cow<'static, str>, u32)>>,
}

impl Reporter {
    /// `audit` and `filter_state` say what is told.
    pub(super) fn new(audit: Audit, filter_state: FilterState) -> Self {
        Self { audit, filter_state, defined: RefCell::default() }
    }

    /// Measures events and writes their audit lines.
    pub(super) fn report(&self, events: &[Event]) {
        for event in events {
            self.measure(event.metric());
            let Some(line) = audit::json(event, &self.audit, &client_address) else { continue };
            log(if event.is_trouble() { LogLevel::Warn } else { LogLevel::Info }, &[audit::PREFIX, &line].concat());
            if self.filter_state.audit {
                leave(&line);
            }
        }
    }

    /// Sets the filter state of the stream in effect: what Envoy's access log can print, as far as it is wanted.
    pub(super) fn note(&self, note: &Note) {
        let wanted = self.filter_state;
        for (name, wanted, text) in [(SUBJECT, wanted.subject, &note.subject), (RULE, wanted.rule, &note.rule)] {
            if let (true, Some(text)) = (wanted, text) {
                let _ = host_calls::set_property(name, escape_invisible(text).as_bytes());
            }
        }
    }

    fn measure(&self, Metric { name, change }: Metric) {
        let Ok(mut defined) = self.defined.try_borrow_mut() else { return };
        // Most names are constants of the program, found quickly by their address; the others by their text.
        let found = defined.iter().find(|(other, _)| std::ptr::eq(&**other, &*name));
        let id = match found.or_else(|| defined.iter().find(|(other, _)| *other == name)) {
            Some((_, id)) => *id,
            None => {
                let kind = match change {
                    Change::More(_) => MetricType::Counter,
                    Change::Sample(_) => MetricType::Histogram,
                    Change::Level(_) => MetricType::Gauge,
                };
                let Ok(id) = host_calls::define_metric(kind, &name) else { return };
                defined.push((name, id));
                id
            }
        };
        // If the host refuses, the request goes on all the same.
        let _ = match change {
            Change::More(number) => host_calls::increment(id, number),
            Change::Sample(value) | Change::Level(value) => host_calls::record(id, value),
        };
    }
}

/// Leaves a line with the stream in effect, behind those that are there, as members of a JSON array. Events of the background have
/// no stream: then the host refuses.
fn leave(line: &str) {
    let before = host_calls::property(AUDIT).ok().flatten();
    let lines: Vec<_> = before.as_deref().into_iter().chain([line.as_bytes()]).collect();
    let _ = host_calls::set_property(AUDIT, &lines.join(&b','));
}

/// Writes a line to Envoy's log, with control and invisible characters escaped.
pub(super) fn log(level: LogLevel, line: &str) {
    let _ = host_calls::log(level, &escape_invisible(line));
}
