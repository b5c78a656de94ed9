//! Host calls of proxy-wasm's ABI 0.2.1, each as a safe function that returns every status of the host as a value. They are not
//! the SDK's, because that stops the worker on statuses that it does not expect, allocates for every header, and leaves out the
//! details of a local response. Only HTTP calls and their replies are made by the SDK, which remembers the context of each call.
//! This file never decides what a call is used for.
//!
//! This is the only file that may use `unsafe`. The host reads what our pointers and sizes describe, and keeps nothing of it
//! after the call has returned. What it returns lies in memory that it got from `proxy_on_memory_allocate`, and is ours from then
//! on.

#![allow(unsafe_code, reason = "a host is called by pointers and sizes")]

use std::ptr::null_mut;
use std::time::Duration;

use proxy_wasm::types::{BufferType, LogLevel, MapType, MetricType, StreamType};

use crate::http::message::Headers;

/// Why the host refused a call: the statuses of the ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    NotFound,
    BadArgument,
    SerializationFailure,
    ParseFailure,
    BadExpression,
    InvalidMemoryAccess,
    Empty,
    CasMismatch,
    ResultMismatch,
    InternalFailure,
    BrokenConnection,
    Unimplemented,
    /// A status that the ABI does not have.
    Unknown,
}

type Done<T = ()> = Result<T, Refused>;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    // These take numbers and references to numbers only: every call is sound.
    safe fn proxy_get_current_time_nanoseconds(time: &mut u64) -> u32;
    safe fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    safe fn proxy_set_effective_context(id: u32) -> u32;
    safe fn proxy_continue_stream(stream: StreamType) -> u32;
    safe fn proxy_increment_metric(id: u32, by: i64) -> u32;
    safe fn proxy_record_metric(id: u32, value: u64) -> u32;

    fn proxy_log(level: LogLevel, line: *const u8, line_size: usize) -> u32;
    fn proxy_define_metric(kind: MetricType, name: *const u8, name_size: usize, id: &mut u32) -> u32;
    fn proxy_get_property(path: *const u8, path_size: usize, data: &mut *mut u8, size: &mut usize) -> u32;
    fn proxy_set_property(path: *const u8, path_size: usize, value: *const u8, value_size: usize) -> u32;
    fn proxy_get_buffer_bytes(buffer: BufferType, start: usize, most: usize, data: &mut *mut u8, size: &mut usize) -> u32;
    fn proxy_get_header_map_pairs(map: MapType, data: &mut *mut u8, size: &mut usize) -> u32;
    fn proxy_add_header_map_value(map: MapType, name: *const u8, name_size: usize, value: *const u8, value_size: usize) -> u32;
    fn proxy_replace_header_map_value(
        map: MapType,
        name: *const u8,
        name_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_remove_header_map_value(map: MapType, name: *const u8, name_size: usize) -> u32;
    fn proxy_get_shared_data(key: *const u8, key_size: usize, data: &mut *mut u8, size: &mut usize, version: &mut u32) -> u32;
    fn proxy_set_shared_data(key: *const u8, key_size: usize, value: *const u8, value_size: usize, version: u32) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc_status: i32,
    ) -> u32;
    fn proxy_call_foreign_function(
        name: *const u8,
        name_size: usize,
        arguments: *const u8,
        arguments_size: usize,
        data: &mut *mut u8,
        size: &mut usize,
    ) -> u32;
}

/// The time since 1970-01-01T00:00:00Z.
pub(super) fn now() -> Done<Duration> {
    let mut time = 0;
    done(proxy_get_current_time_nanoseconds(&mut time))?;
    Ok(Duration::from_nanos(time))
}

/// Sets the time between two ticks for the context in effect.
pub(super) fn set_tick_period(period: Duration) -> Done {
    done(proxy_set_tick_period_milliseconds(u32::try_from(period.as_millis()).unwrap_or(u32::MAX)))
}

/// Makes this context the one that further host calls concern.
pub(super) fn set_effective_context(id: u32) -> Done {
    done(proxy_set_effective_context(id))
}

