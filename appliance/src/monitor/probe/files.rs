//! The kernel's small files, below a root.
//!
//! Promises: the buffers are taken once; a file without an end is read as far as [`MOST`]; a line or a name that is too
//! long, or is no text, is passed over. Must not know: what files say.

use std::{
    ffi::OsString,
    fmt::{self, Write as _},
    mem::MaybeUninit,
    ops::ControlFlow,
    path::Path,
    str::FromStr,
};

use heapless::{String as Short, Vec as Few};
use rustix::{
    fd::OwnedFd,
    fs::{Access, CWD, Mode, OFlags, RawDir, access, openat},
    io::{read, retry_on_intr},
};

/// Of a read, and so of a line.
const BUFFER: usize = 4096;
/// Of a file.
const MOST: usize = 4 << 20;

/// A name in a folder.
pub(super) type Name = Short<40>;
/// So many names are taken.
pub(super) type Names = Few<Name, 32>;

/// Reads files below a root.
pub(super) struct Files {
    root: OsString,
    /// The path that is being read.
    path: OsString,
    buffer: Box<[u8; BUFFER]>,
    listing: Box<[MaybeUninit<u8>; BUFFER]>,
}

impl Files {
    pub(super) fn below(root: &Path) -> Self {
        let mut root = root.as_os_str().to_owned();
        root.push("/");
        Self {
            path: OsString::with_capacity(root.len() + 128),
            root,
            buffer: Box::new([0; BUFFER]),
            listing: Box::new([MaybeUninit::uninit(); BUFFER]),
        }
    }

    /// The beginning of a file, without the space around it. `None` when it is not there, or empty.
    pub(super) fn text(&mut self, path: fmt::Arguments<'_>) -> Option<&str> {
        let file = self.open(path, OFlags::empty())?;
        let mut length = 0;
        while length < BUFFER {
            match retry_on_intr(|| read(&file, &mut self.buffer[length..])).ok()? {
                0 => break,
                more => length += more,
            }
        }
        let text = std::str::from_utf8(&self.buffer[..length]).ok()?.trim();
        (!text.is_empty()).then_some(text)
    }

    /// A file that holds one number.
    pub(super) fn number<T: FromStr>(&mut self, path: fmt::Arguments<'_>) -> Option<T> {
        self.text(path)?.parse().ok()
    }

    /// Each line of a file, until `take` has enough.
    pub(super) fn lines(&mut self, path: fmt::Arguments<'_>, mut take: impl FnMut(&str) -> ControlFlow<()>) {
        let Some(file) = self.open(path, OFlags::empty()) else {
            return;
        };
        let mut total = 0;
        // What is in the buffer, and whether it is the end of a line whose beginning was too long.
        let (mut length, mut is_rest) = (0, false);
        while total < MOST {
            let Ok(more) = retry_on_intr(|| read(&file, &mut self.buffer[length..])) else {
                return;
            };
            total += more;
            length += more;
            let mut begin = 0;
            while let Some(end) = self.buffer[begin..length].iter().position(|byte| *byte == b'\n') {
                let line = std::str::from_utf8(&self.buffer[begin..begin + end]);
                if let (Ok(line), false) = (line, is_rest)
                    && take(line).is_break()
                {
                    return;
                }
                is_rest = false;
                begin += end + 1;
            }
            if more == 0 {
                let line = std::str::from_utf8(&self.buffer[begin..length]);
                if let (Ok(line), false, true) = (line, is_rest, begin < length) {
                    let _ = take(line);
                }
                return;
            }
            self.buffer.copy_within(begin..length, 0);
            length -= begin;
            if length == BUFFER {
                (length, is_rest) = (0, true);
            }
        }
    }

    /// The names in a folder, as far as they are wanted and there is room for them.
    pub(super) fn names(&mut self, path: fmt::Arguments<'_>, mut wanted: impl FnMut(&str) -> bool) -> Names {
        let mut names = Names::new();
        let Some(folder) = self.open(path, OFlags::DIRECTORY) else {
            return names;
        };
        let mut entries = RawDir::new(folder, &mut *self.listing);
        while let Some(Ok(entry)) = entries.next() {
            let name = entry
                .file_name()
                .to_str()
                .ok()
                .filter(|name| !name.starts_with('.'));
            let Some(name) = name.filter(|name| wanted(name)) else {
                continue;
            };
            let Ok(name) = Name::try_from(name) else { continue };
            if names.push(name).is_err() {
                break;
            }
        }
        names
    }

