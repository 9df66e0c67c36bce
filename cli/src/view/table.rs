//! Columns that line up.

use anstyle::Style;

const HEADING: Style = Style::new().bold();
const GAP: &str = "  ";

/// Lays out rows under their headings: the first column to the left, the
/// others, which hold numbers, to the right.
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> = headings
        .iter()
        .enumerate()
        .map(|(column, heading)| {
            let cells = rows.iter().map(|row| row[column].len());
            cells.chain([heading.len()]).max().unwrap_or(0)
        })
        .collect();
    let heading = line(&widths, headings.iter().copied());
    let body = rows
        .iter()
        .map(|row| line(&widths, row.iter().map(String::as_str)) + "\n");
    format!(
        "{HEADING}{heading}{HEADING:#}\n{}",
        body.collect::<String>()
    )
}

/// Lays out the `name  value` pairs that have a value; its further lines stand
/// under the first.
pub(crate) fn pairs(pairs: &[(&str, Option<String>)]) -> String {
    let given = pairs
        .iter()
        .filter_map(|(name, value)| Some((*name, value.as_ref()?)));
    let width = given.clone().map(|(name, _)| name.len()).max().unwrap_or(0);
    let indent = format!("\n{:width$}{GAP}", "");
    let lines = given.map(|(name, value)| {
        let value = value.replace('\n', &indent);
        format!("{HEADING}{name:width$}{HEADING:#}{GAP}{value}\n")
    });
    lines.collect()
}

fn line<'a>(widths: &[usize], cells: impl Iterator<Item = &'a str>) -> String {
    let cells = cells
        .zip(widths)
        .enumerate()
        .map(|(column, (cell, width))| match column {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
    cells.collect::<Vec<_>>().join(GAP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [["mail", "1,204"], ["resize-images", "7"]];
        let rows = rows.map(|row| row.map(str::to_owned).to_vec());
        let text = anstream::adapter::strip_str(&table(&["QUEUE", "WAITING"], &rows)).to_string();
        assert_eq!(
            text,
            "QUEUE          WAITING\n\
             mail             1,204\n\
             resize-images        7\n"
        );
    }
}
