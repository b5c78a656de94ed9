//! Reports to Envoy what happened: counters, histograms and gauges, audit lines, filter state for the access log. It does not know
//! what an event means: each has its own metric and audit line.

use std::borrow::Cow;
use std::cell::RefCell;

use proxy_wasm::types::{LogLevel, MetricType};

use crate::config::settings::FilterState;
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

/// The metrics that were defined so far, with their ids, in the order in which they were first needed: frequent ones soon stand
/// in front. There cannot be many, because their names come from a closed list.
#[derive(Default)]
pub(super) struct Metrics(RefCell<Vec<(Cow<'static, str>, u32)>>);

impl Metrics {
    /// Measures events and writes their audit lines.
    pub(super) fn report(&self, events: &[Event]) {
        for event in events {
            self.measure(event.metric());
            if let Some(line) = audit::line(event) {
                log(if event.is_trouble() { LogLevel::Warn } else { LogLevel::Info }, &line);
            }
        }
    }

    fn measure(&self, Metric { name, change }: Metric) {
        let Ok(mut defined) = self.0.try_borrow_mut() else { return };
        // Most names are constants of the program, found quickly by their address; the others by their text.
        let found = defined.iter().find(|(other, _)| std::ptr::eq(&**other, &*name));
        let id = match found.or_else(|| defined.iter().find(|(other, _)| *other == name)) {
            Some((_, id)) => *id,
            None => {
                let kind = match change {
                    Change::OneMore => MetricType::Counter,
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
            Change::OneMore => host_calls::increment(id),
            Change::Sample(value) | Change::Level(value) => host_calls::record(id, value),
        };
    }
}

/// Sets the filter state of the stream in effect: what Envoy's access log can print, as far as `wanted` says.
pub(super) fn note(note: &Note, wanted: FilterState) {
    for (name, wanted, text) in [(SUBJECT, wanted.subject, &note.subject), (RULE, wanted.rule, &note.rule)] {
        if let (true, Some(text)) = (wanted, text) {
            let _ = host_calls::set_property(name, escape_invisible(text).as_bytes());
        }
    }
}

/// Writes a line to Envoy's log, with control and invisible characters escaped.
pub(super) fn log(level: LogLevel, line: &str) {
    let _ = host_calls::log(level, &escape_invisible(line));
}
