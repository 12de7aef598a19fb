//! Values in `MessagePack`, as Terraform sends and expects them.
//!
//! An unknown value is an extension of one byte (`d4 00 00`), or of type 12 with what is known about it. Numbers are
//! integers, doubles or decimal texts. A dynamic value is an array of its type's JSON and itself.

use std::collections::BTreeMap;

use rmp::Marker;
use rmp::decode::{RmpRead, read_marker};
use rmp::encode;

use super::{DEPTH_MAX, DecodeError, Dynamic, Number, Type, Value, parse_number};

const REFINED_UNKNOWN: i8 = 12;
/// What go-cty allows for the refinement of an unknown value.
const REFINEMENT_BYTES_MAX: usize = 1_024;

/// Writes a value.
#[must_use]
pub fn encode(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing to memory does not fail.
    let _ = write(&mut bytes, value);
    bytes
}

/// Reads a value of the type `kind`; the bytes must hold it and nothing else.
pub fn decode(bytes: &[u8], kind: &Type) -> Result<Value, DecodeError> {
    let mut reader = Reader(bytes);
    let value = reader.value(kind, DEPTH_MAX)?;
    match reader.0.len() {
        0 => Ok(value),
        bytes => Err(DecodeError::Trailing { bytes }),
    }
}

type Written = std::io::Result<()>;

fn write(bytes: &mut Vec<u8>, value: &Value) -> Written {
    match value {
        Value::Null => encode::write_nil(bytes)?,
        Value::Unknown => bytes.extend([0xd4, 0, 0]),
        Value::Bool(flag) => encode::write_bool(bytes, *flag)?,
        Value::Number(number) => write_number(bytes, number)?,
        Value::String(text) => encode::write_str(bytes, text)?,
        Value::List(elements) | Value::Set(elements) | Value::Tuple(elements) => {
            encode::write_array_len(bytes, length(elements.len()))?;
            for element in elements {
                write(bytes, element)?;
            }
        }
        Value::Map(elements) | Value::Object(elements) => {
            encode::write_map_len(bytes, length(elements.len()))?;
            for (key, element) in elements {
                encode::write_str(bytes, key)?;
                write(bytes, element)?;
            }
        }
        Value::Dynamic(dynamic) => {
            encode::write_array_len(bytes, 2)?;
            encode::write_bin(bytes, dynamic.kind.to_json().to_string().as_bytes())?;
            write(bytes, &dynamic.value)?;
        }
    }
    Ok(())
}

fn write_number(bytes: &mut Vec<u8>, number: &Number) -> Written {
    match number.as_i64() {
        Some(whole) => drop(encode::write_sint(bytes, whole)?),
        None => encode::write_str(bytes, &number.to_string())?,
    }
    Ok(())
}

