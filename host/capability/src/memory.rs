//! The memory of a run, all linear memories and tables together: stock limits count one memory at a time.

use wasmtime::ResourceLimiter;

/// Counts and holds.
#[derive(Debug)]
pub struct MemoryLimit {
    most: u64,
    used: u64,
    /// Whether a growth was refused.
    pub refused: bool,
}

impl MemoryLimit {
    /// At most so many bytes.
    pub fn new(most: u64) -> Self {
        Self { most, used: 0, refused: false }
    }

    /// Bytes in use.
    pub fn used(&self) -> u64 {
        self.used
    }

    fn grow(&mut self, current: usize, desired: usize, unit: u64) -> bool {
        let more = (desired.saturating_sub(current) as u64).saturating_mul(unit);
        let allowed = self.used.saturating_add(more) <= self.most;
        if allowed {
            self.used += more;
        } else {
            self.refused = true;
        }
        allowed
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(current, desired, 1))
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(current, desired, 16))
    }
}
