//! What the system tells without having been asked.

use crate::report::{Console, Report, Settings, Sink, Style};
use crate::system::Failure;
use alloc::string::String;

/// Something that has happened: shown before the next prompt, or at once while a line is typed.
#[derive(Clone, PartialEq, Debug)]
pub struct Notice {
    /// What, in one line.
    pub text: String,
    /// How the line looks.
    pub style: Style,
    /// What there is to say besides.
    pub report: Report,
    /// What failed, if it is the end of something that did.
    pub failure: Option<Failure>,
}

impl Notice {
    /// Just a line.
    pub fn new(text: String, style: Style) -> Self {
        Notice {
            text,
            style,
            report: Report::new(),
            failure: None,
        }
    }

    fn show(&self, console: &mut Console<'_>) {
        console.styled(Some(self.style), &self.text);
        console.end_line();
        self.report.show(console, 0);
        if let Some(failure) = &self.failure {
            failure.show(console);
        }
    }
}

/// Shows `notices`.
pub fn show(notices: &[Notice], sink: &mut dyn Sink, settings: Settings) {
    let mut console = Console::new(sink, settings);
    notices.iter().for_each(|notice| notice.show(&mut console));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{FakeSystem, FakeTty, PLAIN};
    use crate::terminal::{Input, LineReader, Memory};
    use crate::{Tty, run_line};
    use alloc::string::ToString;
    use alloc::vec;
    use alloc::vec::Vec;

    fn telling() -> FakeSystem {
        let system = FakeSystem::new();
        let notice = Notice::new("CPU 1 parked at zero".to_string(), Style::Warn);
        *system.notices.borrow_mut() = vec![notice];
        system
    }

    #[test]
    fn a_notice_that_waits_for_the_line_to_end_or_spoils_it() {
        let (system, mut memory) = (telling(), Memory::new());
        let mut tty = FakeTty::typing(b"echo he\0llo\r");
        let input = LineReader::new(&mut memory, PLAIN).read(&mut tty, &system);
        assert_eq!(input, Input::Line("echo hello".to_string()));
        assert_eq!(
            tty.text(),
            "tlb> echo he\r\nCPU 1 parked at zero\ntlb> echo hello\r\n"
        );
        assert_eq!(tty.read(), None);
    }

    #[test]
    fn a_notice_that_is_not_told_or_told_twice_after_a_command() {
        let (mut system, mut shown) = (telling(), Vec::new());
        for _ in 0..2 {
            run_line("echo done", &mut system, &mut shown, PLAIN).expect("it echoes");
        }
        assert_eq!(shown, b"done\nCPU 1 parked at zero\ndone\n");
    }
}