fn length(elements: usize) -> u32 {
    u32::try_from(elements).unwrap_or(u32::MAX)
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn value(&mut self, kind: &Type, depth: usize) -> Result<Value, DecodeError> {
        let depth = depth.checked_sub(1).ok_or(DecodeError::Depth)?;
        let marker = read_marker(&mut self.0).map_err(|_| DecodeError::Truncated)?;
        if marker == Marker::Null {
            return Ok(Value::Null);
        }
        if let Some(bytes) = self.extension_length(marker)? {
            return self.unknown(kind, bytes);
        }
        match kind {
            Type::Bool => match marker {
                Marker::True => Ok(Value::Bool(true)),
                Marker::False => Ok(Value::Bool(false)),
                other => Err(mismatch(kind, other)),
            },
            Type::Number => self.number(kind, marker),
            Type::String => self.text(kind, marker).map(Value::string),
            Type::List(element) => self.elements(kind, marker, element, depth).map(Value::List),
            Type::Set(element) => self.elements(kind, marker, element, depth).map(Value::set),
            Type::Map(element) => self.map(kind, marker, element, depth),
            Type::Object(attributes) => self.object(kind, marker, attributes, depth),
            Type::Tuple(elements) => self.tuple(kind, marker, elements, depth),
            Type::Dynamic => self.dynamic(kind, marker, depth),
        }
    }

    fn unknown(&mut self, kind: &Type, bytes: usize) -> Result<Value, DecodeError> {
        let extension = self.take(1)?;
        let is_refined = extension == [REFINED_UNKNOWN.unsigned_abs()];
        if bytes > 1 && !is_refined || bytes > REFINEMENT_BYTES_MAX {
            let found = format!("an extension of {bytes} bytes");
            let expected = kind.clone();
            return Err(DecodeError::Mismatch { expected, found });
        }
        self.take(bytes)?;
        Ok(Value::Unknown)
    }

    fn number(&mut self, kind: &Type, marker: Marker) -> Result<Value, DecodeError> {
        let whole = match marker {
            Marker::FixPos(number) => i64::from(number),
            Marker::FixNeg(number) => i64::from(number),
            Marker::U8 => i64::from(self.0.read_data_u8().map_err(truncated)?),
            Marker::U16 => i64::from(self.0.read_data_u16().map_err(truncated)?),
            Marker::U32 => i64::from(self.0.read_data_u32().map_err(truncated)?),
            Marker::I8 => i64::from(self.0.read_data_i8().map_err(truncated)?),
            Marker::I16 => i64::from(self.0.read_data_i16().map_err(truncated)?),
            Marker::I32 => i64::from(self.0.read_data_i32().map_err(truncated)?),
            Marker::I64 => self.0.read_data_i64().map_err(truncated)?,
            Marker::U64 => {
                let number = self.0.read_data_u64().map_err(truncated)?;
                return parse_number(&number.to_string());
            }
            Marker::F32 => {
                return from_f64(f64::from(self.0.read_data_f32().map_err(truncated)?));
            }
            Marker::F64 => return from_f64(self.0.read_data_f64().map_err(truncated)?),
            other => return self.text(kind, other).and_then(parse_number),
        };
        Ok(Value::from(whole))
    }

    fn text(&mut self, kind: &Type, marker: Marker) -> Result<&'a str, DecodeError> {
        let bytes = match marker {
            Marker::FixStr(bytes) => usize::from(bytes),
            Marker::Str8 | Marker::Bin8 => self.length8()?,
            Marker::Str16 | Marker::Bin16 => self.length16()?,
            Marker::Str32 | Marker::Bin32 => self.length32()?,
            other => return Err(mismatch(kind, other)),
        };
        std::str::from_utf8(self.take(bytes)?).map_err(|_| DecodeError::Text)
    }

    fn elements(
        &mut self,
        kind: &Type,
        marker: Marker,
        element: &Type,
        depth: usize,
    ) -> Result<Vec<Value>, DecodeError> {
        // Not allocated ahead: the length is only what the sender says.
        (0..self.array_length(kind, marker)?)
            .map(|_| self.value(element, depth))
            .collect()
    }

    fn map(
        &mut self,
        kind: &Type,
        marker: Marker,
        element: &Type,
        depth: usize,
    ) -> Result<Value, DecodeError> {
        let entries = (0..self.map_length(kind, marker)?)
            .map(|_| Ok((self.key()?.to_owned(), self.value(element, depth)?)));
        entries.collect::<Result<_, _>>().map(Value::Map)
    }

    fn object(
        &mut self,
        kind: &Type,
        marker: Marker,
        attributes: &BTreeMap<String, Type>,
        depth: usize,
    ) -> Result<Value, DecodeError> {
        let mut values = BTreeMap::new();
        for _ in 0..self.map_length(kind, marker)? {
            let name = self.key()?;
            let Some(attribute) = attributes.get(name) else {
                let name = name.to_owned();
                return Err(DecodeError::Unexpected { name });
            };
            let value = self.value(attribute, depth);
            values.insert(name.to_owned(), value.map_err(|error| error.within(name))?);
        }
        match attributes.keys().find(|name| !values.contains_key(*name)) {
            Some(name) => Err(DecodeError::Missing { name: name.clone() }),
            None => Ok(Value::Object(values)),
        }
    }

    fn tuple(
        &mut self,
        kind: &Type,
        marker: Marker,
        elements: &[Type],
        depth: usize,
    ) -> Result<Value, DecodeError> {
        let count = self.array_length(kind, marker)?;
        if usize::try_from(count) != Ok(elements.len()) {
            return Err(mismatch(kind, marker));
        }
        let values = elements.iter().map(|element| self.value(element, depth));
        values.collect::<Result<_, _>>().map(Value::Tuple)
    }

    fn dynamic(&mut self, kind: &Type, marker: Marker, depth: usize) -> Result<Value, DecodeError> {
        if self.array_length(kind, marker)? != 2 {
            return Err(mismatch(kind, marker));
        }
        let own_kind = Type::parse(self.key()?.as_bytes())?;
        let value = self.value(&own_kind, depth)?;
        let kind = own_kind;
        Ok(Value::Dynamic(Box::new(Dynamic { kind, value })))
    }

    fn key(&mut self) -> Result<&'a str, DecodeError> {
        let marker = read_marker(&mut self.0).map_err(|_| DecodeError::Truncated)?;
        self.text(&Type::String, marker)
    }

    fn array_length(&mut self, kind: &Type, marker: Marker) -> Result<u32, DecodeError> {
        match marker {
            Marker::FixArray(count) => Ok(u32::from(count)),
            Marker::Array16 => self.0.read_data_u16().map(u32::from).map_err(truncated),
            Marker::Array32 => self.0.read_data_u32().map_err(truncated),
            other => Err(mismatch(kind, other)),
        }
    }

    fn map_length(&mut self, kind: &Type, marker: Marker) -> Result<u32, DecodeError> {
        match marker {
            Marker::FixMap(count) => Ok(u32::from(count)),
            Marker::Map16 => self.0.read_data_u16().map(u32::from).map_err(truncated),
            Marker::Map32 => self.0.read_data_u32().map_err(truncated),
            other => Err(mismatch(kind, other)),
        }
    }

    /// How many bytes an extension has, where the marker begins one.
    fn extension_length(&mut self, marker: Marker) -> Result<Option<usize>, DecodeError> {
        Ok(Some(match marker {
            Marker::FixExt1 => 1,
            Marker::FixExt2 => 2,
            Marker::FixExt4 => 4,
            Marker::FixExt8 => 8,
            Marker::FixExt16 => 16,
            Marker::Ext8 => self.length8()?,
            Marker::Ext16 => self.length16()?,
            Marker::Ext32 => self.length32()?,
            _ => return Ok(None),
        }))
    }

    fn length8(&mut self) -> Result<usize, DecodeError> {
        self.0.read_data_u8().map(usize::from).map_err(truncated)
    }

    fn length16(&mut self) -> Result<usize, DecodeError> {
        self.0.read_data_u16().map(usize::from).map_err(truncated)
    }

    fn length32(&mut self) -> Result<usize, DecodeError> {
        let length = self.0.read_data_u32().map_err(truncated)?;
        usize::try_from(length).map_err(|_| DecodeError::Truncated)
    }

    fn take(&mut self, bytes: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self
            .0
            .split_at_checked(bytes)
            .ok_or(DecodeError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }
}

fn from_f64(number: f64) -> Result<Value, DecodeError> {
    let text = number.to_string();
    let number = Number::from_f64(number).ok_or(DecodeError::Number { text });
    number.map(Value::Number)
}

fn truncated<E>(_: E) -> DecodeError {
    DecodeError::Truncated
}

fn mismatch(expected: &Type, found: Marker) -> DecodeError {
    DecodeError::Mismatch {
        expected: expected.clone(),
        found: format!("{found:?}"),
    }
}
