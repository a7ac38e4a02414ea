//! The process's place in the kernel's queues: niceness and I/O class.
//!
//! Called once, in `main`, while there is one thread: both are a thread's own, and those that it starts,
//! and the commands that it runs, take them over. Knows numbers and the kernel's refusals; what was said
//! where is `settings::polite`'s.

use std::fmt;
use std::io;
use std::str::FromStr;

use crate::exit::Usage;
use crate::settings::Polite;

/// How soon the disk's scheduler serves the process, in the words of ionice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IoClass {
    /// When nobody else wants the disk.
    Idle,
    /// In turn; from 0, soonest, to 7.
    BestEffort(u8),
    /// Before all others; from 0, soonest, to 7.
    Realtime(u8),
}

/// What ionice takes, too, if no level is given.
const LEVEL: u8 = 4;

impl FromStr for IoClass {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (class, level) = match text.split_once(':') {
            None => (text, None),
            Some((class, level)) => (class, Some(level)),
        };
        let number = match level {
            None => Some(LEVEL),
            Some(level) => level.parse().ok().filter(|level| *level < 8),
        };
        match (class, number, level) {
            ("idle", _, None) => Ok(Self::Idle),
            ("best-effort", Some(number), _) => Ok(Self::BestEffort(number)),
            ("realtime", Some(number), _) => Ok(Self::Realtime(number)),
            _ => Err(format!(
                "{text:?} is no I/O class; write idle, best-effort, or best-effort:7 with a level \
                 from 0 (first) to 7 (last), or realtime and realtime:0 to realtime:7"
            )),
        }
    }
}

impl fmt::Display for IoClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Idle => write!(f, "idle"),
            Self::BestEffort(level) => write!(f, "best-effort:{level}"),
            Self::Realtime(level) => write!(f, "realtime:{level}"),
        }
    }
}

impl IoClass {
    /// As linux/ioprio.h packs it: the class above 13 bits, the level in the lowest.
    fn packed(self) -> libc::c_int {
        let (class, level) = match self {
            Self::Realtime(level) => (1, level),
            Self::BestEffort(level) => (2, level),
            Self::Idle => (3, 0),
        };
        class << 13 | libc::c_int::from(level)
    }
}

/// Gives the process the place that was asked for.
///
/// # Errors
/// [`Usage`] when the kernel refuses, naming where it was said.
pub(crate) fn take(polite: &Polite) -> Result<(), Usage> {
    if let Some(nice) = &polite.nice {
        rustix::process::setpriority_process(None, nice.value).map_err(|errno| {
            let now = rustix::process::getpriority_process(None);
            let now = now.map_or_else(|_| String::new(), |now| format!(" (it has {now} now)"));
            Usage(format!(
                "nice ({}): the kernel refuses {}: {errno}; without privileges a process can't go \
                 below the niceness that it has{now}",
                nice.origin, nice.value
            ))
        })?;
    }
    if let Some(class) = &polite.io_class {
        set_io_class(class.value).map_err(|error| {
            let advice = match class.value {
                IoClass::Realtime(_) => "; realtime needs privileges (CAP_SYS_NICE)",
                _ => "",
            };
            let (origin, value) = (&class.origin, class.value);
            Usage(format!("io-class ({origin}): the kernel refuses {value}: {error}{advice}"))
        })?;
    }
    Ok(())
}

fn set_io_class(class: IoClass) -> io::Result<()> {
    const WHO_PROCESS: libc::c_int = 1;
    const MYSELF: libc::c_int = 0;
    #[expect(unsafe_code, reason = "no safe crate in use has this system call")]
    // SAFETY: it takes three numbers and gives one back; no memory is involved.
    let set = unsafe { libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, MYSELF, class.packed()) };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::IoClass;

    #[test]
    fn classes_are_written_as_in_ionice() {
        assert_eq!("idle".parse(), Ok(IoClass::Idle));
        assert_eq!("best-effort".parse(), Ok(IoClass::BestEffort(4)));
        assert_eq!("best-effort:7".parse(), Ok(IoClass::BestEffort(7)));
        assert_eq!("realtime:0".parse(), Ok(IoClass::Realtime(0)));
        for wrong in ["", "Idle", "idle:3", "best-effort:8", "best-effort:", "realtime:-1", "none"]
        {
            assert!(wrong.parse::<IoClass>().is_err(), "{wrong}");
        }
        for class in ["idle", "best-effort:0", "realtime:7"] {
            assert_eq!(class.parse::<IoClass>().unwrap().to_string(), class);
        }
    }
}
