//! The binary form of what this gateway seals, or keeps in shared memory, for itself: numbers and texts in a fixed order. All
//! texts stand together behind the numbers, so that UTF-8 is checked once for all of them. What the values mean is not known
//! here.

use prost::encoding::{decode_varint, encode_varint};
use serde_json::{Number, Value};

use crate::words::principal::Claims;

/// How deep objects and lists may be nested. JSON that was read is never nested so deep.
const DEEPEST: usize = 128;

// The number in front of a claim says of which kind it is. A text has no kind of its own: its number is `TEXT` and its length in
// bytes, added up.
const NULL: u64 = 0;
const FALSE: u64 = 1;
const TRUE: u64 = 2;
const WHOLE: u64 = 3;
const NEGATIVE: u64 = 4;
const FRACTION: u64 = 5;
const LIST: u64 = 6;
const OBJECT: u64 = 7;
const TEXT: u64 = 8;

/// A record that is being written. Each method appends one value.
#[derive(Debug, Default)]
pub struct Writer {
    numbers: Vec<u8>,
    texts: String,
}

impl Writer {
    /// Appends a number.
    pub fn number(&mut self, number: u64) {
        encode_varint(number, &mut self.numbers);
    }

    /// Appends a text.
    pub fn text(&mut self, text: &str) {
        self.number(length(text.len()));
        self.texts.push_str(text);
    }

    /// Appends a number that may be absent.
    pub fn optional_number(&mut self, number: Option<u64>) {
        self.number(number.is_some().into());
        number.into_iter().for_each(|number| self.number(number));
    }

    /// Appends a text that may be absent.
    pub fn optional_text(&mut self, text: Option<&str>) {
        self.number(text.is_some().into());
        text.into_iter().for_each(|text| self.text(text));
    }

    /// Appends claims, whatever is in them.
    pub fn claims(&mut self, claims: &Claims) {
        self.number(length(claims.len()));
        for (name, claim) in claims {
            self.text(name);
            self.claim(claim);
        }
    }

    fn claim(&mut self, claim: &Value) {
        match claim {
            Value::Null => self.number(NULL),
            Value::Bool(truth) => self.number(if *truth { TRUE } else { FALSE }),
            Value::Number(number) => {
                let negative = number.as_i64().map(|number| (NEGATIVE, number.cast_unsigned()));
                let whole = number.as_u64().map(|number| (WHOLE, number)).or(negative);
                let (kind, bits) = whole.unwrap_or_else(|| (FRACTION, number.as_f64().unwrap_or_default().to_bits()));
                self.number(kind);
                self.number(bits);
            }
            Value::String(text) => {
                self.number(TEXT.saturating_add(length(text.len())));
                self.texts.push_str(text);
            }
            Value::Array(members) => {
                self.number(LIST);
                self.number(length(members.len()));
                members.iter().for_each(|member| self.claim(member));
            }
            Value::Object(members) => {
                self.number(OBJECT);
                self.claims(members);
            }
        }
    }

    /// The finished record. `version` is its first byte: the version of the order in which the values were appended.
    pub fn finish(self, version: u8) -> Vec<u8> {
        let mut plain = vec![version];
        encode_varint(length(self.numbers.len()), &mut plain);
        [&plain, &self.numbers, self.texts.as_bytes()].concat()
    }
}

fn length(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// The part of a record that was not read yet. Each method reads one value, in the order in which they were written, and returns
/// `None` if the next one is of another kind, or cut off.
#[derive(Debug)]
pub struct Reader<'a> {
    numbers: &'a [u8],
    texts: &'a str,
}

impl<'a> Reader<'a> {
    /// Opens a record; `None` if it is of another version.
    pub fn new(plain: &'a [u8], version: u8) -> Option<Self> {
        let (first, mut rest) = plain.split_first()?;
        if *first != version {
            return None;
        }
        let count = usize::try_from(decode_varint(&mut rest).ok()?).ok()?;
        let (numbers, texts) = rest.split_at_checked(count)?;
        Some(Self { numbers, texts: std::str::from_utf8(texts).ok()? })
    }

    /// Reads a number.
    #[inline]
    pub fn number(&mut self) -> Option<u64> {
        decode_varint(&mut self.numbers).ok()
    }

    /// Reads a text.
    #[inline]
    pub fn text(&mut self) -> Option<String> {
        self.borrowed_text().map(str::to_owned)
    }

