//! `cargo xtask web`: the dashboard from its sources into `web/dist`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use brotli::enc::BrotliEncoderParams;
use sha2::{Digest, Sha256};
use wasm_bindgen_cli_support::Bindgen;

use crate::setup;
use crate::util::{self, say};

pub(crate) const HELP: &str = "\
Usage: cargo xtask web

Compiles the dashboard to WebAssembly and writes web/dist, which the server
embeds. Files are named by their content, so that browsers may keep them.
Does nothing when web/dist is up to date.";

/// As long as this is in the stamp, the way of bundling is the same.
const BUNDLER_VERSION: &str = "4";

pub(crate) fn command(arguments: &[String]) -> Result<()> {
    ensure!(arguments.is_empty(), "`cargo xtask web` takes no arguments");
    setup::wasm_target()?;
    build()
}

/// Builds `web/dist` where a source is newer.
pub(crate) fn build() -> Result<()> {
    let wasm = compile()?;
    let web = util::root().join("web");
    let sources = Sources::read(&web, &wasm)?;
    let dist = web.join("dist");
    let stamp = util::target_dir()?.join("web-bundle.stamp");
    let digest = sources.digest();
    let fresh = fs::read_to_string(&stamp).is_ok_and(|last| last == digest);
    if fresh && dist.join("index.html").is_file() {
        return Ok(());
    }
    say("bundling the dashboard into web/dist");
    let bundle = bundle(&sources, &bind(&wasm)?)?;
    let sent: usize = bundle
        .iter()
        .filter(|file| file.path.ends_with(".br"))
        .map(|file| file.content.len())
        .sum();
    replace(&dist, &bundle)?;
    fs::write(stamp, digest)?;
    say(&format!("web/dist: {} KiB to be sent", sent / 1024));
    Ok(())
}

fn compile() -> Result<PathBuf> {
    const TARGET: &str = "wasm32-unknown-unknown";
    let mut cargo = util::cargo();
    cargo.args(["build", "--locked", "--package", "jobflow-web"]);
    cargo.args(["--target", TARGET, "--profile", "web"]);
    util::run(&mut cargo)?;
    let wasm = util::target_dir()?
        .join(TARGET)
        .join("web/jobflow-web.wasm");
    ensure!(wasm.is_file(), "cargo wrote no {}", wasm.display());
    Ok(wasm)
}

/// Runs wasm-bindgen and returns the folder with what it wrote.
fn bind(wasm: &Path) -> Result<PathBuf> {
    let folder = util::target_dir()?.join("web-bindgen");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    Bindgen::new()
        .input_path(wasm)
        .web(true)?
        .typescript(false)
        .remove_name_section(true)
        .remove_producers_section(true)
        .out_name("app")
        .generate(&folder)
        .context("wasm-bindgen failed")?;
    Ok(folder)
}

/// A file of the bundle: its path below `web/dist`, and what is in it.
struct File {
    path: String,
    content: Vec<u8>,
}

/// Everything that decides what the bundle is.
struct Sources {
    wasm: Vec<u8>,
    index: String,
    style: Vec<u8>,
    boot: String,
    assets: Vec<File>,
}

impl Sources {
    fn read(web: &Path, wasm: &Path) -> Result<Self> {
        let text = |name: &str| {
            let path = web.join(name);
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
        };
        Ok(Self {
            wasm: fs::read(wasm)?,
            index: text("index.html")?,
            // One after the other, in the order of their names.
            style: files_below(&web.join("style"), "style")?
                .into_iter()
                .flat_map(|file| file.content)
                .collect(),
            boot: text("boot.js")?,
            assets: files_below(&web.join("assets"), "assets")?,
        })
    }

    fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        let mut add = |part: &[u8]| {
            hasher.update(part.len().to_le_bytes());
            hasher.update(part);
        };
        add(BUNDLER_VERSION.as_bytes());
        add(&self.wasm);
        add(self.index.as_bytes());
        add(&self.style);
        add(self.boot.as_bytes());
        for file in &self.assets {
            add(file.path.as_bytes());
            add(&file.content);
        }
        hex(&hasher.finalize())
    }
}

