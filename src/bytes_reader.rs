//! Reads what scripts have packed, field by field.

/// Takes fields off the front of packed bytes.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl Reader<'_> {
    /// A little-endian number of `N` bytes.
    pub(crate) fn number<const N: usize>(&mut self) -> Option<u64> {
        let (bytes, rest) = self.0.split_at_checked(N)?;
        self.0 = rest;
        let mut wide = [0; 8];
        wide[..N].copy_from_slice(bytes);
        Some(u64::from_le_bytes(wide))
    }

    /// A text of `len` bytes.
    pub(crate) fn text(&mut self, len: u64) -> Option<String> {
        let (bytes, rest) = self.0.split_at_checked(usize::try_from(len).ok()?)?;
        self.0 = rest;
        String::from_utf8(bytes.to_vec()).ok()
    }
}
