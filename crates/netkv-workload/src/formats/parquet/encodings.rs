//! The values of a page, in the encodings that numbers and texts are written in.
//!
//! Source: apache/parquet-format, Encodings.md. No more is kept than was asked for, whatever the bytes say.

use super::footer::{Meaning, Physical, Values};
use super::thrift::{Fault, Reader};
use std::rc::Rc;

/// A value. Texts of a dictionary are shared.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Null,
    Int(i64),
    Single(f32),
    Double(f64),
    Text(Rc<[u8]>),
}

/// Days from the beginning of Julian days, which `Int96` counts in, to 1970.
const JULIAN_1970: i64 = 2_440_588;

const DAY_NS: i64 = 86_400_000_000_000;

const ENDS: &str = "a page ends before its last value";

/// So many values, one after the other.
pub(super) fn plain(bytes: &[u8], values: Values, n: usize) -> Result<Vec<Cell>, Fault> {
    let is_unsigned = values.meaning == Meaning::Int { is_unsigned: true };
    let cells = match values.physical {
        // The sign of 64 bits is seen to where the number is looked at.
        Physical::Int32 if is_unsigned => fixed(bytes, n, |bytes| Cell::Int(i64::from(u32::from_le_bytes(bytes))))?,
        Physical::Int32 => fixed(bytes, n, |bytes| Cell::Int(i64::from(i32::from_le_bytes(bytes))))?,
        Physical::Int64 => fixed(bytes, n, |bytes| Cell::Int(i64::from_le_bytes(bytes)))?,
        Physical::Int96 => return fixed(bytes, n, julian)?.into_iter().collect(),
        Physical::Float => fixed(bytes, n, |bytes| Cell::Single(f32::from_le_bytes(bytes)))?,
        Physical::Double => fixed(bytes, n, |bytes| Cell::Double(f64::from_le_bytes(bytes)))?,
        Physical::ByteArray => return texts(bytes, n),
    };
    Ok(cells)
}

fn fixed<const SIZE: usize, T>(bytes: &[u8], n: usize, read: impl Fn([u8; SIZE]) -> T) -> Result<Vec<T>, Fault> {
    let (values, _) = bytes.as_chunks::<SIZE>();
    let values = values.get(..n).ok_or(ENDS)?;
    Ok(values.iter().map(|bytes| read(*bytes)).collect())
}

/// Nanoseconds of the day, and the day.
fn julian(bytes: [u8; 12]) -> Result<Cell, Fault> {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = bytes;
    let (of_day_ns, day) = (i64::from_le_bytes([a, b, c, d, e, f, g, h]), i64::from(u32::from_le_bytes([i, j, k, l])));
    let ns = (day - JULIAN_1970).checked_mul(DAY_NS).and_then(|ns| ns.checked_add(of_day_ns));
    ns.map(Cell::Int).ok_or_else(|| "a timestamp beyond the years 1678 to 2261".to_owned())
}

fn texts(bytes: &[u8], n: usize) -> Result<Vec<Cell>, Fault> {
    let mut reader = Reader::new(bytes);
    let mut cells = Vec::new();
    for _ in 0..n {
        let length = *reader.take(4)?.first_chunk().ok_or(ENDS)?;
        cells.push(Cell::Text(Rc::from(reader.take(u32::from_le_bytes(length) as usize)?)));
    }
    Ok(cells)
}

/// Values as places in a dictionary.
pub(super) fn places(bytes: &[u8], dictionary: &[Cell], n: usize) -> Result<Vec<Cell>, Fault> {
    let Some((&width, bytes)) = bytes.split_first() else {
        return if n == 0 { Ok(Vec::new()) } else { Err(ENDS.to_owned()) };
    };
    let cell = |place| dictionary.get(place as usize).cloned().ok_or("a value that its dictionary lacks");
    let places = runs(bytes, width, n)?;
    Ok(places.into_iter().map(cell).collect::<Result<_, _>>()?)
}

