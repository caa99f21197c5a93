//! What commands print: tables and blocks for people, JSON for programs.

use std::io::{IsTerminal, Write};

use serde_json::Value;

/// Prints rows as aligned columns under a heading; `--json` prints the objects instead.
pub(crate) fn list(json: bool, columns: &[&str], objects: &[Value]) {
    if json {
        print(&Value::Array(objects.to_vec()).to_string());
        return;
    }
    let rows: Vec<Vec<String>> =
        objects.iter().map(|object| columns.iter().map(|column| cell(&object[*column])).collect()).collect();
    let width = |position: usize| {
        let heading = columns.get(position).map_or(0, |column| column.len());
        rows.iter()
            .filter_map(|row| row.get(position))
            .map(|text| text.chars().count())
            .fold(heading, usize::max)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let line = |cells: &[String]| {
        let padded: Vec<String> =
            cells.iter().zip(&widths).map(|(text, width)| format!("{text:<width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let heading: Vec<String> = columns.iter().map(|column| column.to_uppercase().replace('_', " ")).collect();
    print(&line(&heading));
    for row in &rows {
        print(&line(row));
    }
}

/// Prints one object's members a line; `--json` prints the object instead.
pub(crate) fn show(json: bool, object: &Value) {
    if json {
        print(&object.to_string());
        return;
    }
    let Some(members) = object.as_object() else { return print(&cell(object)) };
    let width = members.keys().map(String::len).max().unwrap_or(0);
    for (name, value) in members {
        print(&format!("{name:<width$}  {}", cell(value)));
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        // What others named must not steer the terminal of who reads it.
        Value::String(text) => text.chars().fold(String::with_capacity(text.len()), |mut shown, c| {
            if c.is_control() {
                shown.extend(c.escape_default())
            } else {
                shown.push(c)
            }
            shown
        }),
        Value::Array(values) => values.iter().map(cell).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

/// Prints a line to standard output; a reader that has gone away is no error of ours.
pub(crate) fn print(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Says on a terminal's standard error how far long work has got; to others it is of no interest.
pub(crate) fn progress(line: &str) {
    if std::io::stderr().is_terminal() {
        crate::log::complain(line);
    }
}
