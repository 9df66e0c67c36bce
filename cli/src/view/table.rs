//! Columns that line up.

use anstyle::Style;

const HEADING: Style = Style::new().bold();
const GAP: &str = "  ";

/// A heading, and the side to which its cells keep.
#[derive(Clone, Copy)]
pub(crate) enum Column {
    /// For words.
    Left(&'static str),
    /// For numbers.
    Right(&'static str),
}

impl Column {
    pub(crate) const fn heading(self) -> &'static str {
        match self {
            Self::Left(heading) | Self::Right(heading) => heading,
        }
    }
}

/// Rows under their headings.
pub(crate) fn table(columns: &[Column], rows: &[Vec<String>]) -> String {
    let mut table = Table::new(columns);
    table.widen(rows);
    table.heading() + &table.body(rows)
}

/// A table that is printed part by part, as its rows come.
pub(crate) struct Table {
    columns: Vec<Column>,
    widths: Vec<usize>,
}

impl Table {
    pub(crate) fn new(columns: &[Column]) -> Self {
        let widths = columns.iter().map(|column| column.heading().len());
        Self {
            columns: columns.to_vec(),
            widths: widths.collect(),
        }
    }

    /// Makes the columns wide enough for these rows.
    pub(crate) fn widen(&mut self, rows: &[Vec<String>]) {
        for row in rows {
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = columns_of(cell).max(*width);
            }
        }
    }

    pub(crate) fn heading(&self) -> String {
        let headings = self.columns.iter().map(|column| column.heading());
        format!("{HEADING}{}{HEADING:#}\n", self.line(headings))
    }

    pub(crate) fn body(&self, rows: &[Vec<String>]) -> String {
        let lines = rows
            .iter()
            .map(|row| self.line(row.iter().map(String::as_str)) + "\n");
        lines.collect()
    }

    fn line<'a>(&self, cells: impl Iterator<Item = &'a str>) -> String {
        let cells = cells.zip(&self.columns).zip(&self.widths);
        let cells = cells.map(|((cell, column), width)| {
            let gap = " ".repeat(width.saturating_sub(columns_of(cell)));
            match column {
                Column::Left(_) => format!("{cell}{gap}"),
                Column::Right(_) => format!("{gap}{cell}"),
            }
        });
        let line = cells.collect::<Vec<_>>().join(GAP);
        line.trim_end().to_owned()
    }
}

/// How many columns of a terminal a text takes, colours aside.
fn columns_of(text: &str) -> usize {
    plain(text).chars().count()
}

pub(crate) fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [["mail", "1,204", "x"], ["resize-images", "7", ""]];
        let rows = rows.map(|row| row.map(str::to_owned).to_vec());
        let columns = [
            Column::Left("QUEUE"),
            Column::Right("WAITING"),
            Column::Left("NOTE"),
        ];
        let text = plain(&table(&columns, &rows));
        assert_eq!(
            text,
            "QUEUE          WAITING  NOTE\n\
             mail             1,204  x\n\
             resize-images        7\n"
        );
    }

    #[test]
    fn colours_take_no_room() {
        let coloured = "\x1b[32mok\x1b[0m".to_owned();
        let rows = [
            vec![coloured, "1".to_owned()],
            vec!["é".to_owned(), "2".to_owned()],
        ];
        let text = plain(&table(&[Column::Left("A"), Column::Left("B")], &rows));
        assert_eq!(text, "A   B\nok  1\né   2\n");
    }
}