/// Numbers of `width` bits, in runs of one number and in runs of packed ones.
pub(super) fn runs(bytes: &[u8], width: u8, n: usize) -> Result<Vec<u32>, Fault> {
    if width > 32 {
        return Err(format!("numbers of {width} bits, where 32 are the most"));
    }
    let mut reader = Reader::new(bytes);
    let mut numbers = Vec::new();
    while numbers.len() < n {
        let head = reader.varint()?;
        let left = n - numbers.len();
        let length = usize::try_from(head >> 1).unwrap_or(usize::MAX);
        if head & 1 == 0 {
            let mut number = [0; 4];
            let n_bytes = usize::from(width.div_ceil(8));
            number[..n_bytes].copy_from_slice(reader.take(n_bytes)?);
            numbers.extend(std::iter::repeat_n(u32::from_le_bytes(number), length.min(left)));
        } else {
            // In groups of eight. Some writers leave out what fills up the last one.
            let n_bytes = length.saturating_mul(usize::from(width)).min(reader.rest().len());
            let packed = reader.take(n_bytes)?;
            let n_packed = length.saturating_mul(8).min(left);
            if n_packed.saturating_mul(usize::from(width)) > 8 * packed.len() {
                return Err(ENDS.to_owned());
            }
            numbers.extend((0..n_packed).map(|idx| bits(packed, idx * usize::from(width), width) as u32));
        }
    }
    Ok(numbers)
}

/// `width` bits, at most 64, from `start` on; bits beyond the end are 0.
fn bits(bytes: &[u8], start: usize, width: u8) -> u64 {
    let from = (start / 8).min(bytes.len());
    let bytes = &bytes[from..bytes.len().min(from + 9)];
    let mut word = [0; 16];
    word[..bytes.len()].copy_from_slice(bytes);
    let word = u128::from_le_bytes(word) >> (start % 8);
    (word & ((1 << width) - 1)) as u64
}

/// Whole numbers by the differences of neighbours, packed in blocks.
pub(super) fn deltas(bytes: &[u8], values: Values, n: usize) -> Result<Vec<Cell>, Fault> {
    let is_unsigned = values.meaning == Meaning::Int { is_unsigned: true };
    let is_short = match values.physical {
        Physical::Int32 => true,
        Physical::Int64 => false,
        Physical::Int96 | Physical::Float | Physical::Double | Physical::ByteArray => {
            return Err("differences of what are no whole numbers".to_owned());
        }
    };
    let cell = |value: i64| {
        Cell::Int(match (is_short, is_unsigned) {
            (true, true) => i64::from(value as u32),
            (true, false) => i64::from(value as i32),
            (false, _) => value,
        })
    };
    let mut reader = Reader::new(bytes);
    let [block, n_parts, n_said] = [reader.varint()?, reader.varint()?, reader.varint()?];
    let mut value = reader.zigzag()?;
    let part = block.checked_div(n_parts).and_then(|part| usize::try_from(part).ok()).unwrap_or(0);
    if part == 0 || part % 8 != 0 || n_said < n as u64 {
        return Err("a page of differences whose sizes cannot be".to_owned());
    }
    let mut cells: Vec<Cell> = if n > 0 { vec![cell(value)] } else { Vec::new() };
    while cells.len() < n {
        let least = reader.zigzag()?;
        let widths = reader.take(usize::try_from(n_parts).map_err(|error| error.to_string())?)?;
        for &width in widths {
            if cells.len() >= n {
                break;
            }
            if width > 64 {
                return Err(format!("differences of {width} bits, where 64 are the most"));
            }
            let n_bytes = (part / 8).saturating_mul(usize::from(width));
            let packed = reader.take(n_bytes.min(reader.rest().len()))?;
            let n_packed = part.min(n - cells.len());
            if n_packed.saturating_mul(usize::from(width)) > 8 * packed.len() {
                return Err(ENDS.to_owned());
            }
            for idx in 0..n_packed {
                let more = bits(packed, idx * usize::from(width), width) as i64;
                value = value.wrapping_add(least).wrapping_add(more);
                cells.push(cell(value));
            }
        }
    }
    Ok(cells)
}