    /// Reads a text without copying it.
    #[inline]
    pub fn borrowed_text(&mut self) -> Option<&'a str> {
        let length = self.number()?;
        self.cut(length)
    }

    #[inline]
    fn cut(&mut self, length: u64) -> Option<&'a str> {
        let (text, rest) = self.texts.split_at_checked(usize::try_from(length).ok()?)?;
        self.texts = rest;
        Some(text)
    }

    /// Reads a number that may be absent: then it is `Some(None)`.
    #[inline]
    pub fn optional_number(&mut self) -> Option<Option<u64>> {
        if self.number()? == 0 { Some(None) } else { self.number().map(Some) }
    }

    /// Reads a text that may be absent: then it is `Some(None)`.
    #[inline]
    pub fn optional_text(&mut self) -> Option<Option<String>> {
        if self.number()? == 0 { Some(None) } else { self.text().map(Some) }
    }

    /// Reads claims.
    pub fn claims(&mut self) -> Option<Claims> {
        self.members(DEEPEST)
    }

    fn members(&mut self, deepest: usize) -> Option<Claims> {
        let mut claims = Claims::new();
        for _ in 0..self.number()? {
            claims.insert(self.text()?, self.claim(deepest)?);
        }
        Some(claims)
    }

    fn claim(&mut self, deepest: usize) -> Option<Value> {
        let deeper = deepest.checked_sub(1)?;
        Some(match self.number()? {
            NULL => Value::Null,
            FALSE => Value::Bool(false),
            TRUE => Value::Bool(true),
            WHOLE => self.number()?.into(),
            NEGATIVE => self.number()?.cast_signed().into(),
            FRACTION => Value::Number(Number::from_f64(f64::from_bits(self.number()?))?),
            LIST => {
                let count = self.number()?;
                // Each member takes at least one byte, so a false count cannot reserve more memory than that.
                let mut members = Vec::with_capacity(self.numbers.len().min(usize::try_from(count).ok()?));
                for _ in 0..count {
                    members.push(self.claim(deeper)?);
                }
                Value::Array(members)
            }
            OBJECT => Value::Object(self.members(deeper)?),
            text => Value::String(self.cut(text.checked_sub(TEXT)?)?.to_owned()),
        })
    }

    /// Whether the whole record was read.
    pub const fn is_empty(&self) -> bool {
        self.numbers.is_empty() && self.texts.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn written(claims: &Claims) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.claims(claims);
        writer.finish(3)
    }

    fn read(plain: &[u8]) -> Option<Claims> {
        let mut reader = Reader::new(plain, 3)?;
        reader.claims().filter(|_| reader.is_empty())
    }

    #[test]
    fn claims_of_every_kind_are_read_as_they_were_written() {
        let claims = json!({
            "": null, "b": true, "c": false, "d": "ä€\u{1f600}\0\"", "e": "", "f": {}, "g": [], "h": {"i": [{"j": [1, "k", null]}]},
            "l": [0, 1, 127, 128, u64::MAX, -1, i64::MIN, 0.5, -0.0, 1e300, f64::MIN_POSITIVE],
        });
        let claims = claims.as_object().unwrap();
        let back = read(&written(claims)).unwrap();
        // Their texts are compared too, because -0.0 is equal to 0.0.
        assert_eq!(json!(back).to_string(), json!(claims).to_string());
        assert_eq!(back, *claims);
    }

    #[test]
    fn a_record_that_is_cut_off_lengthened_or_of_another_version_is_not_read() {
        let claims = json!({"sub": "alice", "groups": ["staff", "ä"], "n": 300});
        let plain = written(claims.as_object().unwrap());
        assert!((0..plain.len()).all(|length| read(&plain[..length]).is_none()));
        assert_eq!(read(&[&plain[..], b"a"].concat()), None);
        assert_eq!(read(&[&[2], &plain[1..]].concat()), None);
        // The first text ends within a character.
        assert_eq!(read(&[3, 2, 1, 1, 0xc3, 0xa4]), None);
    }

    #[test]
    fn a_list_with_a_huge_false_count_takes_no_memory() {
        let mut plain = vec![3, 13, 1, 0, 6];
        encode_varint(u64::MAX, &mut plain);
        assert_eq!(read(&plain), None);
    }

    #[test]
    fn claims_that_are_nested_too_deep_are_not_read() {
        let nested = |depth: usize| {
            let mut plain = vec![3];
            encode_varint(u64::try_from(depth * 2 + 3).unwrap(), &mut plain);
            plain.extend([1, 0]);
            plain.extend([6, 1].repeat(depth));
            plain.push(0);
            read(&plain)
        };
        assert!(nested(DEEPEST - 1).is_some());
        assert_eq!([nested(DEEPEST), nested(100_000)], [None, None]);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_read_without_a_panic(mut plain: Vec<u8>, position: usize, byte: u8) {
            let _ = read(&plain);
            plain.insert(0, 3);
            let _ = read(&plain);
            let claims = json!({"sub": "alice", "groups": ["staff", "ä"], "n": [-300, 0.5], "o": {"p": null}});
            let mut changed = written(claims.as_object().unwrap());
            let position = position % changed.len();
            changed[position] = byte;
            let _ = read(&changed);
        }
    }
}
