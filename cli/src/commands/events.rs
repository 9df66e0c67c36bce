use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jobflow::proto::WatchEventsResponse;
use tokio::time::{sleep, timeout};
use tonic::{Code, Status};

use crate::args::{Events, Form};
use crate::client::{Client, REOPEN_PAUSE};
use crate::error::{Error, Exit, Result, is_transient};
use crate::output::Output;
use crate::reader::while_read;
use crate::view::event::{Event, event};
use crate::view::words::printable;

/// Without --follow: who hears nothing for so long has caught up.
const SILENCE: Duration = Duration::from_secs(1);

pub(crate) async fn run(client: &Client, args: &Events, output: &mut Output) -> Result<()> {
    output.refuse_ids("events")?;
    while_read(print(client, args, output)).await
}

async fn print(client: &Client, args: &Events, output: &mut Output) -> Result<()> {
    let file = args.resume_token_file.as_deref().map(TokenFile::new);
    let mut token = match &file {
        Some(file) => file.read()?,
        None => String::new(),
    };
    loop {
        let mut stream = client.watch_events(&args.filter, &token).await?;
        let end = loop {
            let next = stream.message();
            let message = match args.follow {
                true => next.await,
                false => timeout(SILENCE, next).await.unwrap_or(Ok(None)),
            };
            match message {
                Ok(Some(message)) => {
                    show(&message, output)?;
                    if !message.resume_token.is_empty() {
                        token.clone_from(&message.resume_token);
                        // What is printed is printed before it counts as read.
                        file.as_ref().map_or(Ok(()), |file| file.write(&token))?;
                    }
                    if !args.follow && message.events.is_empty() && message.gap_queue.is_empty() {
                        return Ok(());
                    }
                }
                Ok(None) if !args.follow => return Ok(()),
                Ok(None) => break Status::new(Code::Unavailable, "the stream has ended"),
                Err(status) => break status,
            }
        };
        if !is_transient(&end) {
            return Err(client.error(&end));
        }
        output.message("the connection is lost; connecting again");
        sleep(REOPEN_PAUSE).await;
    }
}

fn show(message: &WatchEventsResponse, output: &mut Output) -> io::Result<()> {
    if !message.gap_queue.is_empty() {
        let queue = printable(&message.gap_queue);
        output.message(&format!(
            "events of queue {queue} were forgotten before they could be read; look at its jobs"
        ));
    }
    for one in &message.events {
        match output.form() {
            Form::Table | Form::Id => output.line(&event(one))?,
            Form::Json | Form::Jsonl => output.json_line(&Event::new(one))?,
        }
    }
    output.flush()
}

/// Remembers how far the events were read.
struct TokenFile {
    path: PathBuf,
    /// Written first, so that the file is never half a token.
    draft: PathBuf,
}

impl TokenFile {
    fn new(path: &Path) -> Self {
        let mut draft = path.as_os_str().to_owned();
        draft.push(".new");
        Self {
            path: path.to_owned(),
            draft: draft.into(),
        }
    }

    /// Nothing where there is no file as yet.
    fn read(&self) -> Result<String> {
        match fs::read_to_string(&self.path) {
            Ok(token) => Ok(token.trim().to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(self.failed(&error)),
        }
    }

    fn write(&self, token: &str) -> Result<()> {
        fs::write(&self.draft, token)
            .and_then(|()| fs::rename(&self.draft, &self.path))
            .map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &io::Error) -> Error {
        let path = self.path.display();
        Error::new(Exit::Other, format!("--resume-token-file {path}: {error}"))
    }
}
