//! Which of the 16,384 slots of a cluster a command belongs to.

use ::redis::{Arg, Cmd};

/// The slots of a cluster are 0 to 16,383.
pub(crate) const SLOTS: u16 = 16_384;

/// A slot of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Slot(pub(crate) u16);

impl Slot {
    /// Of a key: what stands between its first braces decides, or else all of it.
    pub(crate) fn of(key: &[u8]) -> Self {
        let tag = key.iter().position(|byte| *byte == b'{').and_then(|open| {
            let rest = &key[open + 1..];
            let close = rest.iter().position(|byte| *byte == b'}')?;
            (close > 0).then(|| &rest[..close])
        });
        Self(crc16(tag.unwrap_or(key)) % SLOTS)
    }

    /// Of a command: that of its first key; none for one without keys.
    pub(crate) fn of_command(command: &Cmd) -> Option<Self> {
        let mut words = command.args_iter().filter_map(|arg| match arg {
            Arg::Simple(bytes) => Some(bytes),
            _ => None,
        });
        let key = match words.next()? {
            b"PING" | b"INFO" | b"TIME" | b"CONFIG" | b"CLIENT" | b"CLUSTER" | b"SCAN" => None,
            // Behind the script and the number of keys.
            b"EVALSHA" | b"EVAL" => words.nth(2),
            b"XREAD" => words.skip_while(|word| *word != b"STREAMS").nth(1),
            _ => words.next(),
        };
        key.map(Self::of)
    }
}

/// CRC-16/XMODEM, which the specification of Redis Cluster names.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            (crc << 1) ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_that_redis_computes() {
        // As `CLUSTER KEYSLOT` answers.
        for (key, slot) in [
            ("123456789", 12_739),
            ("foo", 12_182),
            ("{foo}:bar", 12_182),
            ("a{foo}{bar}", 12_182),
            ("", 0),
        ] {
            assert_eq!(Slot::of(key.as_bytes()), Slot(slot), "{key}");
        }
        // Empty braces name nothing: the whole key counts.
        assert_ne!(Slot::of(b"{}foo"), Slot::of(b"{}bar"));
    }

    #[test]
    fn the_first_key_of_a_command_decides() {
        let foo = Some(Slot(12_182));
        let mut get = ::redis::cmd("HGET");
        assert_eq!(Slot::of_command(get.arg("foo").arg("field")), foo);
        let mut script = ::redis::cmd("EVALSHA");
        assert_eq!(Slot::of_command(script.arg("hash").arg(1).arg("foo")), foo);
        let mut read = ::redis::cmd("XREAD");
        read.arg("COUNT").arg(1).arg("STREAMS").arg("foo").arg("0");
        assert_eq!(Slot::of_command(&read), foo);
        assert_eq!(Slot::of_command(&::redis::cmd("TIME")), None);
    }
}