/// The first bytes of all values, then their second ones, and so on.
pub(super) fn split(bytes: &[u8], values: Values, n: usize) -> Result<Vec<Cell>, Fault> {
    let size = match values.physical {
        Physical::Int32 | Physical::Float => 4,
        Physical::Int64 | Physical::Double => 8,
        Physical::Int96 | Physical::ByteArray => return Err("values split by bytes that cannot be".to_owned()),
    };
    let n_all = bytes.len() / size;
    let whole: Vec<u8> =
        (0..n.min(n_all)).flat_map(|idx| (0..size).map(move |byte| bytes[byte * n_all + idx])).collect();
    plain(&whole, values, n)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INT64: Values =
        Values { physical: Physical::Int64, meaning: Meaning::Int { is_unsigned: false }, is_optional: false };

    fn ints(cells: Vec<Cell>) -> Vec<i64> {
        cells
            .into_iter()
            .map(|cell| match cell {
                Cell::Int(value) => value,
                Cell::Null | Cell::Single(_) | Cell::Double(_) | Cell::Text(_) => panic!("no whole number: {cell:?}"),
            })
            .collect()
    }

    /// The two examples of the specification: 0 to 7 in three bits, and a run.
    #[test]
    fn runs_are_those_of_the_specification() {
        assert_eq!(runs(&[0x03, 0x88, 0xc6, 0xfa], 3, 8), Ok(vec![0, 1, 2, 3, 4, 5, 6, 7]));
        assert_eq!(runs(&[0x0a, 0x04, 0x03, 0x88, 0xc6, 0xfa], 3, 6), Ok(vec![4, 4, 4, 4, 4, 0]));
        assert!(runs(&[0x03, 0x88], 3, 8).is_err() && runs(&[0x02, 0x01], 3, 2).is_err());
        let endless = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(runs(&endless, 0, 3), Ok(vec![0; 3]));
    }

    /// The two examples of the specification: 1 to 5, and seven numbers with differences from -2 to 1.
    #[test]
    fn deltas_are_those_of_the_specification() {
        let steady = [0x80, 0x01, 0x04, 0x05, 0x02, 0x02, 0, 0, 0, 0];
        assert_eq!(deltas(&steady, INT64, 5).map(ints), Ok(vec![1, 2, 3, 4, 5]));
        let uneven = [&[0x80, 0x01, 0x04, 0x08, 0x0e, 0x03, 2, 0, 0, 0][..], &[0xc0, 0x3f, 0, 0, 0, 0, 0, 0]].concat();
        assert_eq!(deltas(&uneven, INT64, 8).map(ints), Ok(vec![7, 5, 3, 1, 2, 3, 4, 5]));
        assert!(deltas(&uneven[..8], INT64, 8).is_err() && deltas(&[0, 0, 5, 2], INT64, 5).is_err());
    }

    #[test]
    fn bits_are_read_over_bytes() {
        let bytes = [0xff; 16];
        assert_eq!((bits(&bytes, 7, 64), bits(&bytes, 3, 5), bits(&bytes, 0, 0)), (u64::MAX, 31, 0));
        assert_eq!((bits(&[0b1000_0000, 0b1], 7, 2), bits(&[1], 800, 9)), (0b11, 0));
    }

    /// 1.5 and -2 by the bytes of their places.
    #[test]
    fn split_values_are_put_together() {
        let values = Values { physical: Physical::Float, meaning: Meaning::Float, is_optional: false };
        let bytes = [0, 0, 0, 0, 0xc0, 0x00, 0x3f, 0xc0];
        assert_eq!(split(&bytes, values, 2), Ok(vec![Cell::Single(1.5), Cell::Single(-2.0)]));
        assert!(split(&bytes, values, 3).is_err());
    }
}
