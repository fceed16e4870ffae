//! Whether the kernel knows its clock to be right.

use std::mem::MaybeUninit;

/// What the kernel says of its clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Discipline {
    /// Somebody sets it, and did so within the last hours.
    Synchronised,
    /// Nobody does, as far as the kernel was told.
    Free,
}

/// Asks; nothing is changed. `None`: it does not say.
pub(crate) fn discipline() -> Option<Discipline> {
    let mut state = MaybeUninit::<libc::timex>::zeroed();
    // SAFETY: `timex` consists of integers, for which zeroes are values; with `modes` zero the call only reads the
    // clock's state and writes it into the one struct that it is given, which lives until it returns.
    let (code, state) = unsafe {
        let code = libc::adjtimex(state.as_mut_ptr());
        (code, state.assume_init())
    };
    match code {
        // A sandbox may not allow it.
        ..0 => None,
        libc::TIME_ERROR => Some(Discipline::Free),
        _ if state.status & libc::STA_UNSYNC != 0 => Some(Discipline::Free),
        _ => Some(Discipline::Synchronised),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_says_the_same_twice() {
        // Which it is depends on the machine.
        let said = discipline();
        assert!(said.is_some(), "this kernel answers");
        assert_eq!(said, discipline());
    }
}
