//! How moments are written for people.

use std::time::{Duration, UNIX_EPOCH};

use crate::words::time::Timestamp;

/// The latest moment that is written as a date: the end of the year 9999.
const LATEST: u64 = 253_402_300_799;

/// A moment as `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7). One after the year 9999 is written in seconds since 1970.
pub(super) fn moment(time: Timestamp) -> String {
    let seconds = time.seconds();
    match UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).filter(|_| seconds <= LATEST) {
        Some(time) => httpdate::fmt_http_date(time),
        None => format!("{seconds} seconds after 1970"),
    }
}
