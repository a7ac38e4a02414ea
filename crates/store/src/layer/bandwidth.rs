//! A limit of bytes a second, shared by all transfers of a process in one direction.

/// How many bytes a second may pass; clones share the limit.
#[derive(Clone, Debug, Default)]
pub struct Bandwidth {}

impl Bandwidth {
    /// No limit.
    pub fn unlimited() -> Self {
        Self::default()
    }

    /// Waits until so many more bytes may pass.
    pub async fn take(&self, _bytes: u64) {}
}