/// The files of a folder and its sub-folders, in order; none if it is absent.
fn files_below(folder: &Path, prefix: &str) -> Result<Vec<File>> {
    let mut files = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(files);
    };
    for entry in entries {
        let entry = entry?;
        let path = format!("{prefix}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            files.extend(files_below(&entry.path(), &path)?);
        } else {
            let content = fs::read(entry.path())?;
            files.push(File { path, content });
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// Names the files by their content, from the inside out: each name goes into
/// the file that refers to it before that one is named. `app.js` does not name
/// `app_bg.wasm`; `boot.js` brings the two together.
fn bundle(sources: &Sources, bound: &Path) -> Result<Vec<File>> {
    let wasm = named("app_bg.wasm", fs::read(bound.join("app_bg.wasm"))?);
    let app = named("app.js", fs::read(bound.join("app.js"))?);
    let boot = refer(&sources.boot, "app_bg.wasm", &wasm.path, "boot.js")?;
    let boot = refer(&boot, "app.js", &app.path, "boot.js")?;
    let boot = named("boot.js", boot.into_bytes());
    let style = named("style.css", sources.style.clone());
    let index = refer(&sources.index, "style.css", &style.path, "index.html")?;
    let index = refer(&index, "boot.js", &boot.path, "index.html")?;
    let index = refer(&index, "app_bg.wasm", &wasm.path, "index.html")?;
    let index = refer(&index, "app.js", &app.path, "index.html")?;
    let mut files = vec![wasm, app, boot, style];
    files.extend(files_below(&bound.join("snippets"), "snippets")?);
    for asset in &sources.assets {
        files.push(File {
            path: asset.path.clone(),
            content: asset.content.clone(),
        });
    }
    let index = File {
        path: "index.html".to_owned(),
        content: index.into_bytes(),
    };
    let small = files
        .iter()
        .chain([&index])
        .map(compressed)
        .collect::<Result<Vec<_>>>()?;
    files.extend(small);
    files.push(index);
    Ok(files)
}

/// The file as a browser that knows brotli gets it: compressed once and as
/// well as can be, not for each visitor and in haste.
fn compressed(file: &File) -> Result<File> {
    let mut content = Vec::new();
    let params = BrotliEncoderParams {
        quality: 11,
        lgwin: 22,
        size_hint: file.content.len(),
        ..BrotliEncoderParams::default()
    };
    brotli::BrotliCompress(&mut file.content.as_slice(), &mut content, &params)?;
    let path = format!("{}.br", file.path);
    Ok(File { path, content })
}

/// `style.css` → `style-0123456789abcdef.css`.
fn named(name: &str, content: Vec<u8>) -> File {
    let digest = hex(&Sha256::digest(&content));
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    File {
        path: format!("{stem}-{}.{extension}", &digest[..16]),
        content,
    }
}

fn refer(text: &str, old: &str, new: &str, place: &str) -> Result<String> {
    if !text.contains(old) {
        bail!("{place} does not refer to {old}");
    }
    Ok(text.replace(old, new))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes the bundle over the last one: `index.html` last, so that at every
/// moment all it refers to is there; then what nothing refers to goes.
fn replace(dist: &Path, bundle: &[File]) -> Result<()> {
    let old = files_below(dist, "")?;
    for file in bundle {
        let path = dist.join(&file.path);
        let folder = path.parent().unwrap_or(dist);
        fs::create_dir_all(folder)?;
        fs::write(&path, &file.content).with_context(|| format!("writing {}", path.display()))?;
    }
    let new: BTreeSet<&str> = bundle.iter().map(|file| file.path.as_str()).collect();
    for file in old {
        let path = file.path.trim_start_matches('/');
        if !new.contains(path) {
            fs::remove_file(dist.join(path))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_follows_the_content() {
        let first = named("style.css", b"a".to_vec());
        let second = named("style.css", b"b".to_vec());
        assert_ne!(first.path, second.path);
        assert_eq!(first.path.len(), "style-.css".len() + 16);
        assert_eq!(first.path, named("style.css", b"a".to_vec()).path);
    }

    #[test]
    fn a_bundle_whose_parts_do_not_meet_is_refused() {
        assert!(refer("import './other.js'", "app.js", "app-1.js", "boot.js").is_err());
        let text = refer("import './app.js'", "app.js", "app-1.js", "boot.js").unwrap();
        assert_eq!(text, "import './app-1.js'");
    }
}
