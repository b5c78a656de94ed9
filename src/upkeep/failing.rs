//! Something that fails again and again: since when, and whether the log is told once more. What fails is not known here.

use std::time::Duration;

use crate::words::time::Timestamp;

/// A failure that lasts is told in the log at most once in this time.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// Since when something fails, and when that was told last.
#[derive(Default)]
pub(super) struct Failing(Option<(Timestamp, Timestamp)>);

impl Failing {
    /// Notes a failure. Returns whether the log is told.
    pub(super) fn failed(&mut self, now: Timestamp) -> bool {
        let told = self.0.map(|(_, told)| told).filter(|told| now.since(*told) < TOLD_EVERY);
        self.0 = Some((self.0.map_or(now, |(since, _)| since), told.unwrap_or(now)));
        told.is_none()
    }

    /// Notes that it works. Returns for how long it had failed, if it had.
    pub(super) fn works(&mut self, now: Timestamp) -> Option<Duration> {
        self.0.take().map(|(since, _)| now.since(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_that_lasts_is_told_once_a_minute_and_again_when_it_ends() {
        let at = Timestamp::from_seconds;
        let mut failing = Failing::default();
        assert_eq!(failing.works(at(1)), None);
        let told: Vec<_> = (10..150).filter(|second| failing.failed(at(*second))).collect();
        assert_eq!(told, [10, 70, 130]);
        assert_eq!((failing.works(at(150)), failing.works(at(151))), (Some(Duration::from_secs(140)), None));
        assert!(failing.failed(at(152)));
    }
}