/// Lets the paused request of the context in effect go on.
pub(super) fn continue_request() -> Done {
    done(proxy_continue_stream(StreamType::HttpRequest))
}

/// Writes a line to the host's log.
pub(super) fn log(level: LogLevel, line: &str) -> Done {
    // SAFETY: the pointer and the size are of one text, which outlives the call.
    done(unsafe { proxy_log(level, line.as_ptr(), line.len()) })
}

/// Defines a metric, or finds the one with this name; returns its id.
pub(super) fn define_metric(kind: MetricType, name: &str) -> Done<u32> {
    let mut id = 0;
    // SAFETY: the pointer and the size are of one text, which outlives the call.
    done(unsafe { proxy_define_metric(kind, name.as_ptr(), name.len(), &mut id) })?;
    Ok(id)
}

/// Increments a counter by a number.
pub(super) fn increment(id: u32, by: u64) -> Done {
    done(proxy_increment_metric(id, i64::try_from(by).unwrap_or(i64::MAX)))
}

/// Adds a sample to a histogram, or sets a gauge.
pub(super) fn record(id: u32, value: u64) -> Done {
    done(proxy_record_metric(id, value))
}

/// Reads a property by its path, whose parts are separated by zero bytes. `None` if it is absent or empty.
pub(super) fn property(path: &str) -> Done<Option<Vec<u8>>> {
    // SAFETY: the pointer and the size are of one text, which outlives the call; the host hands memory over by `data` and `size`.
    let value = unsafe { handed_over(|data, size| proxy_get_property(path.as_ptr(), path.len(), data, size)) };
    Ok(found(value)?.filter(|value| !value.is_empty()))
}

/// Sets a property (filter state) of the context in effect.
pub(super) fn set_property(path: &str, value: &[u8]) -> Done {
    // SAFETY: each pointer and the size behind it are of one slice, which outlives the call.
    done(unsafe { proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) })
}

/// Reads the first bytes of a buffer, not more than `most`.
pub(super) fn buffer(buffer: BufferType, most: usize) -> Done<Vec<u8>> {
    // SAFETY: the host hands memory over by `data` and `size`.
    unsafe { handed_over(|data, size| proxy_get_buffer_bytes(buffer, 0, most, data, size)) }
}

/// Reads all fields of a header map, without copying them one by one.
pub(super) fn headers(map: MapType) -> Done<Headers> {
    // SAFETY: the host hands memory over by `data` and `size`.
    let fields = unsafe { handed_over(|data, size| proxy_get_header_map_pairs(map, data, size)) }?;
    Headers::read(fields).ok_or(Refused::ParseFailure)
}

/// Adds a line, beside those with the same name.
pub(super) fn add_header(map: MapType, name: &str, value: &[u8]) -> Done {
    // SAFETY: each pointer and the size behind it are of one slice, which outlives the call.
    done(unsafe { proxy_add_header_map_value(map, name.as_ptr(), name.len(), value.as_ptr(), value.len()) })
}

/// Sets a field, in place of any lines with its name.
pub(super) fn set_header(map: MapType, name: &str, value: &[u8]) -> Done {
    // SAFETY: each pointer and the size behind it are of one slice, which outlives the call.
    done(unsafe { proxy_replace_header_map_value(map, name.as_ptr(), name.len(), value.as_ptr(), value.len()) })
}

/// Removes all lines of a field, if there are any.
pub(super) fn remove_header(map: MapType, name: &str) -> Done {
    // SAFETY: the pointer and the size are of one text, which outlives the call.
    done(unsafe { proxy_remove_header_map_value(map, name.as_ptr(), name.len()) })
}

/// Reads a value that all workers share, and its version.
pub(super) fn shared_data(key: &str) -> Done<Option<(Vec<u8>, u32)>> {
    let mut version = 0;
    // SAFETY: the pointer and the size are of one text, which outlives the call; the host hands memory over by `data` and `size`.
    let value = unsafe { handed_over(|data, size| proxy_get_shared_data(key.as_ptr(), key.len(), data, size, &mut version)) };
    let value = found(value)?;
    Ok(value.map(|value| (value, version)))
}

