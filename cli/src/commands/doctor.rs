use jobflow::proto::Severity;

use crate::args::Doctor;
use crate::client::Client;
use crate::error::{Error, Exit, Result};
use crate::output::Output;
use crate::view::doctor::{Diagnosis, text};
use crate::view::words::plural;

pub(crate) async fn run(doctor: &Doctor, client: &Client, output: &mut Output) -> Result<()> {
    output.refuse_ids("findings")?;
    let info = client.server_info().await?;
    let check = client.check_integrity(doctor.fix).await?;
    output.answer(&text(&info, &check), &Diagnosis::new(&info, &check))?;
    let errors = check.findings.iter();
    let errors = errors.filter(|finding| finding.severity() == Severity::Error);
    match errors.count() as u64 {
        0 => Ok(()),
        errors => Err(Error::new(
            Exit::Other,
            format!("{} to mend", plural(errors, "thing")),
        )),
    }
}
