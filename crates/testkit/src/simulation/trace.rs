//! What happened, step by step: always as one number, and in words where somebody wants to read it.

/// A trace. Two runs of one seed have the same.
#[derive(Debug, Default)]
pub(super) struct Trace {
    digest: u64,
    lines: Option<Vec<String>>,
}

impl Trace {
    pub(super) fn new(keeps_lines: bool) -> Self {
        // FNV-1a's offset basis.
        Self { digest: 0xCBF2_9CE4_8422_2325, lines: keeps_lines.then(Vec::new) }
    }

    /// Notes what happened in a step.
    pub(super) fn note(
        &mut self,
        step: u64,
        now: u64,
        what: &str,
        numbers: &[u64],
        words: impl FnOnce() -> String,
    ) {
        for byte in what.bytes() {
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
        for number in [step, now].iter().chain(numbers) {
            self.digest = (self.digest ^ number).wrapping_mul(0x0100_0000_01B3).rotate_left(17);
        }
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{step:>7}  {now}  {what:<9} {}", words()));
        }
    }

    pub(super) fn digest(&self) -> u64 {
        self.digest
    }

    pub(super) fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default()
    }
}