/// Writes a value that all workers share, if its version is still `version`; with 0, whatever its version is.
///
/// # Errors
/// [`Refused::CasMismatch`] if it has another version.
pub(super) fn set_shared_data(key: &str, value: &[u8], version: u32) -> Done {
    // SAFETY: each pointer and the size behind it are of one slice, which outlives the call.
    done(unsafe { proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), version) })
}

/// Answers the request of the context in effect. `details` becomes `%RESPONSE_CODE_DETAILS%`.
pub(super) fn send_local_response(status: u16, details: &str, headers: &[(String, String)], body: &str) -> Done {
    /// The host derives the gRPC status from the HTTP status.
    const NO_GRPC_STATUS: i32 = -1;
    let headers = serialized(headers);
    // SAFETY: each pointer and the size behind it are of one slice, which outlives the call.
    done(unsafe {
        proxy_send_local_response(
            status.into(),
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            NO_GRPC_STATUS,
        )
    })
}

/// Calls a foreign function: one that the host offers beyond the ABI.
pub(super) fn call_foreign_function(name: &str, arguments: &[u8]) -> Done<Vec<u8>> {
    let (input, input_size) = (arguments.as_ptr(), arguments.len());
    // SAFETY: each pointer and the size behind it are of one slice, which outlives the call; the host hands memory over by `data`
    // and `size`.
    unsafe { handed_over(|data, size| proxy_call_foreign_function(name.as_ptr(), name.len(), input, input_size, data, size)) }
}

/// Makes a host call that returns memory by its two arguments, and takes the memory over. Empty if the host leaves the pointer
/// null.
///
/// # Safety
/// `call` passes both arguments on to a host call. If that succeeds, it leaves them as they are, or puts memory there that came
/// from `proxy_on_memory_allocate` and that nobody else uses, with its size.
unsafe fn handed_over(call: impl FnOnce(&mut *mut u8, &mut usize) -> u32) -> Done<Vec<u8>> {
    let (mut data, mut size) = (null_mut(), 0);
    done(call(&mut data, &mut size))?;
    if data.is_null() {
        return Ok(Vec::new());
    }
    // SAFETY: the caller promises that this memory came from `proxy_on_memory_allocate`, which allocates exactly `size` bytes
    // with Rust's own allocator and gives them away. The host has written all of them.
    Ok(unsafe { Vec::from_raw_parts(data, size, size) })
}

fn found<T>(value: Done<T>) -> Done<Option<T>> {
    match value {
        Err(Refused::NotFound) => Ok(None),
        value => value.map(Some),
    }
}

const fn done(status: u32) -> Done {
    Err(match status {
        0 => return Ok(()),
        1 => Refused::NotFound,
        2 => Refused::BadArgument,
        3 => Refused::SerializationFailure,
        4 => Refused::ParseFailure,
        5 => Refused::BadExpression,
        6 => Refused::InvalidMemoryAccess,
        7 => Refused::Empty,
        8 => Refused::CasMismatch,
        9 => Refused::ResultMismatch,
        10 => Refused::InternalFailure,
        11 => Refused::BrokenConnection,
        12 => Refused::Unimplemented,
        _ => Refused::Unknown,
    })
}

/// Header fields in the ABI's format, which [`Headers::read`] reads.
fn serialized(fields: &[(String, String)]) -> Vec<u8> {
    let number = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    let sizes = fields.iter().map(|(name, value)| name.len().saturating_add(value.len()).saturating_add(10));
    let mut bytes = Vec::with_capacity(sizes.fold(4, usize::saturating_add));
    bytes.extend(number(fields.len()));
    for (name, value) in fields {
        bytes.extend(number(name.len()));
        bytes.extend(number(value.len()));
    }
    for text in fields.iter().flat_map(|(name, value)| [name, value]) {
        bytes.extend(text.as_bytes());
        bytes.push(0);
    }
    bytes
}
