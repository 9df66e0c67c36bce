//! `cargo xtask screenshots`: the pictures of the documentation.

use std::fs;

use anyhow::{Result, ensure};

use crate::util::{self, say};
use crate::{setup, web};

pub(crate) const HELP: &str = "\
Usage: cargo xtask screenshots

Drives every page of the dashboard in Chromium, in both themes, and copies the
pictures of 390 and 1280 px into docs/images. All widths are in
target/screenshots.";

/// The test that takes them.
const TEST: &str = "every_page_fits_is_readable_and_can_be_used_by_everybody";
const KEPT: [&str; 4] = ["-390-dark", "-390-light", "-1280-dark", "-1280-light"];

pub(crate) fn command(arguments: &[String]) -> Result<()> {
    ensure!(
        arguments.is_empty(),
        "`cargo xtask screenshots` takes no arguments"
    );
    setup::for_tests()?;
    web::build()?;
    util::run(util::cargo().args(["build", "--locked", "--workspace", "--bins"]))?;
    let mut test = util::cargo();
    test.args(["test", "--locked", "--workspace", "--test", "e2e", TEST]);
    util::run(&mut test)?;
    let images = util::root().join("docs/images");
    let mut copied = 0;
    for picture in fs::read_dir(util::target_dir()?.join("screenshots"))? {
        let picture = picture?;
        let name = picture.file_name();
        let name = name.to_string_lossy();
        if KEPT
            .iter()
            .any(|kept| name.trim_end_matches(".png").ends_with(kept))
        {
            fs::copy(picture.path(), images.join(&*name))?;
            copied += 1;
        }
    }
    say(&format!("docs/images: {copied} pictures"));
    Ok(())
}
