//! On which line of a TOML text a key stands.
//!
//! The parser does not keep positions of values, and a person wants a line number. This looks for headers
//! and `key =` at the beginnings of lines; what it cannot find (inline tables, exotic quoting) it does not
//! guess. It must only ever be used for messages.

/// A step on the way to a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    Key(&'a str),
    /// The n-th element, from 0, of an array of tables.
    Element(usize),
}

/// The line, from 1, on which the value at `path` is written; else that of the nearest table around it.
pub(super) fn line_of(text: &str, path: &[Step<'_>]) -> Option<usize> {
    // Where the innermost header or key of `path` seen so far is, and how many steps it covers.
    let mut best: Option<(usize, usize)> = None;
    let mut header: Vec<String> = Vec::new();
    let mut elements: Vec<(Vec<String>, usize)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_start();
        let here = if let Some(inner) = line.strip_prefix("[[").and_then(|rest| rest.split("]]").next()) {
            header = keys(inner);
            match elements.iter_mut().find(|(name, _)| *name == header) {
                Some((_, count)) => *count += 1,
                None => elements.push((header.clone(), 0)),
            }
            covered(path, &header, &elements)
        } else if let Some(inner) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            header = keys(inner);
            covered(path, &header, &elements)
        } else if let Some((key, _)) = line.split_once('=').filter(|_| !line.starts_with('#')) {
            let mut full = header.clone();
            full.extend(keys(key));
            covered(path, &full, &elements)
        } else {
            None
        };
        if let Some(steps) = here
            && best.is_none_or(|(_, most)| steps > most)
        {
            best = Some((index + 1, steps));
        }
    }
    best.map(|(line, _)| line)
}

fn keys(dotted: &str) -> Vec<String> {
    dotted
        .split('.')
        .map(|key| key.trim().trim_matches(['"', '\'']).to_owned())
        .collect()
}

/// How many steps of `path` the keys written so far lead, if they lead along it at all.
fn covered(path: &[Step<'_>], written: &[String], elements: &[(Vec<String>, usize)]) -> Option<usize> {
    let mut steps = 0;
    for (depth, key) in written.iter().enumerate() {
        if *path.get(steps)? != Step::Key(key) {
            return None;
        }
        steps += 1;
        if let Some(Step::Element(wanted)) = path.get(steps) {
            let (_, current) = elements.iter().find(|(name, _)| name == &written[..=depth])?;
            if current != wanted {
                return None;
            }
            steps += 1;
        }
    }
    Some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
a = 1
# b = 1
b.c = 2

[x]
y = 3

[[u]]
name = \"one\"

[[u]]
name = \"two\"
p = [
  1,
]
";

    #[test]
    fn lines_are_found() {
        use Step::{Element, Key};
        for (path, line) in [
            (vec![Key("a")], Some(1)),
            (vec![Key("b"), Key("c")], Some(3)),
            (vec![Key("x"), Key("y")], Some(6)),
            (vec![Key("x"), Key("gone")], Some(5)),
            (vec![Key("u"), Element(0), Key("name")], Some(9)),
            (vec![Key("u"), Element(1), Key("name")], Some(12)),
            (vec![Key("u"), Element(1), Key("p")], Some(13)),
            (vec![Key("u"), Element(1)], Some(11)),
            (vec![Key("nowhere")], None),
        ] {
            assert_eq!(line_of(TEXT, &path), line, "{path:?}");
        }
    }
}
