//! The compact protocol of Thrift, in which parquet writes its footer and the headers of its pages.
//!
//! Source: apache/thrift, doc/specs/thrift-compact-protocol.md. Nothing is believed that the bytes do not bear out: lists are as
//! long at most as the bytes that are left.

/// What is wrong with the bytes, in words.
pub(super) type Fault = String;

/// How deep structures may lie in each other. Chosen by us: parquet's lie six deep.
const MAX_DEPTH: usize = 32;

/// The type of a value, as the protocol numbers it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind(u8);

const TRUE: Kind = Kind(1);
const FALSE: Kind = Kind(2);
const BYTE: Kind = Kind(3);
const I16: Kind = Kind(4);
const I32: Kind = Kind(5);
const I64: Kind = Kind(6);
const DOUBLE: Kind = Kind(7);
const BINARY: Kind = Kind(8);
const LIST: Kind = Kind(9);
const SET: Kind = Kind(10);
const MAP: Kind = Kind(11);
const STRUCT: Kind = Kind(12);

/// Bytes that are read from front to back.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    depth: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, depth: 0 }
    }

    /// What has not been read.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    /// So many bytes.
    pub(super) fn take(&mut self, n: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.bytes.split_at_checked(n).ok_or("it ends in the middle of a value")?;
        self.bytes = rest;
        Ok(taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Fault> {
        Ok(self.take(1)?[0])
    }

    /// Seven bits a byte, the lowest first.
    pub(super) fn varint(&mut self) -> Result<u64, Fault> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err("a number of more than 64 bits".to_owned())
    }

    /// The same with a sign, which is the lowest bit.
    pub(super) fn zigzag(&mut self) -> Result<i64, Fault> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// A whole number of any width.
    pub(super) fn int(&mut self, kind: Kind) -> Result<i64, Fault> {
        match kind {
            BYTE => Ok(i64::from(self.byte()? as i8)),
            I16 | I32 | I64 => self.zigzag(),
            _ => Err("a value that should be a whole number".to_owned()),
        }
    }

    /// A number of bytes, values or children.
    pub(super) fn size(&mut self, kind: Kind) -> Result<usize, Fault> {
        usize::try_from(self.int(kind)?).map_err(|_| "a negative size".to_owned())
    }

    /// The value of a field that is true or false.
    pub(super) fn flag(&mut self, kind: Kind) -> Result<bool, Fault> {
        match kind {
            TRUE => Ok(true),
            FALSE => Ok(false),
            _ => Err("a value that should be true or false".to_owned()),
        }
    }

    pub(super) fn binary(&mut self, kind: Kind) -> Result<&'a [u8], Fault> {
        if kind != BINARY {
            return Err("a value that should be a text".to_owned());
        }
        let length = usize::try_from(self.varint()?).map_err(|error| error.to_string())?;
        self.take(length)
    }

    /// How many values a list has, and of which type they are.
    fn list(&mut self, kind: Kind) -> Result<(usize, Kind), Fault> {
        if kind != LIST && kind != SET {
            return Err("a value that should be a list".to_owned());
        }
        let head = self.byte()?;
        let length = match head >> 4 {
            15 => self.varint()?,
            short => u64::from(short),
        };
        let length = usize::try_from(length).ok().filter(|length| *length <= self.bytes.len());
        Ok((length.ok_or("a list that is longer than the file")?, Kind(head & 0x0f)))
    }

    /// Whatever `read` makes of each value of a list.
    pub(super) fn each<T>(
        &mut self,
        kind: Kind,
        mut read: impl FnMut(&mut Self, Kind) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Fault> {
        let (length, kind) = self.list(kind)?;
        (0..length).map(|_| read(self, kind)).collect()
    }

    /// The fields of a structure: `read` takes the value of each by its number, or passes it over.
    pub(super) fn fields(
        &mut self,
        kind: Kind,
        mut read: impl FnMut(&mut Self, u64, Kind) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if kind != STRUCT {
            return Err("a value that should be a structure".to_owned());
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("structures more than {MAX_DEPTH} deep"));
        }
        let mut number: u64 = 0;
        loop {
            let head = self.byte()?;
            if head == 0 {
                self.depth -= 1;
                return Ok(());
            }
            number = match head >> 4 {
                // No field of parquet has a negative number; one that has is some other field.
                0 => u64::try_from(self.zigzag()?).unwrap_or(0),
                step => number.saturating_add(u64::from(step)),
            };
            read(self, number, Kind(head & 0x0f))?;
        }
    }

    /// The fields of a structure that is no value of another.
    pub(super) fn top(&mut self, read: impl FnMut(&mut Self, u64, Kind) -> Result<(), Fault>) -> Result<(), Fault> {
        self.fields(STRUCT, read)
    }

    /// Passes a value over.
    pub(super) fn skip(&mut self, kind: Kind) -> Result<(), Fault> {
        match kind {
            TRUE | FALSE => Ok(()),
            BYTE => self.byte().map(drop),
            I16 | I32 | I64 => self.varint().map(drop),
            DOUBLE => self.take(8).map(drop),
            BINARY => self.binary(kind).map(drop),
            LIST | SET => self.skip_list(kind),
            STRUCT => self.fields(kind, |reader, _, kind| reader.skip(kind)),
            // Parquet has none.
            MAP => Err("a map, which parquet has none of".to_owned()),
            _ => Err("a value of an unknown type".to_owned()),
        }
    }

    fn skip_list(&mut self, kind: Kind) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("lists more than {MAX_DEPTH} deep"));
        }
        let (length, kind) = self.list(kind)?;
        for _ in 0..length {
            match kind {
                // In a list these are a byte each.
                TRUE | FALSE => self.byte().map(drop)?,
                _ => self.skip(kind)?,
            }
        }
        self.depth -= 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_the_specification_writes_them() {
        for (bytes, value) in
            [(&[0x00][..], 0), (&[0x01], -1), (&[0x02], 1), (&[0xc7, 0x04], -292), (&[0xc8, 0x04], 292)]
        {
            assert_eq!(Reader::new(bytes).zigzag(), Ok(value), "{bytes:?}");
        }
        let largest = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(Reader::new(&largest).zigzag(), Ok(i64::MAX));
        assert!(Reader::new(&[0xff; 11]).varint().is_err() && Reader::new(&[0x80]).varint().is_err());
    }

    #[test]
    fn fields_are_numbered_from_one_another() {
        // Field 1, a number; field 3, a text; field 20, a list of two structures without fields.
        let bytes = [0x15, 0x0e, 0x28, 0x02, b'a', b'b', 0x09, 0x28, 0x2c, 0x00, 0x00, 0x00];
        let (mut found, mut reader) = (Vec::new(), Reader::new(&bytes));
        let read = reader.top(|reader, number, kind| {
            found.push(number);
            match number {
                1 => assert_eq!(reader.int(kind), Ok(7)),
                3 => assert_eq!(reader.binary(kind), Ok(&b"ab"[..])),
                _ => reader.skip(kind)?,
            }
            Ok(())
        });
        assert_eq!((read, found, reader.rest().len()), (Ok(()), vec![1, 3, 20], 0));
    }

    #[test]
    fn nesting_and_lists_without_end_are_refused() {
        assert!(Reader::new(&[0x1c; 200]).top(|reader, _, kind| reader.skip(kind)).is_err());
        // A list of lists of lists, and one that is said to have 2^60 structures.
        let lists = [&[0x19][..], &[0x19; 200]].concat();
        assert!(Reader::new(&lists).top(|reader, _, kind| reader.skip(kind)).is_err());
        let long = [0x19, 0xfc, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10];
        assert!(Reader::new(&long).top(|reader, _, kind| reader.skip(kind)).is_err());
    }
}
