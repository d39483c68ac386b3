//! Lists of names as Slurm and Topograph write them: `gpu[01-04,9],login`, also with several brackets in a name.

/// Most names of a list. Chosen by us: a cluster of netkv has at most 2^20 GPUs, and a server mostly 8.
const MAX_NAMES: usize = 1 << 17;

/// The names of a list, in its order.
///
/// # Errors
/// What is wrong with the list, in words.
pub fn expand(list: &str) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    for word in words(list)? {
        let mut made = vec![String::new()];
        let mut rest = word;
        while let Some((before, behind)) = rest.split_once('[') {
            let (inside, after) = behind.split_once(']').expect("words have their brackets closed");
            let numbers = numbers(inside)?;
            if made.len().saturating_mul(numbers.len()) > MAX_NAMES {
                return Err(too_many(list));
            }
            made = made
                .iter()
                .flat_map(|start| numbers.iter().map(move |number| format!("{start}{before}{number}")))
                .collect();
            rest = after;
        }
        made.iter_mut().for_each(|name| name.push_str(rest));
        names.extend(made);
        if names.len() > MAX_NAMES {
            return Err(too_many(list));
        }
    }
    Ok(names)
}

fn too_many(list: &str) -> String {
    let start: String = list.chars().take(40).collect();
    format!("{start} stands for more than {MAX_NAMES} names")
}

/// The parts between commas that stand in no bracket.
fn words(list: &str) -> Result<Vec<&str>, String> {
    let (mut words, mut start, mut inside) = (Vec::new(), 0, false);
    for (at, letter) in list.char_indices() {
        match letter {
            '[' if inside => return Err(format!("{list:?} has a bracket in a bracket")),
            ']' if !inside => return Err(format!("{list:?} closes a bracket that is not open")),
            '[' => inside = true,
            ']' => inside = false,
            ',' if !inside => {
                words.push(list[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    if inside {
        return Err(format!("{list:?} has a bracket that is not closed"));
    }
    words.push(list[start..].trim());
    if words.iter().any(|word| word.is_empty()) {
        return Err(format!("{list:?} has an empty name"));
    }
    Ok(words)
}

/// The numbers in a bracket, with their leading zeros.
fn numbers(inside: &str) -> Result<Vec<String>, String> {
    let mut all = Vec::new();
    for part in inside.split(',') {
        let part = part.trim();
        let (low, high) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| {
            let is_number = !text.is_empty() && text.len() <= 9 && text.bytes().all(|byte| byte.is_ascii_digit());
            let number = is_number.then(|| text.parse::<u32>().ok()).flatten();
            number.ok_or_else(|| format!("[{inside}] is not of numbers and ranges such as [1-4,07]"))
        };
        let (from, to) = (number(low)?, number(high)?);
        if from > to {
            return Err(format!("[{part}] runs backwards"));
        }
        if all.len() + (to - from) as usize >= MAX_NAMES {
            return Err(too_many(inside));
        }
        all.extend((from..=to).map(|number| format!("{number:0width$}", width = low.len())));
    }
    Ok(all)
}

/// Names that differ in one number: what is before it, its ranges with the digits of each, and what is behind it.
type Part<'a> = (&'a str, Vec<(u64, u64, usize)>, &'a str);

/// Names as a list, those that differ in their last number only in one bracket; the order is kept.
pub fn compress(names: &[&str]) -> String {
    let mut parts: Vec<Part<'_>> = Vec::new();
    for name in names {
        let end = name.trim_end_matches(|letter: char| !letter.is_ascii_digit()).len();
        let start = name[..end].trim_end_matches(|letter: char| letter.is_ascii_digit()).len();
        let (before, digits, after) = (&name[..start], &name[start..end], &name[end..]);
        let Some(number) = digits.parse::<u64>().ok().filter(|_| digits.len() <= 9) else {
            parts.push((name, Vec::new(), ""));
            continue;
        };
        let width = digits.len();
        match parts.last_mut() {
            Some((own, ranges, end)) if *own == before && *end == after && !ranges.is_empty() => {
                match ranges.last_mut() {
                    Some((_, high, wide)) if *high + 1 == number && *wide == width => *high = number,
                    Some(_) | None => ranges.push((number, number, width)),
                }
            }
            Some(_) | None => parts.push((before, vec![(number, number, width)], after)),
        }
    }
    let shown = |(before, ranges, after): &Part<'_>| {
        let numbers: Vec<String> = ranges
            .iter()
            .map(|&(low, high, width)| match low == high {
                true => format!("{low:0width$}"),
                false => format!("{low:0width$}-{high:0width$}"),
            })
            .collect();
        match ranges[..] {
            [] => (*before).to_owned(),
            [(low, high, _)] if low == high => format!("{before}{}{after}", numbers[0]),
            _ => format!("{before}[{}]{after}", numbers.join(",")),
        }
    };
    parts.iter().map(shown).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(list: &str, names: &[&str]) {
        assert_eq!(expand(list).expect(list), names, "{list}");
    }

    #[test]
    fn lists_stand_for_their_names() {
        check("n1", &["n1"]);
        check("n[1-3],m", &["n1", "n2", "n3", "m"]);
        check("gpu[08-10]", &["gpu08", "gpu09", "gpu10"]);
        check("[1101-1102]", &["1101", "1102"]);
        check("r[1-2]n[1-2]x", &["r1n1x", "r1n2x", "r2n1x", "r2n2x"]);
        check("n[1,7-8]", &["n1", "n7", "n8"]);
    }

    #[test]
    fn lists_that_are_none_are_refused() {
        for (list, why) in [
            ("n[1-", "not closed"),
            ("n]1", "not open"),
            ("n[1-[2]]", "in a bracket"),
            ("n[3-1]", "backwards"),
            ("n[a-b]", "numbers and ranges"),
            ("a,,b", "empty name"),
            ("n[0-999999999]", "more than 131072"),
            ("n[1-9999]m[1-9999]", "more than 131072"),
        ] {
            let said = expand(list).expect_err(list);
            assert!(said.contains(why), "{list}: {said}");
        }
    }

    #[test]
    fn names_are_told_in_short_and_read_back() {
        for (names, short) in [
            (vec!["n1", "n2", "n3"], "n[1-3]"),
            (vec!["n1", "n3", "m"], "n[1,3],m"),
            (vec!["g08", "g09", "g10"], "g[08-10]"),
            (vec!["n9", "n10"], "n[9,10]"),
            (vec!["a-1.x", "a-2.x"], "a-[1-2].x"),
            (vec!["login"], "login"),
        ] {
            assert_eq!(compress(&names), short);
            assert_eq!(expand(short).expect(short), names);
        }
    }
}
