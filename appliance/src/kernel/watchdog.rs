//! How long the machine's watchdog waits before it resets the machine.
//!
//! The numbers are those of `linux/watchdog.h`, which are for ever.

use std::{ffi::c_int, io, os::fd::BorrowedFd, time::Duration};

use rustix::{
    io::Errno,
    ioctl::{Opcode, Updater, ioctl, opcode},
};

const SET_TIMEOUT: Opcode = opcode::read_write::<c_int>(b'W', 6);
const SET_PRETIMEOUT: Opcode = opcode::read_write::<c_int>(b'W', 8);

/// Has it wait for so long. How long it waits now: drivers round.
pub(crate) fn set_timeout(device: BorrowedFd<'_>, timeout: Duration) -> io::Result<Duration> {
    set::<SET_TIMEOUT>(device, timeout)
}

/// Has it warn so long before its time is over.
pub(crate) fn set_pretimeout(device: BorrowedFd<'_>, before: Duration) -> io::Result<Duration> {
    set::<SET_PRETIMEOUT>(device, before)
}

fn set<const CALL: Opcode>(device: BorrowedFd<'_>, time: Duration) -> io::Result<Duration> {
    let mut seconds = c_int::try_from(time.as_secs()).map_err(|_| Errno::RANGE)?;
    // SAFETY: both calls take a pointer to one `int`, which they read and write, and which lives until they return.
    // A file that is no watchdog has no such calls and says so (`ENOTTY`): the letter W is theirs in the kernel's list.
    unsafe { ioctl(device, Updater::<'_, CALL, c_int>::new(&mut seconds)) }?;
    let seconds = u64::try_from(seconds).map_err(|_| Errno::RANGE)?;
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;

    use super::*;

    #[test]
    fn what_is_no_watchdog_says_so() {
        let file = tempfile::tempfile().expect("a file");
        for set in [set_timeout, set_pretimeout] {
            let refused = set(file.as_fd(), Duration::from_secs(60)).expect_err("no watchdog");
            assert_eq!(refused.raw_os_error(), Some(Errno::NOTTY.raw_os_error()));
        }
        let endless = set_timeout(file.as_fd(), Duration::MAX).expect_err("too long");
        assert_eq!(endless.raw_os_error(), Some(Errno::RANGE.raw_os_error()));
    }

    #[test]
    fn the_numbers_are_those_of_the_header() {
        assert_eq!((SET_TIMEOUT, SET_PRETIMEOUT), (0xC004_5706, 0xC004_5708));
    }
}
