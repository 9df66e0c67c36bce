//! What axe-core says of a page: the violations of WCAG 2.1 A and AA.

use std::fs;

use crate::system::output_folder;
use crate::webdriver::Browser;

const JUDGE: &str = r"
  const done = arguments[arguments.length - 1];
  const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'];
  axe.run(document, { runOnly: tags }).then(
    (found) => done(found.violations.map((rule) => `${rule.id}: ${rule.help}: ${rule.nodes.slice(0, 3).map((node) => node.html.slice(0, 200) + ' ' + node.failureSummary).join(' | ')}`)),
    (error) => done([String(error)]),
  );
";

/// Brings axe-core into the page; another page has to be brought it again.
pub(crate) async fn bring(page: &Browser) {
    let path = output_folder().join("axe/node_modules/axe-core/axe.min.js");
    let axe = fs::read_to_string(&path);
    let axe =
        axe.unwrap_or_else(|error| panic!("{}: {error}: run `cargo xtask setup`", path.display()));
    page.ask(&axe).await;
}

/// The violations of what is shown.
pub(crate) async fn judge(page: &Browser) -> Vec<String> {
    let found = page.later(JUDGE).await;
    let found = found.as_array().unwrap().iter();
    found
        .map(|fault| fault.as_str().unwrap().to_owned())
        .collect()
}
