//! Reads the words of a filter into an expression, by recursive descent.

use crate::error::Result;

use super::eval::Expr;
use super::lexer::{Lexer, error_at};
use super::term::{Field, Term};
use super::{MAX_DEPTH, MAX_FILTER, MAX_TERMS};

const TOO_DEEP: &str = "parentheses are nested more than 32 deep";

pub(super) fn parse(text: &str) -> Result<Expr> {
    if text.len() > MAX_FILTER {
        let message = format!("{} bytes, the limit is {MAX_FILTER}", text.len());
        return Err(error_at(1, message));
    }
    let mut parser = Parser {
        lexer: Lexer::new(text),
        terms: 0,
        depth: 0,
    };
    if parser.lexer.peek().is_none() {
        return Ok(Expr::And(Vec::new()));
    }
    let expr = parser.filter()?;
    match parser.lexer.peek() {
        None => check_written_out(expr),
        Some(')') => Err(parser.lexer.error("no parenthesis is open here")),
        Some(_) => Err(parser.lexer.error("expected AND, OR or a comparison")),
    }
}

/// What is kept of a filter is its written-out form, which must be readable too.
fn check_written_out(expr: Expr) -> Result<Expr> {
    let len = expr.to_string().len();
    if len > MAX_FILTER {
        let message = format!("{len} bytes when written out, the limit is {MAX_FILTER}");
        return Err(error_at(1, message));
    }
    if expr.depth() > MAX_DEPTH {
        return Err(error_at(1, TOO_DEEP));
    }
    Ok(expr)
}

struct Parser {
    lexer: Lexer,
    terms: usize,
    depth: usize,
}

impl Parser {
    fn filter(&mut self) -> Result<Expr> {
        let mut parts = vec![self.choice()?];
        loop {
            if self.lexer.take_word("AND") {
                parts.push(self.choice()?);
            } else if matches!(self.lexer.peek(), None | Some(')')) {
                return Ok(Expr::and(parts));
            } else {
                // Side by side means AND.
                parts.push(self.choice()?);
            }
        }
    }

    fn choice(&mut self) -> Result<Expr> {
        let mut parts = vec![self.factor()?];
        while self.lexer.take_word("OR") {
            parts.push(self.factor()?);
        }
        Ok(Expr::or(parts))
    }

    fn factor(&mut self) -> Result<Expr> {
        if self.lexer.take('-') || self.lexer.take_word("NOT") {
            return Ok(Expr::Not(Box::new(self.simple()?)));
        }
        self.simple()
    }

    fn simple(&mut self) -> Result<Expr> {
        let open = self.lexer.position();
        if !self.lexer.take('(') {
            return self.term().map(Expr::Term);
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(error_at(open, TOO_DEEP));
        }
        let inner = self.filter()?;
        if !self.lexer.take(')') {
            return Err(self.lexer.error("expected a closing parenthesis"));
        }
        self.depth -= 1;
        Ok(inner)
    }

    fn term(&mut self) -> Result<Term> {
        self.lexer.peek();
        let position = self.lexer.position();
        let name = self.lexer.name();
        if name.is_empty() || ["AND", "OR", "NOT"].contains(&name.as_str()) {
            return Err(error_at(
                position,
                "expected a comparison, like state = failed",
            ));
        }
        let field = Field::of_name(&name).ok_or_else(|| {
            let known: Vec<_> = Field::ALL.iter().map(|field| field.name()).collect();
            error_at(
                position,
                format!("{name} is no field; the fields are {}", known.join(", ")),
            )
        })?;
        self.lexer.peek();
        let op_position = self.lexer.position();
        let op = self.lexer.operator()?;
        let value = self.lexer.value()?;
        self.terms += 1;
        if self.terms > MAX_TERMS {
            return Err(error_at(
                position,
                format!("a filter has at most {MAX_TERMS} comparisons"),
            ));
        }
        Term::new(field, op, value, position, op_position)
    }
}