    pub(super) fn exists(&mut self, path: fmt::Arguments<'_>) -> bool {
        self.go_to(path) && access(self.path.as_os_str(), Access::EXISTS).is_ok()
    }

    fn open(&mut self, path: fmt::Arguments<'_>, how: OFlags) -> Option<OwnedFd> {
        if !self.go_to(path) {
            return None;
        }
        let how = how | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY;
        openat(CWD, self.path.as_os_str(), how, Mode::empty()).ok()
    }

    fn go_to(&mut self, path: fmt::Arguments<'_>) -> bool {
        self.path.clear();
        self.path.push(&self.root);
        self.path.write_fmt(path).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    fn all(files: &mut Files) -> Vec<String> {
        let mut lines = Vec::new();
        files.lines(format_args!("file"), |line| {
            lines.push(line.to_owned());
            ControlFlow::Continue(())
        });
        lines
    }

    #[test]
    fn lines_come_whole_whatever_their_length_and_where_they_are_cut() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut files = Files::below(folder.path());
        let long = "x".repeat(3 * BUFFER);
        let fits = "y".repeat(BUFFER - 1);
        let text = format!("first\n\n{long}\nsecond\n{fits}\nthird{long}\nlast");
        fs::write(folder.path().join("file"), text).expect("written");
        assert_eq!(all(&mut files), ["first", "", "second", &fits, "last"]);
        let mut seen = 0;
        files.lines(format_args!("file"), |_| {
            seen += 1;
            ControlFlow::Break(())
        });
        assert_eq!(seen, 1);
    }

    #[test]
    fn what_is_not_there_or_says_nothing_is_absent() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut files = Files::below(folder.path());
        let mut read = |bytes: &[u8]| {
            fs::write(folder.path().join("file"), bytes).expect("written");
            files.number::<u64>(format_args!("file"))
        };
        assert_eq!(read(b"12\n"), Some(12));
        assert_eq!(read(b" 12 "), Some(12));
        for nothing in ["", "\n", "-1\n", "twelve", "12 13", "99999999999999999999999"] {
            assert_eq!(read(nothing.as_bytes()), None, "{nothing:?}");
        }
        assert_eq!(read(b"\xff\xfe1"), None);
        assert_eq!(files.number::<u64>(format_args!("none")), None);
        // A folder in a file's place.
        assert_eq!(files.text(format_args!(".")), None);
        assert!(files.names(format_args!("file"), |_| true).is_empty());
        assert!(files.exists(format_args!("file")) && !files.exists(format_args!("none")));
    }

    #[test]
    fn names_are_as_many_as_fit() {
        let folder = tempfile::tempdir().expect("a folder");
        for index in 0..100 {
            fs::write(folder.path().join(format!("veth{index}")), "").expect("written");
        }
        fs::write(folder.path().join("n".repeat(200)), "").expect("written");
        fs::write(folder.path().join("eth0"), "").expect("written");
        let mut files = Files::below(folder.path());
        assert_eq!(files.names(format_args!("."), |_| true).len(), 32);
        let physical = files.names(format_args!("."), |name| !name.starts_with("veth"));
        assert_eq!(physical, ["eth0"]);
    }

    proptest! {
        #[test]
        fn lines_are_those_of_the_file(
            lines in prop::collection::vec(
                prop_oneof![
                    prop::collection::vec(any::<u8>(), 0..20),
                    (0..3 * BUFFER).prop_map(|length| vec![b'x'; length]),
                    (BUFFER - 3..BUFFER + 3).prop_map(|length| vec![b'y'; length]),
                ],
                0..12,
            ),
        ) {
            let bytes = lines.join(&b'\n');
            let folder = tempfile::tempdir().expect("a folder");
            fs::write(folder.path().join("file"), &bytes).expect("written");
            let mut files = Files::below(folder.path());
            let mut expected: Vec<_> = bytes.split(|byte| *byte == b'\n').collect();
            if expected.last().is_some_and(|last| last.is_empty()) {
                expected.pop();
            }
            let expected: Vec<_> = expected
                .into_iter()
                .filter(|line| line.len() < BUFFER)
                .filter_map(|line| std::str::from_utf8(line).ok())
                .collect();
            prop_assert_eq!(all(&mut files), expected);
        }
    }
}
