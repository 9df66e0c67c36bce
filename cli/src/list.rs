//! Lists, printed as they come or again and again.

use std::collections::HashMap;
use std::io;
use std::marker::PhantomData;

use serde::Serialize;

use crate::args::Form;
use crate::output::{Output, json_line};
use crate::view::Item;
use crate::view::table::{Table, table};

/// A list that is printed part by part.
pub(crate) struct List<'a, T> {
    output: &'a mut Output,
    table: Table,
    is_empty: bool,
    of: PhantomData<T>,
}

impl<'a, T: Item> List<'a, T> {
    pub(crate) fn new(output: &'a mut Output) -> Self {
        Self {
            output,
            table: Table::new(T::COLUMNS),
            is_empty: true,
            of: PhantomData,
        }
    }

    pub(crate) fn add(&mut self, items: &[T]) -> io::Result<()> {
        match self.output.form() {
            Form::Table => self.rows(items)?,
            Form::Json => items
                .iter()
                .try_for_each(|item| self.element(&item.json()))?,
            Form::Jsonl => {
                for item in items {
                    self.output.json_line(&item.json())?;
                }
            }
            Form::Id => {
                for item in items {
                    self.output.line(item.id())?;
                }
            }
        }
        self.is_empty &= items.is_empty();
        self.output.flush()
    }

    pub(crate) fn close(self) -> io::Result<()> {
        match (self.output.form(), self.is_empty) {
            (Form::Table, true) => self.output.text(&self.table.heading()),
            (Form::Json, true) => self.output.line("[]"),
            (Form::Json, false) => self.output.line("\n]"),
            _ => Ok(()),
        }
    }

    fn rows(&mut self, items: &[T]) -> io::Result<()> {
        let rows: Vec<_> = items.iter().map(Item::row).collect();
        self.table.widen(&rows);
        if self.is_empty && !rows.is_empty() {
            self.output.text(&self.table.heading())?;
        }
        self.output.text(&self.table.body(&rows))
    }

    /// One more element of the array; its end is open.
    fn element(&mut self, value: &impl Serialize) -> io::Result<()> {
        let before = if self.is_empty { "[" } else { "," };
        self.is_empty = false;
        let value = serde_json::to_string_pretty(value)?.replace('\n', "\n  ");
        self.output.text(&format!("{before}\n  {value}"))
    }
}

/// A list that is shown again and again.
#[derive(Default)]
pub(crate) struct Watched {
    /// What was printed last of each thing that is still there.
    lines: HashMap<String, String>,
}

impl Watched {
    /// Shows the list as it is now: in place of the last one on a terminal,
    /// else a JSON line for what is new or has changed.
    pub(crate) fn show<T: Item>(&mut self, items: &[T], output: &mut Output) -> io::Result<()> {
        if output.can_redraw() {
            let rows: Vec<_> = items.iter().map(Item::row).collect();
            return output.redraw(&table(T::COLUMNS, &rows));
        }
        let mut lines = HashMap::with_capacity(items.len());
        for item in items {
            let line = json_line(&item.json())?;
            if self.lines.get(item.id()) != Some(&line) {
                output.line(&line)?;
            }
            lines.insert(item.id().to_owned(), line);
        }
        self.lines = lines;
        output.flush()
    }
}
