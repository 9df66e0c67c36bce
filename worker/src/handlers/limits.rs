//! What a command may use of its machine.

use std::fmt::Write;
use std::time::Duration;

use tokio::process::Command;

/// Limits of one run of a command and each of its children; none unless set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Address space in bytes: over it, allocations fail.
    pub memory: Option<u64>,
    /// Processor time: over it, the command is killed by SIGXCPU.
    pub cpu: Option<Duration>,
    /// Open files.
    pub files: Option<u64>,
}

impl Limits {
    /// The command that runs `program` within the limits. They are set by a
    /// shell that then becomes the program, so there is no moment without them;
    /// it reads neither the program's name nor its arguments.
    pub(super) fn command(self, program: &str) -> Command {
        let Some(script) = self.script() else {
            return Command::new(program);
        };
        let mut command = Command::new("sh");
        command.args(["-c", &script, program]);
        command
    }

    fn script(self) -> Option<String> {
        let limits = [
            // The shell counts in KiB, and a limit of none would be no limit.
            ('v', self.memory.map(|bytes| bytes.div_ceil(1024))),
            ('t', self.cpu.map(|time| time.as_secs().max(1))),
            ('n', self.files),
        ];
        let mut script = String::new();
        for (letter, limit) in limits {
            if let Some(limit) = limit {
                write!(script, "ulimit -{letter} {limit} && ").expect("strings grow");
            }
        }
        (!script.is_empty()).then(|| script + r#"exec "$0" "$@""#)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_set_before_the_program_begins() {
        assert_eq!(Limits::default().script(), None);
        let limits = Limits {
            memory: Some(1_000),
            cpu: Some(Duration::from_millis(1_500)),
            files: Some(16),
        };
        let script = r#"ulimit -v 1 && ulimit -t 1 && ulimit -n 16 && exec "$0" "$@""#;
        assert_eq!(limits.script().as_deref(), Some(script));
    }
}
