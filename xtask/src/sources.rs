//! The project's own files, as git sees them: tracked, or new and not ignored.

use std::process::Command;

use crate::process::{Failure, failed, output, root};

/// One text file of the project.
pub(crate) struct SourceFile {
    /// The path from the workspace's folder, with `/`.
    pub(crate) path: String,
    /// The whole text.
    pub(crate) text: String,
}

impl SourceFile {
    /// The crate or top folder the file belongs to: `crates/NAME/…` gives `NAME`, `xtask/…` gives `xtask`.
    pub(crate) fn room(&self) -> &str {
        let mut parts = self.path.split('/');
        match parts.next() {
            Some("crates") => parts.next().unwrap_or(""),
            Some(first) => first,
            None => "",
        }
    }

    /// Whether the whole file is test code.
    pub(crate) fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or("");
        let folder = |name: &str| self.path.contains(&format!("/{name}/"));
        folder("tests")
            || folder("benches")
            || folder("examples")
            || name == "tests.rs"
            || name.ends_with("_tests.rs")
    }

    /// The lines before the file's unit tests, with their numbers from 1.
    ///
    /// Unit tests stand at the end of a file, in a module marked `#[cfg(test)]`.
    pub(crate) fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let until = if self.is_test() { Some(0) } else { unit_tests_start(&self.text) };
        self.text.lines().enumerate().map(|(at, line)| (at + 1, line)).take(until.unwrap_or(usize::MAX))
    }
}

/// How many lines stand before the unit tests at a file's end.
fn unit_tests_start(text: &str) -> Option<usize> {
    let lines: Vec<&str> = text.lines().collect();
    let marks = |at: usize| lines.get(at).is_some_and(|line| line.trim_end() == "#[cfg(test)]");
    let opens = |at: usize| {
        lines
            .iter()
            .skip(at + 1)
            .find(|line| !line.trim_start().starts_with("#["))
            .is_some_and(|line| line.starts_with("mod ") && line.trim_end().ends_with('{'))
    };
    (0..lines.len()).find(|&at| marks(at) && opens(at))
}

/// All text files of the project. Files that are not UTF-8 are left out.
pub(crate) fn all() -> Result<Vec<SourceFile>, Failure> {
    let listed = output(Command::new("git").current_dir(root()).args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]))?;
    let mut files = Vec::new();
    for path in listed.split('\0').filter(|path| !path.is_empty()) {
        // A tracked file may be gone from the tree.
        let Ok(bytes) = std::fs::read(root().join(path)) else { continue };
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(SourceFile { path: path.to_owned(), text });
        }
    }
    if files.is_empty() {
        return failed("git lists no files: the tasks need the project's git repository");
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.dedup_by(|a, b| a.path == b.path);
    Ok(files)
}

/// A line without its `//` comment. A `//` inside quotes, as in a URL, is not a comment.
pub(crate) fn without_comment(line: &str) -> &str {
    let mut quoted = false;
    let mut escaped = false;
    let mut last = ' ';
    for (at, c) in line.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '/' if last == '/' && !quoted => return line.get(..at - 1).unwrap_or(""),
            _ => {}
        }
        last = c;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn code_ends_where_the_unit_tests_begin() {
        let text =
            "fn a() {}\n#[cfg(test)]\nmod laws;\nfn b() {}\n\n#[cfg(test)]\n#[expect(x)]\nmod tests {\n}\n";
        let file = file("crates/store/src/lib.rs", text);
        assert_eq!(file.code_lines().count(), 5);
        assert_eq!(file.room(), "store");
    }

    #[test]
    fn files_of_tests_have_no_code() {
        for path in ["crates/a/tests/x.rs", "crates/a/src/b/tests.rs", "crates/a/benches/x.rs"] {
            assert_eq!(file(path, "fn a() {}\n").code_lines().count(), 0, "{path}");
        }
    }

    #[test]
    fn a_comment_is_cut_but_an_address_is_kept() {
        assert_eq!(without_comment("let a = 1; // SystemTime::now"), "let a = 1; ");
        assert_eq!(without_comment(r#"let a = "http://x/"; // b"#), r#"let a = "http://x/"; "#);
        assert_eq!(without_comment(r#"let a = "\"//";"#), r#"let a = "\"//";"#);
        assert_eq!(without_comment("/// doc"), "");
    }

    #[test]
    fn this_file_is_one_of_the_project_s_files() {
        assert!(all().unwrap().iter().any(|file| file.path == "xtask/src/sources.rs"));
    }
}
